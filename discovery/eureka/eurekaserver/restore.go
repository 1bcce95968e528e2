package eurekaserver

import (
	"strings"
	"sync"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// snapshotState is how the snapshot is.
type snapshotState struct {
	started bool   // set by Start
	written uint64 // the revision in the file; of the goroutine that keeps it, and then of Close

	mu    sync.Mutex // guards the rest
	state SnapshotState
}

func (s *snapshotState) update(f func(*SnapshotState)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.state)
}

func (s *snapshotState) read() SnapshotState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// saved returns the registry to be saved, and its revision.
func (r *registry) saved() (saved, uint64) {
	r.mu.Lock()
	doc, rev, now := r.fullLocked(), r.rev, time.Now()
	out := saved{Instances: make([]wire.Instance, 0, len(r.expiry))}
	living, gone := r.marksLocked(now)
	for k, o := range r.overrides {
		if o.until.IsZero() || now.Before(o.until) {
			out.Overrides = append(out.Overrides, savedOverride{k.app, k.id, o.status, o.until})
		}
	}
	r.mu.Unlock()
	out.Versions, out.Gone = writeMarks(living), writeMarks(gone)
	for _, app := range doc.sections() {
		for _, rec := range app.records {
			out.Instances = append(out.Instances, rec.Instance)
		}
	}
	return out, rev
}

// restore fills an empty registry, and returns how many instances were valid.
// Each gets a whole lease from now, since it is not to blame for the time that
// the server was away. That is no change: readers have an older epoch, if
// anything, and get it all.
func (r *registry) restore(s saved, limits *Limits) (restored int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	marks := make(map[key]mark, len(s.Versions))
	for i := range s.Versions {
		if m, ok := s.Versions[i].read(now); ok {
			marks[m.key] = m
		}
	}
	for _, in := range s.Instances {
		times, action, updated := in.Lease, in.Action, in.LastUpdated
		in, objection := admit(strings.ToUpper(in.App), in)
		if objection != "" || limits.objection(&in) != "" || !known(in.Status) {
			continue
		}
		k := key{in.App, in.ID()}
		if r.lease(k) != nil || !r.roomLocked(k, limits) {
			continue
		}
		in.Lease.Registered, in.Lease.ServiceUp = times.Registered, times.ServiceUp
		in.Action, in.LastUpdated = action, updated
		l := &lease{key: k, info: in, registered: fromMillis(times.Registered), renewed: now, serviceUp: fromMillis(times.ServiceUp)}
		if m, ok := marks[k]; ok && !m.versions.dead() && known(m.own) {
			l.versions, l.own = m.versions, m.own
			r.hear(&m.versions)
		} else {
			l.stampRestored(r.clock.node)
		}
		r.guard.joined(l, nil, now)
		r.hold(l)
		r.apps[k.app].show(newRecord(k.id, l.published()))
		restored++
	}
	r.restoreGone(s.Gone, limits, now)
	for _, o := range s.Overrides {
		k := key{strings.ToUpper(o.App), o.ID}
		lives := r.lease(k) != nil
		if !known(o.Status) || len(r.overrides) >= maxOverrides || !lives && !now.Before(o.Until) {
			continue
		}
		if lives {
			o.Until = time.Time{}
		}
		r.overrides[k] = override{o.Status, o.Until}
	}
	r.views = views{}
	return restored
}

func fromMillis(ms int64) time.Time {
	if ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
