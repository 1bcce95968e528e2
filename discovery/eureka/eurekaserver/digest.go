package eurekaserver

import (
	"math/bits"
	"strconv"
	"time"
)

// names returns the applications of which something is known.
func (r *registry) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := make([]string, 0, len(r.apps))
	for name := range r.apps {
		names = append(names, name)
	}
	for name := range r.graves.byApp {
		if r.apps[name] == nil {
			names = append(names, name)
		}
	}
	return names
}

// digests returns for each application a hash of the summaries of its
// instances, which is the same on servers that agree.
func (r *registry) digests() map[string]string {
	out := make(map[string]string)
	for _, name := range r.names() {
		var sum uint64 // so that the order makes no difference
		var text []byte
		r.each(name, func(id string, known *replica) {
			text = known.appendSummary(append(append(text[:0], id...), 0))
			sum += hash(text)
		})
		if sum != 0 {
			out[name] = strconv.FormatUint(sum, 36)
		}
	}
	return out
}

// hash is FNV-1a, mixed: sums of what it returns do not cancel each other out
// when the texts are alike.
func hash(text []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range text {
		h = (h ^ uint64(b)) * 1099511628211
	}
	hi, lo := bits.Mul64(h, 0x9e3779b97f4a7c15)
	return hi ^ lo
}

// summaries returns the summaries of the instances of an application by id.
func (r *registry) summaries(app string) map[string]string {
	out := make(map[string]string)
	r.each(app, func(id string, known *replica) { out[id] = known.summary() })
	return out
}

// A trace is what goes into the summary of an instance.
type trace struct {
	id        string
	living    bool
	versions  versions
	lastDirty int64
}

// each calls f for each instance of an application whose lease has not run
// out, and each that was canceled. What f does is done without the lock.
func (r *registry) each(app string, f func(id string, known *replica)) {
	var known replica
	for _, t := range r.traces(app) {
		known.living, known.versions, known.info.LastDirty = t.living, t.versions, t.lastDirty
		f(t.id, &known)
	}
}

func (r *registry) traces(app string) []trace {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	var leases map[string]*lease
	if a := r.apps[app]; a != nil {
		leases = a.leases
	}
	buried := r.graves.byApp[app]
	traces := make([]trace, 0, len(leases)+len(buried))
	for id, l := range leases {
		if l.expires().After(now) {
			traces = append(traces, trace{id, true, l.versions, l.info.LastDirty})
		}
	}
	for id, e := range buried {
		if t := e.Value.(*tombstone); leases[id] == nil && !t.evicted() && now.Before(t.until) {
			traces = append(traces, trace{id, false, t.versions, 0})
		}
	}
	return traces
}

// keys returns the instances of which something is known.
func (r *registry) keys() []key {
	var keys []key
	for _, app := range r.names() {
		for id := range r.summaries(app) {
			keys = append(keys, key{app, id})
		}
	}
	return keys
}
