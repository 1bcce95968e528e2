package eurekaserver

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// fromPeer reports whether another server sent the request and not the
// instance itself.
func fromPeer(r *http.Request) bool {
	return r.Header.Get("X-Netflix-Discovery-Replication") == "true"
}

// forward tells the peers what a request has changed, unless it comes from one
// of them.
func (s *Server) forward(r *http.Request, k key, what news) {
	if !fromPeer(r) {
		s.cluster.tell(k, what)
	}
}

func instanceKey(args []string) key { return key{strings.ToUpper(args[0]), args[1]} }

// register: POST apps/{app}
func (s *Server) register(w http.ResponseWriter, r *http.Request, args []string) {
	if !s.mayRegister(w, r) {
		return
	}
	f, latin1, ok := sent(r.Header)
	if !ok {
		empty(w, http.StatusUnsupportedMediaType)
		return
	}
	data, status := readBody(w, r, latin1, s.settings.maxBody)
	if status == http.StatusBadRequest {
		respond(w, status, contentType(f), parseError(f))
		return
	}
	if status != http.StatusOK {
		empty(w, status)
		return
	}
	in, err := wire.UnmarshalInstance(data, f)
	if err != nil {
		respond(w, http.StatusBadRequest, contentType(f), parseError(f))
		return
	}
	assigned := in.LastDirty == 0
	in, status, objection := s.admit(strings.ToUpper(args[0]), in)
	if objection != "" {
		respond(w, status, "text/plain; charset=utf-8", []byte(objection))
		return
	}
	if status != http.StatusOK {
		w.Header().Set("Retry-After", retryAfter)
		empty(w, status)
		return
	}
	if fromPeer(r) {
		s.registry.registerReplica(in, stragglerTime)
		empty(w, http.StatusNoContent)
		return
	}
	if held, ok := s.registry.instance(key{in.App, in.ID()}); ok && assigned {
		in.LastDirty = max(in.LastDirty, held.LastDirty) // which another server's clock may have assigned
	}
	shown, isNew := s.registry.register(in, false)
	s.cluster.tell(key{in.App, in.ID()}, newsData)
	if isNew {
		s.settings.logger.Info("instance registered", "app", in.App, "id", in.ID(), "status", shown)
	} else {
		s.settings.logger.Debug("instance registered again", "app", in.App, "id", in.ID(), "status", shown)
	}
	empty(w, http.StatusNoContent)
}

// heartbeat: PUT apps/{app}/{id}
func (s *Server) heartbeat(w http.ResponseWriter, r *http.Request, args []string) {
	q, ok := parseQuery(r)
	if !ok {
		empty(w, http.StatusBadRequest)
		return
	}
	over := wire.Status(q.values.Get("overriddenstatus"))
	if over != "" && !known(over) {
		over = wire.Unknown
	}
	k := instanceKey(args)
	v, held := s.registry.heartbeat(k, q.dirty, over, fromPeer(r))
	switch v {
	case alive:
		s.forward(r, k, newsBeat)
		empty(w, http.StatusOK)
	case stale:
		s.conflict(w, r, held)
	default:
		empty(w, http.StatusNotFound)
	}
}

// conflict answers a peer that is behind with the instance as it is here.
func (s *Server) conflict(w http.ResponseWriter, r *http.Request, held wire.Instance) {
	f, ok := accepted(r.Header)
	if !ok {
		f = wire.JSON
	}
	body, err := wire.MarshalInstance(held, f)
	if err != nil {
		empty(w, http.StatusInternalServerError)
		return
	}
	respond(w, http.StatusConflict, contentType(f), body)
}

// cancel: DELETE apps/{app}/{id}
func (s *Server) cancel(w http.ResponseWriter, r *http.Request, args []string) {
	k := instanceKey(args)
	if !s.registry.cancel(k) {
		empty(w, http.StatusNotFound)
		return
	}
	s.forward(r, k, newsCanceled)
	s.settings.logger.Info("instance canceled", "app", k.app, "id", k.id)
	empty(w, http.StatusOK)
}

// setStatus: PUT apps/{app}/{id}/status
func (s *Server) setStatus(w http.ResponseWriter, r *http.Request, args []string) {
	q, ok := parseQuery(r)
	value := wire.Status(q.values.Get("value"))
	if !ok || !known(value) {
		empty(w, http.StatusBadRequest)
		return
	}
	k := instanceKey(args)
	if !s.registry.setOverride(k, value, q.dirty) {
		empty(w, http.StatusNotFound)
		return
	}
	s.forward(r, k, newsStatus)
	s.settings.logger.Info("status set", "app", k.app, "id", k.id, "status", value)
	empty(w, http.StatusOK)
}

// removeStatus: DELETE apps/{app}/{id}/status
func (s *Server) removeStatus(w http.ResponseWriter, r *http.Request, args []string) {
	q, ok := parseQuery(r)
	value := wire.Status(q.values.Get("value"))
	if value == "" {
		value = wire.Unknown
	}
	if !ok || !known(value) {
		empty(w, http.StatusBadRequest)
		return
	}
	k := instanceKey(args)
	if !s.registry.removeOverride(k, value, q.dirty) {
		empty(w, http.StatusNotFound)
		return
	}
	s.forward(r, k, newsStatus)
	s.settings.logger.Info("status override removed", "app", k.app, "id", k.id, "status", value)
	empty(w, http.StatusOK)
}

// putMetadata: PUT apps/{app}/{id}/metadata
func (s *Server) putMetadata(w http.ResponseWriter, r *http.Request, args []string) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		empty(w, http.StatusBadRequest)
		return
	}
	entries := make(map[string]string, len(values))
	for name := range values {
		entries[name] = values.Get(name)
	}
	k := instanceKey(args)
	found, fits := s.registry.merge(k, entries, min(s.settings.maxBody, int64(s.settings.limits.MetadataBytes)))
	switch {
	case !found:
		empty(w, http.StatusNotFound)
	case !fits:
		empty(w, http.StatusRequestEntityTooLarge)
	default:
		s.forward(r, k, newsData)
		s.settings.logger.Info("metadata changed", "app", k.app, "id", k.id)
		empty(w, http.StatusOK)
	}
}

// query holds the parameters of a request that changes an instance.
type query struct {
	values url.Values
	dirty  int64 // 0 if not given
}

func parseQuery(r *http.Request) (query, bool) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return query{}, false
	}
	q := query{values: values}
	if text := values.Get("lastDirtyTimestamp"); text != "" {
		q.dirty, err = strconv.ParseInt(text, 10, 64)
	}
	return q, err == nil
}

// known reports whether a status is one that Eureka knows.
func known(status wire.Status) bool {
	switch status {
	case wire.Up, wire.Down, wire.Starting, wire.OutOfService, wire.Unknown:
		return true
	}
	return false
}
