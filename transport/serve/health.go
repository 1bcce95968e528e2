package serve

import (
	"io"
	"net/http"
	"sync/atomic"
)

// A Health answers the questions of a supervisor or load balancer about a
// copy. The zero value is alive and not ready. Its methods may be called
// concurrently.
type Health struct {
	ready atomic.Bool
}

// Live returns a handler that answers 200: whoever can answer is alive. That
// a dependency fails is no reason to be restarted.
func (h *Health) Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "alive\n") })
}

// Ready returns a handler that answers 200 while the copy takes calls, and
// 503 before [Run] has announced it and from the moment it is to stop.
func (h *Health) Ready() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if h.ready.Load() {
			answer(w, http.StatusOK, "ready\n")
		} else {
			answer(w, http.StatusServiceUnavailable, "not ready\n")
		}
	})
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // who has gone does not want to know
}
