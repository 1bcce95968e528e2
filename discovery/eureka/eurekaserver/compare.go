package eurekaserver

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// digest: POST peerreplication/digest, of this package only
func (s *Server) digest(w http.ResponseWriter, r *http.Request, _ []string) {
	var query digestQuery
	if !s.readQuery(w, r, &query) {
		return
	}
	out := digestReply{Starting: s.cluster.gateClosed(), Apps: make(map[string]map[string]string)}
	mine := s.registry.digests()
	for app, sum := range mine {
		if query.Apps[app] != sum {
			out.Apps[app] = s.registry.summaries(app)
		}
	}
	nothing := map[string]string{} // one for all, however many somebody makes up
	for app := range query.Apps {
		if mine[app] == "" {
			out.Apps[app] = nothing
		}
	}
	answer(w, out, func(d digestReply) ([]byte, error) { return json.Marshal(d) })
}

// fetch: POST peerreplication/fetch, of this package only
//
// The answer has an item for each instance that was asked for, in order, up to
// where it is long enough. One of which nothing is known any more is an item
// without an action.
func (s *Server) fetch(w http.ResponseWriter, r *http.Request, _ []string) {
	var query fetchQuery
	if !s.readQuery(w, r, &query) {
		return
	}
	size := 0
	var items []json.RawMessage
	for _, pair := range query.Keys {
		it := wire.Item{App: pair[0], ID: pair[1]}
		if known, ok := s.registry.replica(key{pair[0], pair[1]}); ok {
			it = replicaItem(&known, false)
		}
		data, err := wire.MarshalItem(it)
		if err != nil {
			empty(w, http.StatusInternalServerError)
			return
		}
		items = append(items, data)
		if size += len(data); size >= maxSendBytes {
			break
		}
	}
	answer(w, items, wire.MarshalBatch)
}

func (s *Server) readQuery(w http.ResponseWriter, r *http.Request, query any) bool {
	data, ok := s.readJSON(w, r)
	if !ok {
		return false
	}
	switch err := json.Unmarshal(data, query); {
	case errors.Is(err, errTooManyDigests):
		empty(w, http.StatusRequestEntityTooLarge)
		return false
	case err != nil:
		empty(w, http.StatusBadRequest)
		return false
	}
	return true
}
