package resilience

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultHedgeQuantile   = 0.95
	defaultHedgeMinSamples = 100
	defaultHedgeMin        = 5 * time.Millisecond
	defaultHedgeMax        = 10 * time.Second
	defaultHedgeWindow     = time.Minute

	hedgeUpdate = time.Second
)

// A HedgeDelayConfig says when a call is late.
type HedgeDelayConfig struct {
	// Fixed is the delay, if it is not to be measured; then nothing below
	// matters. Default 0: it is measured. Negative: none, so that hedges are
	// sent at once.
	Fixed time.Duration

	// Quantile is the share of calls that end before they are late. Default
	// 0.95, as for anything that is not between 0 and 1.
	Quantile float64

	// MinSamples is the number of latencies without which there is no delay,
	// and hence no hedge. Default 100; a negative number means 1.
	MinSamples int

	// Min is the shortest delay: to beat what is faster is not worth a call.
	// Default 5 ms. Negative: none.
	Min time.Duration

	// Max is the longest delay, or Min if that is longer. More calls than
	// 1 − Quantile are late where it applies. Default 10 s, as for a negative
	// one; above 1 min it means nothing.
	Max time.Duration

	// Window is how far back latencies count: half of it at least, and all of
	// it at most. Default 1 min; at least 2 s.
	Window time.Duration
}

func (c HedgeDelayConfig) normal() HedgeDelayConfig {
	if !(c.Quantile > 0 && c.Quantile < 1) {
		c.Quantile = defaultHedgeQuantile
	}
	if c.MinSamples == 0 {
		c.MinSamples = defaultHedgeMinSamples
	}
	c.MinSamples = max(c.MinSamples, 1)
	c.Min = normalDelay(c.Min, defaultHedgeMin)
	if c.Max <= 0 {
		c.Max = defaultHedgeMax
	}
	c.Max = max(c.Max, c.Min)
	if c.Window <= 0 {
		c.Window = defaultHedgeWindow
	}
	c.Window = max(c.Window, 2*hedgeUpdate)
	return c
}

// A HedgeDelay says how long to wait for a call's response before a second
// copy of it, a hedge, is sent to another endpoint, and the first response
// counts. It is the 95th percentile of the service's recent latencies, so that
// one call in twenty is hedged: after Dean and Barroso, "The Tail at Scale",
// CACM 56(2), 2013, where hedges after 10 ms took the 99.9th percentile of a
// BigTable benchmark from 1800 to 74 ms for 2 % more requests.
//
// Only calls that may be repeated can be hedged. The loser must be canceled.
// And since a service that becomes slow as a whole makes all calls late before
// the delay has followed, hedges need a [Budget] as retries do.
//
// It is told how long attempts took, hedges excepted: of one that lost against
// its hedge, how long it had taken when it was canceled. That is longer than the
// delay, which is all that counts here. Told only of the winners, it would take
// the service for faster than it is, and hedge more. A failed attempt has no
// latency.
//
// The measured delay may be a sixteenth too long, and is never too short. All methods
// may be called concurrently, and allocate nothing. None waits for a lock; once
// a second one of them computes the delay anew, which takes some microseconds.
type HedgeDelay struct {
	cfg     HedgeDelayConfig
	started time.Time

	delay  atomic.Int64 // negative: too few samples
	next   atomic.Int64 // ns since started, when to compute it again
	active atomic.Pointer[histogram]

	mu       sync.Mutex // guards all below
	previous *histogram
	rotate   int64 // ns since started, when the active histogram is half a window old
}

// NewHedgeDelay returns a delay that has seen no latencies.
func NewHedgeDelay(cfg HedgeDelayConfig) *HedgeDelay {
	h := &HedgeDelay{cfg: cfg.normal(), started: time.Now(), previous: new(histogram)}
	h.active.Store(new(histogram))
	h.delay.Store(-1)
	h.next.Store(int64(hedgeUpdate))
	h.rotate = int64(h.cfg.Window / 2)
	return h
}

// Delay returns the delay for a call that starts now, and whether it is to be
// hedged at all: it is not before MinSamples are known.
func (h *HedgeDelay) Delay() (time.Duration, bool) {
	if h.cfg.Fixed != 0 {
		return max(h.cfg.Fixed, 0), true
	}
	now := int64(time.Since(h.started))
	if now >= h.next.Load() && h.mu.TryLock() {
		if now >= h.next.Load() {
			h.update(now)
		}
		h.mu.Unlock()
	}
	d := h.delay.Load()
	return time.Duration(max(d, 0)), d >= 0
}

// Observe adds the latency of an attempt that was no hedge, or how long it had
// taken when its hedge won. One that is not positive is none.
func (h *HedgeDelay) Observe(latency time.Duration) {
	if latency > 0 && h.cfg.Fixed == 0 {
		h.active.Load().add(latency)
	}
}

// update computes the delay, with mu held.
func (h *HedgeDelay) update(now int64) {
	half := int64(h.cfg.Window / 2)
	if now >= h.rotate {
		// Whoever still adds to the one that was active does no harm.
		h.previous.clear()
		h.previous = h.active.Swap(h.previous)
		if now >= h.rotate+half { // nobody has come by for so long
			h.previous.clear()
		}
		h.rotate = now + half
	}
	delay := int64(-1)
	if d, total := quantile(h.cfg.Quantile, h.previous, h.active.Load()); total >= uint64(h.cfg.MinSamples) {
		delay = int64(min(max(d, h.cfg.Min), h.cfg.Max))
	}
	h.delay.Store(delay)
	h.next.Store(now + int64(hedgeUpdate))
}
