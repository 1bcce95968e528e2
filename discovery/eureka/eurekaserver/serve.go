package eurekaserver

import "net/http"

// ServeHTTP serves the registry's resources below the prefix, the page at "/",
// and 404 for any other path. It never redirects but after a button of the
// page.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Start()
	resource, args := s.find(r.URL)
	counted := &countedWriter{ResponseWriter: w}
	s.serve(counted, r, resource, args)
	s.requests.count(resource, r.Method, counted.status)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, resource int, args []string) {
	if s.closed() {
		empty(w, http.StatusServiceUnavailable)
		return
	}
	if resource < 0 {
		s.page.ServeHTTP(w, r)
		return
	}
	res := &resources[resource]
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet // net/http leaves the body out
	}
	handle := res.methods[method]
	if handle == nil {
		w.Header().Set("Allow", allowed(res.methods))
		empty(w, http.StatusMethodNotAllowed)
		return
	}
	if s.authorize(w, r, grantFor(method, res.pattern, r), args) {
		handle(s, w, r, args)
	}
}
