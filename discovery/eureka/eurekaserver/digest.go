package eurekaserver

import (
	"hash/fnv"
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
		if sum := digest(r.summaries(name)); sum != "" {
			out[name] = sum
		}
	}
	return out
}

func digest(summaries map[string]string) string {
	if len(summaries) == 0 {
		return ""
	}
	var sum uint64
	for id, summary := range summaries {
		h := fnv.New64a()
		_, _ = h.Write([]byte(id))
		_, _ = h.Write([]byte{0})
		_, _ = h.Write([]byte(summary))
		hi, lo := bits.Mul64(h.Sum64(), 0x9e3779b97f4a7c15) // a sum of plain hashes hides differences
		sum += hi ^ lo
	}
	return strconv.FormatUint(sum, 36)
}

// summaries returns the summaries of the instances of an application by id,
// and of those that were canceled.
func (r *registry) summaries(app string) map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	var leases map[string]*lease
	if a := r.apps[app]; a != nil {
		leases = a.leases
	}
	out := make(map[string]string, len(leases))
	for id, l := range leases {
		if l.expires().After(now) {
			out[id] = (&replica{versions: l.versions, info: l.info, living: true}).summary()
		}
	}
	for id, e := range r.graves.byApp[app] {
		t := e.Value.(*tombstone)
		if leases[id] == nil && !t.evicted() && now.Before(t.until) {
			out[id] = (&replica{versions: t.versions}).summary()
		}
	}
	return out
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
