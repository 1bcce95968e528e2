package eurekaserver

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// maxForm is how many bytes a button of the page may send.
const maxForm = 16 << 10

// operate: POST /page/operate
//
// The form names an instance ("app", "id"), what to do ("do": "out" or "back"),
// and the query of the page that it stands on ("page"), to which the answer
// leads back.
func (p *page) operate(w http.ResponseWriter, r *http.Request) {
	if err := p.crossOrigin.Check(r); err != nil {
		refuse(w, http.StatusForbidden, "this form was sent by another site")
		return
	}
	switch err := parseForm(w, r); {
	case errors.Is(err, os.ErrDeadlineExceeded):
		refuse(w, http.StatusRequestTimeout, "this form took too long to arrive")
		return
	case err != nil:
		refuse(w, http.StatusBadRequest, "this form cannot be read")
		return
	}
	k := key{r.PostForm.Get("app"), r.PostForm.Get("id")}
	if !p.server.authorize(w, r, Operate, []string{k.app}) {
		return
	}
	var found bool
	switch r.PostForm.Get("do") {
	case "out":
		found = p.server.takeOut(k)
	case "back":
		found = p.server.bringBack(k)
	default:
		refuse(w, http.StatusBadRequest, "this form does not say what to do")
		return
	}
	if !found {
		refuse(w, http.StatusNotFound, "there is no such instance any more")
		return
	}
	p.listings.forget()
	// Parsed and written anew, so that the answer leads to the page and
	// nowhere else.
	back, _ := url.ParseQuery(strings.TrimPrefix(r.PostForm.Get("page"), "?"))
	w.Header().Set("Location", "../"+readPageQuery(back).Link()+"#"+domID("i", k.app, k.id))
	empty(w, http.StatusSeeOther)
}

// parseForm reads a form, within the bounds for its size and time.
func parseForm(w http.ResponseWriter, r *http.Request) error {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout)) // as readBody does
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return err
	}
	_ = control.SetReadDeadline(time.Time{})
	return nil
}

// takeOut takes an instance out of service: PUT status?value=OUT_OF_SERVICE.
func (s *Server) takeOut(k key) bool {
	if !s.registry.setOverride(k, wire.OutOfService, 0) {
		return false
	}
	s.cluster.tell(k, newsStatus)
	s.settings.logger.Info("status set", "app", k.app, "id", k.id, "status", wire.OutOfService)
	return true
}

// bringBack brings an instance back into service: DELETE status?value=UP. One
// that has said in the meantime that it is not ready stays what it is.
func (s *Server) bringBack(k key) bool {
	in, ok := s.registry.instance(k)
	if !ok {
		return false
	}
	status := in.Status
	if status == wire.OutOfService {
		status = wire.Up
	}
	if !s.registry.removeOverride(k, status, 0) {
		return false
	}
	s.cluster.tell(k, newsStatus)
	s.settings.logger.Info("status override removed", "app", k.app, "id", k.id, "status", status)
	return true
}
