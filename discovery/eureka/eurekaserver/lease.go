package eurekaserver

import (
	"container/heap"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// A lease is an instance and its timers.
type lease struct {
	key        key
	info       wire.Instance // its maps are never written to: records share them
	registered time.Time     // last registration
	renewed    time.Time     // last registration or heartbeat; with Netflix's rules see [netflixRules]
	serviceUp  time.Time     // first time Up
	ended      time.Time

	own      wire.Status // that it is shown with but for an override
	versions versions    // see replica

	due   time.Time // when to look whether it has run out: no later than that
	index int       // in the heap
}

// duration returns how long the lease lasts without a heartbeat.
func (l *lease) duration() time.Duration { return time.Duration(l.info.Lease.Duration) * time.Second }

// expires returns when the lease runs out: when the duration that its instance
// declared has passed since the last renewal, and not later.
func (l *lease) expires() time.Time { return l.renewed.Add(l.duration()) }

// noteUp records when the instance was up for the first time.
func (l *lease) noteUp(now time.Time) {
	if l.info.Status == wire.Up && l.serviceUp.IsZero() {
		l.serviceUp = now
	}
}

// published returns the instance as the world sees it.
func (l *lease) published() wire.Instance {
	in := l.info
	in.Lease.Registered = millis(l.registered)
	in.Lease.LastRenewal = millis(l.renewed)
	in.Lease.Evicted = millis(l.ended)
	in.Lease.ServiceUp = millis(l.serviceUp)
	return in
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func (r *registry) schedule(l *lease) {
	l.due = l.expires()
	heap.Push(&r.expiry, l)
	if l.index == 0 {
		r.arm()
	}
}

func (r *registry) unschedule(l *lease) { heap.Remove(&r.expiry, l.index) }

// renew moves the end of a lease. Heap and timer are left alone: that the
// lease has not run out is noticed when it is due, so that a heartbeat costs
// next to nothing.
func (r *registry) renew(l *lease, now time.Time) {
	l.renewed = r.guard.renewed(l, now)
	l.versions.renewed = r.clock.tick()
	r.totals.Heartbeats++
}

// arm sets the timer to when the first lease is due, or as the guard wants it.
func (r *registry) arm() {
	protected := r.protection.Load() != nil // until a run finds that it is over
	if r.closed || len(r.expiry) == 0 && !protected {
		return
	}
	now := time.Now()
	first := now.Add(time.Hour)
	if len(r.expiry) > 0 {
		first = r.expiry[0].due
	}
	wait := r.guard.next(first, now).Sub(now)
	if r.timer == nil {
		r.timer = time.AfterFunc(wait, r.evict)
	} else {
		r.timer.Reset(wait)
	}
}

// evict ends the leases whose time is up, if the guard lets it. It runs on the
// timer.
func (r *registry) evict() {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return
	}
	r.evicting.Add(1)
	defer r.evicting.Done()
	now := time.Now()
	overdue := r.overdue(r.guard.cutoff(now))
	n, again := r.guard.admit(len(overdue), r.expiry, now)
	turned := r.guard.protecting() != (r.protection.Load() != nil)
	var state Preservation
	if turned {
		state = r.guard.state(r.expiry, now)
		r.protection.Store(protectionHeader(state))
	}
	if n < len(overdue) {
		pick(overdue, n)
	}
	evicted := make([]wire.Instance, 0, n)
	for _, l := range overdue[:n] {
		r.keepOverride(l.key, now)
		r.bury(l, false, now)
		r.end(l, now)
		evicted = append(evicted, l.published())
	}
	if n > 0 {
		r.forgetOverrides(now)
	}
	r.totals.Evictions += uint64(n)
	for _, l := range overdue[n:] {
		l.due = again
		heap.Fix(&r.expiry, l.index)
	}
	r.arm()
	r.mu.Unlock()
	if turned {
		r.hooks.protected(state)
	}
	if len(evicted) > 0 {
		r.hooks.evicted(evicted)
	}
}

// overdue returns the leases that have run out by the given time, first those
// that did so first. They stay in the heap.
func (r *registry) overdue(cutoff time.Time) []*lease {
	var found []*lease
	for len(r.expiry) > 0 && !r.expiry[0].due.After(cutoff) {
		l := r.expiry[0]
		if end := l.expires(); end.After(cutoff) {
			l.due = end
			heap.Fix(&r.expiry, 0)
			continue
		}
		found = append(found, heap.Pop(&r.expiry).(*lease))
	}
	for _, l := range found {
		heap.Push(&r.expiry, l)
	}
	return found
}

// leaseHeap orders leases by when they are due.
type leaseHeap []*lease

func (h leaseHeap) Len() int           { return len(h) }
func (h leaseHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }

func (h leaseHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *leaseHeap) Push(x any) {
	l := x.(*lease)
	l.index = len(*h)
	*h = append(*h, l)
}

func (h *leaseHeap) Pop() any {
	last := len(*h) - 1
	l := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return l
}
