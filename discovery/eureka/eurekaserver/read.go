package eurekaserver

import (
	"net/http"
	"strings"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// getApps: GET apps
func (s *Server) getApps(w http.ResponseWriter, r *http.Request, _ []string) {
	if _, ok := accepted(r.Header); !ok {
		empty(w, http.StatusNotAcceptable)
		return
	}
	if held, state := s.heldRevision(r); state == revisionOurs {
		if rev, _ := s.registry.revision(); rev == held {
			s.mark(w, rev)
			empty(w, http.StatusNotModified)
			return
		}
	}
	if !s.mayList(w, r) {
		return
	}
	doc, rev := s.registry.full()
	s.mark(w, rev)
	respondDocument(w, r, doc)
}

// getApp: GET apps/{app}
func (s *Server) getApp(w http.ResponseWriter, r *http.Request, args []string) {
	if !s.mayList(w, r) {
		return
	}
	app, ok := s.registry.application(strings.ToUpper(args[0]))
	if !ok {
		empty(w, http.StatusNotFound)
		return
	}
	respondWith(w, r, acceptedList, app.bytes)
}

// getInstance: GET apps/{app}/{id}
func (s *Server) getInstance(w http.ResponseWriter, r *http.Request, args []string) {
	in, ok := s.registry.instance(instanceKey(args))
	respondInstance(w, r, in, ok)
}

// getAnywhere: GET instances/{id}
func (s *Server) getAnywhere(w http.ResponseWriter, r *http.Request, args []string) {
	in, ok := s.registry.anywhere(args[0])
	respondInstance(w, r, in, ok)
}

func respondInstance(w http.ResponseWriter, r *http.Request, in wire.Instance, ok bool) {
	if !ok {
		empty(w, http.StatusNotFound)
		return
	}
	respondWith(w, r, accepted, func(f wire.Format) ([]byte, error) { return wire.MarshalInstance(in, f) })
}

// getVIP: GET vips/{vip}
func (s *Server) getVIP(w http.ResponseWriter, r *http.Request, args []string) {
	s.respondVIP(w, r, args[0], func(in *wire.Instance) string { return in.VIPAddress })
}

// getSecureVIP: GET svips/{vip}
func (s *Server) getSecureVIP(w http.ResponseWriter, r *http.Request, args []string) {
	s.respondVIP(w, r, args[0], func(in *wire.Instance) string { return in.SecureVIPAddress })
}

func (s *Server) respondVIP(w http.ResponseWriter, r *http.Request, vip string, address func(*wire.Instance) string) {
	if !s.mayList(w, r) {
		return
	}
	respondDocument(w, r, s.registry.byVIP(vip, address))
}
