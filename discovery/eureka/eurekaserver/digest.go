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

// each calls f under the lock for each instance of an application whose lease
// has not run out, and each that was canceled.
func (r *registry) each(app string, f func(id string, known *replica)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	var leases map[string]*lease
	if a := r.apps[app]; a != nil {
		leases = a.leases
	}
	var known replica
	for id, l := range leases {
		if l.expires().After(now) {
			known.living, known.versions, known.info.LastDirty = true, l.versions, l.info.LastDirty
			f(id, &known)
		}
	}
	known = replica{}
	for id, e := range r.graves.byApp[app] {
		if t := e.Value.(*tombstone); leases[id] == nil && !t.evicted() && now.Before(t.until) {
			known.versions = t.versions
			f(id, &known)
		}
	}
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
