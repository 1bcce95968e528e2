package balancer

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/discovery"
)

const (
	// latencyTau is how fast the latency average forgets: after this long
	// without a slow answer, 63 % of the difference is gone. Finagle's and
	// Linkerd's value for peak EWMA.
	latencyTau = 10 * time.Second

	// failurePenalty is what one failure adds to the penalty, and
	// penaltyTau how fast the penalty fades. A success halves it. An endpoint
	// that fails fast therefore looks eleven times as slow, not fast.
	failurePenalty = 10
	penaltyTau     = 5 * time.Second

	// retiredBias is added to the in-flight count when an endpoint is
	// retired, which makes it negative for as long as calls can be in flight.
	retiredBias = math.MinInt64 / 2
)

// An Outcome is how an attempt went, as far as its endpoint's health is
// concerned.
type Outcome uint8

const (
	// Success: the endpoint answered as it should.
	Success Outcome = iota
	// Failure: the endpoint is to blame.
	Failure
	// Ignored: nothing can be said of the endpoint, because the caller gave
	// up or the fault was not the endpoint's.
	Ignored
)

// An Endpoint is the live handle on one instance of a service: what this
// process has seen of it. Load is measured here and survives changes of the
// set around it; the choice is made by pickers, which come and go.
//
// All methods may be called concurrently, take no lock and allocate nothing,
// unless they say otherwise.
type Endpoint struct {
	instance atomic.Pointer[discovery.Instance]
	values   atomic.Pointer[[]value] // of Keys; copied on write
	onIdle   atomic.Pointer[func()]  // set by Retire, taken by the last End
	mu       sync.Mutex              // serializes writers of values

	// The fields written on every call have a cache line to themselves.
	_        [64]byte
	inFlight atomic.Int64
	latency  atomic.Uint64 // decaying: value in ns, stamp
	penalty  atomic.Uint64 // decaying: value, stamp
	_        [64]byte
}

type value struct{ key, value any }

// NewEndpoint returns the endpoint of an instance, with nothing in flight and
// nothing measured. A transport does this; others need it to test a Policy.
func NewEndpoint(in discovery.Instance) *Endpoint {
	e := new(Endpoint)
	e.instance.Store(&in)
	return e
}

// Instance returns the registry's latest facts about the copy.
func (e *Endpoint) Instance() discovery.Instance { return *e.instance.Load() }

// SetInstance replaces the facts. The key and the address of an endpoint must
// stay the same: a copy at another address is another endpoint.
func (e *Endpoint) SetInstance(in discovery.Instance) { e.instance.Store(&in) }

// Key returns the instance's key, which tells the endpoint from the others of
// its set and stays the same for its life.
func (e *Endpoint) Key() string { return e.instance.Load().Key() }

// Addr returns the instance's address, host:port.
func (e *Endpoint) Addr() string { return e.instance.Load().Addr }

// Weight returns the instance's weight, at least 1.
func (e *Endpoint) Weight() uint32 { return max(1, e.instance.Load().Weight) }

// Begin counts an attempt as in flight and reports true; exactly one End must
// follow. It reports false, counting nothing, if the endpoint has been
// retired: pick again.
func (e *Endpoint) Begin() bool {
	if e.inFlight.Add(1) > 0 {
		return true
	}
	e.End()
	return false
}

// End says that an attempt for which Begin reported true is over: its response
// has been read or thrown away, or there was none.
func (e *Endpoint) End() {
	if e.inFlight.Add(-1) == retiredBias {
		e.idle()
	}
}

// InFlight returns the number of attempts between Begin and End.
func (e *Endpoint) InFlight() int64 {
	n := e.inFlight.Load()
	if n < 0 {
		n -= retiredBias
	}
	return n
}

// Retire makes Begin report false from now on, and calls onIdle once, as soon
// as nothing is in flight any more: at once if nothing is, else from the last
// End. Only the first call counts; it reports whether it was the first.
func (e *Endpoint) Retire(onIdle func()) bool {
	if !e.onIdle.CompareAndSwap(nil, &onIdle) {
		return false
	}
	if e.inFlight.Add(retiredBias) == retiredBias {
		e.idle()
	}
	return true
}

// idle runs the function of Retire. A Begin that came too late can make the
// count touch zero twice, hence the sentinel.
func (e *Endpoint) idle() {
	if f := e.onIdle.Swap(&idled); f != nil && f != &idled {
		(*f)()
	}
}

var idled = func() {}

// Observe records how an attempt went. Latency is the time from its start to
// the response's header or to the failure.
//
// A success is a sample of the latency average. A failure or an ignored
// attempt counts only if it was slower than the average, because then it
// proves that the endpoint takes at least that long; a fast failure proves
// nothing, and must not make the endpoint attractive. A failure raises the
// endpoint's penalty, a success halves it.
func (e *Endpoint) Observe(outcome Outcome, latency time.Duration) {
	now := coarseNow()
	switch outcome {
	case Success:
		e.observeLatency(now, latency, false)
		if e.penalty.Load() != 0 {
			e.update(&e.penalty, now, penaltyTau, func(p float64) float64 { return p / 2 })
		}
	case Failure:
		e.observeLatency(now, latency, true)
		e.update(&e.penalty, now, penaltyTau, func(p float64) float64 { return p + failurePenalty })
	case Ignored:
		e.observeLatency(now, latency, true)
	}
}

// Latency returns the decaying peak of the endpoint's latency (peak EWMA, as
// in Finagle): a slower answer than the average replaces it at once, faster
// ones pull it down over about ten seconds, and without any answer it fades to
// zero, so that an endpoint that once was slow is tried again. Zero means that
// nothing has been measured, or nothing for a long time.
func (e *Endpoint) Latency() time.Duration {
	return time.Duration(unpack(e.latency.Load()).at(coarseNow(), latencyTau))
}

// Penalty returns the factor by which recent failures make the endpoint look
// slower than it is: 1 without any, 11 right after one, fading over about five
// seconds and halved by every success.
func (e *Endpoint) Penalty() float64 {
	word := e.penalty.Load()
	if word == 0 {
		return 1
	}
	return 1 + unpack(word).at(coarseNow(), penaltyTau)
}

func (e *Endpoint) observeLatency(now uint32, latency time.Duration, onlyIfSlower bool) {
	sample := max(1, float64(latency))
	for range 3 { // a lost sample is harmless, spinning is not
		old := e.latency.Load()
		d := unpack(old)
		current := d.at(now, latencyTau)
		switch {
		case sample >= current:
			d.value = float32(sample)
		case onlyIfSlower:
			return
		default:
			// Weighted from the value as it was stored, not as it has faded:
			// fading is for those who are not tried.
			w := math.Exp(-d.age(now) / latencyTau.Seconds())
			d.value = float32(float64(d.value)*w + sample*(1-w))
		}
		d.stamp = now
		if e.latency.CompareAndSwap(old, d.pack()) {
			return
		}
	}
}

func (e *Endpoint) update(word *atomic.Uint64, now uint32, tau time.Duration, f func(float64) float64) {
	for range 3 {
		old := word.Load()
		value := f(unpack(old).at(now, tau))
		if value < 0.01 { // forgotten: spare the happy path this write
			value = 0
		}
		next := decaying{value: float32(value), stamp: now}
		if value == 0 {
			next.stamp = 0
		}
		if word.CompareAndSwap(old, next.pack()) {
			return
		}
	}
}
