package eurekaserver

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
)

// RequestCount is how many requests of a kind have been answered with a
// status: see [Server.Stats].
type RequestCount struct {
	Method   string // GET, POST, PUT, DELETE or other; HEAD counts as GET
	Resource string // such as apps/{} with {} for each variable part, or other
	Status   int    // 0: one that is none of the server's own
	Count    uint64
}

// methods and statuses are what is counted by itself. Whoever sends what is
// not here cannot make the list longer.
var (
	methods  = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}
	statuses = []int{200, 204, 303, 304, 400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 429, 500, 503}
)

// requestCounts counts answers by resource, method and status.
type requestCounts struct {
	counts []atomic.Uint64
}

func newRequestCounts() requestCounts {
	return requestCounts{make([]atomic.Uint64, (len(resources)+1)*(len(methods)+1)*(len(statuses)+1))}
}

// count counts an answer. Resource -1 stands for none.
func (c *requestCounts) count(resource int, method string, status int) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if status == 0 {
		status = http.StatusOK // nothing was written: net/http says so
	}
	m, s := indexOf(methods, method), indexOf(statuses, status)
	c.counts[((resource+1)*(len(methods)+1)+m)*(len(statuses)+1)+s].Add(1)
}

// indexOf returns the index of an element, or one past the last.
func indexOf[T comparable](elements []T, e T) int {
	if i := slices.Index(elements, e); i >= 0 {
		return i
	}
	return len(elements)
}

// read returns what is not zero, in a fixed order.
func (c *requestCounts) read() []RequestCount {
	var counts []RequestCount
	for i := range c.counts {
		n := c.counts[i].Load()
		if n == 0 {
			continue
		}
		rest, s := i/(len(statuses)+1), i%(len(statuses)+1)
		resource, m := rest/(len(methods)+1)-1, rest%(len(methods)+1)
		rc := RequestCount{Method: "other", Resource: "other", Count: n}
		if m < len(methods) {
			rc.Method = methods[m]
		}
		if resource >= 0 {
			rc.Resource = strings.ReplaceAll(strings.Join(resources[resource].pattern, "/"), "*", "{}")
		}
		if s < len(statuses) {
			rc.Status = statuses[s]
		}
		counts = append(counts, rc)
	}
	return counts
}

// countedWriter remembers the status of an answer.
type countedWriter struct {
	http.ResponseWriter
	status int
}

func (w *countedWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (w *countedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
