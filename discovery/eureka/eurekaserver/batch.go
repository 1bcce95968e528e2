package eurekaserver

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// maxBatchBytes is how large a batch may be, unless a single registration may
// be larger. How many items it may have is among the [Limits].
const maxBatchBytes = 16 << 20

// batch: POST peerreplication/batch
//
// What arrives here comes from a peer, whether or not it says so, and is
// passed on to nobody.
func (s *Server) batch(w http.ResponseWriter, r *http.Request, _ []string) {
	data, ok := s.readJSON(w, r)
	if !ok {
		return
	}
	items, err := wire.UnmarshalBatch(data, s.settings.limits.Batch)
	switch {
	case errors.Is(err, wire.ErrNoList):
		empty(w, http.StatusInternalServerError) // which is what Netflix's server says
		return
	case errors.Is(err, wire.ErrTooManyItems):
		empty(w, http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		empty(w, http.StatusBadRequest)
		return
	}
	results := make([]wire.Result, len(items))
	for i := range items {
		results[i] = s.apply(&items[i])
	}
	answer(w, results, wire.MarshalResults)
}

// readJSON returns the body of a request between servers, or answers itself.
func (s *Server) readJSON(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	w.Header().Set(headerServer, s.id)
	f, latin1, ok := sent(r.Header)
	if !ok || f.IsXML() {
		empty(w, http.StatusUnsupportedMediaType)
		return nil, false
	}
	data, status := readBody(w, r, latin1, max(maxBatchBytes, s.settings.maxBody))
	if status != http.StatusOK {
		empty(w, status)
		return nil, false
	}
	return data, true
}

func answer[T any](w http.ResponseWriter, doc T, marshal func(T) ([]byte, error)) {
	body, err := marshal(doc)
	if err != nil {
		empty(w, http.StatusInternalServerError)
		return
	}
	respond(w, http.StatusOK, "application/json", body)
}

// apply does what a peer says has happened at its side.
func (s *Server) apply(it *wire.Item) wire.Result {
	k := key{upper(it.App), it.ID}
	text := s.settings.limits.Text // also of what is gone, and only remembered
	if it.Err != nil || blank(k.app) || blank(k.id) || len(k.app) > text || len(k.id) > text {
		return wire.Result{Code: http.StatusBadRequest}
	}
	if len(it.State) > 0 {
		return s.applyReplica(k, it)
	}
	switch it.Action {
	case wire.ActionRegister:
		return s.applyRegister(k, it)
	case wire.ActionHeartbeat:
		return s.applyHeartbeat(k, it)
	case wire.ActionCancel:
		return found(s.registry.cancel(k))
	case wire.ActionStatusUpdate:
		if !known(it.Status) {
			return wire.Result{Code: http.StatusBadRequest}
		}
		return found(s.registry.setOverride(k, it.Status, it.LastDirty))
	case wire.ActionDeleteOverride:
		status := it.Status
		if status == "" {
			status = wire.Unknown
		}
		return found(s.registry.removeOverride(k, status, it.LastDirty))
	case "":
		return wire.Result{Code: http.StatusInternalServerError}
	}
	return wire.Result{Code: http.StatusBadRequest}
}

func (s *Server) applyRegister(k key, it *wire.Item) wire.Result {
	if it.Instance == nil {
		return wire.Result{Code: http.StatusInternalServerError}
	}
	in, status, _ := s.admit(k.app, *it.Instance)
	if status != http.StatusOK {
		return wire.Result{Code: status}
	}
	if !s.registry.registerReplica(in, stragglerTime) {
		return wire.Result{Code: http.StatusNotFound}
	}
	return wire.Result{Code: http.StatusOK}
}

func (s *Server) applyHeartbeat(k key, it *wire.Item) wire.Result {
	verdict, held := s.registry.heartbeat(k, it.LastDirty, it.OverriddenStatus, true)
	switch verdict {
	case alive:
		return wire.Result{Code: http.StatusOK}
	case stale:
		return wire.Result{Code: http.StatusConflict, Instance: &held}
	}
	return wire.Result{Code: http.StatusNotFound}
}

// applyReplica does the same for a server of this package. If more is known
// here, the answer says it.
func (s *Server) applyReplica(k key, it *wire.Item) wire.Result {
	var mine replica
	var ahead bool
	code := http.StatusOK
	if it.Action == wire.ActionHeartbeat {
		theirs, err := readState(k, it.State, time.Now())
		if err != nil {
			return wire.Result{Code: http.StatusBadRequest}
		}
		theirs.living, theirs.info.LastDirty = true, it.LastDirty
		var v verdict
		v, mine = s.registry.beat(theirs)
		switch v {
		case unknown:
			code = http.StatusNotFound
		case stale:
			code, ahead = http.StatusConflict, true
		}
	} else {
		theirs, err := readReplica(k, it.Instance, it.State, time.Now())
		if err != nil {
			return wire.Result{Code: http.StatusBadRequest}
		}
		if theirs.living && !s.fits(&theirs) {
			return wire.Result{Code: http.StatusServiceUnavailable}
		}
		mine, ahead = s.registry.learn(theirs)
	}
	res := wire.Result{Code: code}
	if ahead {
		res.State = writeState(&mine)
		if mine.living {
			res.Instance = &mine.info
		}
	}
	return res
}

// fits reports whether the limits allow an instance.
func (s *Server) fits(r *replica) bool {
	limits := &s.settings.limits
	return limits.objection(&r.info) == "" && s.registry.room(r.key, limits)
}

func upper(app string) string { return strings.ToUpper(app) }

func found(ok bool) wire.Result {
	if !ok {
		return wire.Result{Code: http.StatusNotFound}
	}
	return wire.Result{Code: http.StatusOK}
}
