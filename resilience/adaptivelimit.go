package resilience

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultInitialLimit   = 20
	defaultMinLimit       = 4
	defaultMaxLimit       = 200
	defaultTolerance      = 1.5
	defaultAdaptInterval  = time.Second
	adaptiveWindowSamples = 10
)

// An AdaptiveLimitConfig says within which bounds an [AdaptiveLimit] moves,
// and how.
type AdaptiveLimitConfig struct {
	// Initial is the number of calls that may be in flight at first. Default
	// 20; it is brought between Min and Max.
	Initial int

	// Min and Max bound the number of calls that may be in flight. Default 4
	// and 200; Max is at least Min. A negative Min means 1.
	Min, Max int

	// Tolerance is by how much the latency may be above its long-term average
	// before the limit shrinks. Default 1.5; at least 1.
	Tolerance float64

	// Interval is how often the limit is adapted, provided that there were
	// ten latencies or a drop. Default 1 s; at least 10 ms. The long-term
	// average is that of 600 intervals.
	Interval time.Duration

	// Queue and MaxWait are those of a [LimitConfig].
	Queue   int
	MaxWait time.Duration
}

func (c AdaptiveLimitConfig) normal() AdaptiveLimitConfig {
	if c.Initial <= 0 {
		c.Initial = defaultInitialLimit
	}
	if c.Min == 0 {
		c.Min = defaultMinLimit
	}
	c.Min = normalMaxInFlight(c.Min)
	if c.Max <= 0 {
		c.Max = defaultMaxLimit
	}
	c.Max = max(normalMaxInFlight(c.Max), c.Min)
	c.Initial = min(max(c.Initial, c.Min), c.Max)
	c.Tolerance = max(normalRate(c.Tolerance, defaultTolerance, 100), 1)
	if c.Interval <= 0 {
		c.Interval = defaultAdaptInterval
	}
	c.Interval = max(c.Interval, 10*time.Millisecond)
	return c
}

// An AdaptiveLimit is a [Limit] that finds its size by itself. A server that
// is sent more than it can do at a time has the rest wait, and its latency
// says so. Once an interval the limit L becomes
//
//	0.8·L + 0.2·(L·slope + 4)   slope = 1.5 · long / short, between 0.5 and 1
//
// where short is the mean latency of the interval, and long is its average
// over 600 of them. If at most half of it was in use it stays. If the service
// refused or lost calls in the interval, it becomes 0.9·L. The rule is Gradient2
// of Netflix's concurrency-limits, over windows of a second and with its AIMD's
// answer to drops.
//
// It takes latency for load. That is wrong where
//   - the mix of requests changes: more expensive ones look like overload, and
//     the limit shrinks by 10 % an interval for nothing. Kinds of request that
//     differ much want a limit each.
//   - overload lasts: the long-term average rises toward what the latency has
//     become. With twice the calls that a server of ten slots can serve, the
//     limit is 22 after a minute, and Max after twenty. So Max must be what can
//     be borne.
//   - it begins in overload, which it then takes for normal.
//   - many clients call one server: 4 for each of them can be too many.
//
// If the capacity of the service is known, a Limit is better.
//
// All methods may be called concurrently. While there is room, none waits for a
// lock, or allocates anything.
type AdaptiveLimit struct {
	limit    *Limit
	interval int64 // ns
	started  time.Time

	// The current interval. One that ends meanwhile may part a latency from
	// its count, which is one in ten off by one.
	next  atomic.Int64 // ns since started, when it ends
	count atomic.Int64
	sum   atomic.Int64 // of latencies, ns
	peak  atomic.Int64 // calls in flight
	drops atomic.Int64

	mu       sync.Mutex // guards gradient
	gradient gradient
}

// NewAdaptiveLimit returns an adaptive limit with nothing in flight.
func NewAdaptiveLimit(cfg AdaptiveLimitConfig) *AdaptiveLimit {
	cfg = cfg.normal()
	a := &AdaptiveLimit{
		limit:    NewLimit(LimitConfig{MaxInFlight: cfg.Initial, Queue: cfg.Queue, MaxWait: cfg.MaxWait}),
		interval: int64(cfg.Interval),
		started:  time.Now(),
		gradient: gradient{min: float64(cfg.Min), max: float64(cfg.Max), tolerance: cfg.Tolerance, limit: float64(cfg.Initial)},
	}
	a.next.Store(a.interval)
	return a
}

// TryAcquire is [Limit.TryAcquire]. One of Success, Drop and Release must
// follow.
func (a *AdaptiveLimit) TryAcquire() bool { return a.limit.TryAcquire() }

// Acquire is [Limit.Acquire]. If it returns nil, one of Success, Drop and
// Release must follow.
func (a *AdaptiveLimit) Acquire(ctx context.Context) error { return a.limit.Acquire(ctx) }

// Success ends a call that was let through and got an answer after the given
// latency, a waiting time in the limit's queue excluded.
func (a *AdaptiveLimit) Success(latency time.Duration) {
	if latency > 0 {
		a.sum.Add(int64(min(latency, time.Hour)))
		a.count.Add(1)
	}
	a.end()
}

// Drop ends a call that was let through and that the service refused for
// overload or did not answer in time. Its latency is none: a refusal is quick.
func (a *AdaptiveLimit) Drop() {
	a.drops.Add(1)
	a.end()
}

// Release ends a call that was let through and tells nothing of the service's
// load: it failed otherwise, or was canceled.
func (a *AdaptiveLimit) Release() { a.limit.Release() }

// MaxInFlight returns the number of calls that may be in flight now.
func (a *AdaptiveLimit) MaxInFlight() int { return a.limit.MaxInFlight() }

// InFlight returns the number of calls in flight.
func (a *AdaptiveLimit) InFlight() int { return a.limit.InFlight() }

// Waiting returns the number of calls that wait.
func (a *AdaptiveLimit) Waiting() int { return a.limit.Waiting() }

func (a *AdaptiveLimit) end() {
	inFlight := int64(a.limit.InFlight()) // this one included
	for peak := a.peak.Load(); inFlight > peak && !a.peak.CompareAndSwap(peak, inFlight); {
		peak = a.peak.Load()
	}
	a.limit.Release()
	now := int64(time.Since(a.started))
	if now < a.next.Load() || a.count.Load() < adaptiveWindowSamples && a.drops.Load() == 0 || !a.mu.TryLock() {
		return
	}
	defer a.mu.Unlock()
	if now >= a.next.Load() {
		a.adapt(now)
	}
}

// adapt ends the interval, with mu held.
func (a *AdaptiveLimit) adapt(now int64) {
	a.next.Store(now + a.interval)
	count, sum := a.count.Swap(0), a.sum.Swap(0)
	peak, drops := a.peak.Swap(0), a.drops.Swap(0)
	switch {
	case drops > 0:
		a.gradient.drop()
	case count > 0 && sum > 0:
		a.gradient.sample(float64(sum)/float64(count), int(peak))
	}
	if limit := a.gradient.calls(); limit != a.limit.MaxInFlight() {
		a.limit.SetLimit(limit)
	}
}
