package eurekaserver

import (
	"container/heap"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// A lease is an instance and its timers.
type lease struct {
	key        key
	info       wire.Instance // its maps are never written to: snapshots share them
	registered time.Time     // last registration
	renewed    time.Time     // last registration or heartbeat
	serviceUp  time.Time     // first time Up
	ended      time.Time

	own      wire.Status // that it is shown with but for an override
	versions versions    // see replica

	index int // in the heap
}

// expires returns when the lease ends: when the duration that its instance
// declared has passed since the last renewal, and not later.
func (l *lease) expires() time.Time {
	return l.renewed.Add(time.Duration(l.info.Lease.Duration) * time.Second)
}

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
	heap.Push(&r.expiry, l)
	if l.index == 0 {
		r.arm()
	}
}

func (r *registry) unschedule(l *lease) { heap.Remove(&r.expiry, l.index) }

// renew moves the end of a lease. The timer is left alone: an end that moves
// away is noticed when the timer fires, so that a heartbeat costs no timer.
func (r *registry) renew(l *lease, now time.Time) {
	l.renewed = now
	l.versions.renewed = r.clock.tick()
	heap.Fix(&r.expiry, l.index)
}

// arm sets the timer to the first end of a lease.
func (r *registry) arm() {
	if len(r.expiry) == 0 || r.closed {
		return
	}
	wait := time.Until(r.expiry[0].expires())
	if r.timer == nil {
		r.timer = time.AfterFunc(wait, r.evict)
	} else {
		r.timer.Reset(wait)
	}
}

// evict ends the leases whose time is up. It runs on the timer.
func (r *registry) evict() {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return
	}
	r.evicting.Add(1)
	defer r.evicting.Done()
	now := time.Now()
	var evicted []wire.Instance
	for len(r.expiry) > 0 && !r.expiry[0].expires().After(now) {
		l := r.expiry[0]
		r.keepOverride(l.key, now)
		r.bury(l, false, now)
		r.end(l, now)
		evicted = append(evicted, l.published())
	}
	r.arm()
	r.mu.Unlock()
	if len(evicted) > 0 {
		r.onEvict(evicted)
	}
}

// leaseHeap orders leases by their end.
type leaseHeap []*lease

func (h leaseHeap) Len() int           { return len(h) }
func (h leaseHeap) Less(i, j int) bool { return h[i].expires().Before(h[j].expires()) }

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
