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

	// busyPenalty is what a busy answer adds, and what an attempt without a
	// result adds to an endpoint of which nothing is known.
	busyPenalty = 1

	// maxPenalty is where it stops: after an outage with many calls, an
	// endpoint competes again within a minute.
	maxPenalty = 10_000

	// retiredBias is added to the in-flight count when an endpoint is
	// retired, which makes it negative for as long as calls can be in flight.
	retiredBias = math.MinInt64 / 2
)

// An Outcome is how an attempt went, as far as its endpoint's health is
// concerned.
type Outcome uint8

const (
	// Success says that the endpoint answered as it should.
	Success Outcome = iota
	// Failure says that the endpoint is to blame.
	Failure
	// Busy says that the endpoint turned the call away because it has enough
	// to do: a sign of load, not of sickness.
	Busy
	// Ignored says that nothing can be told of the endpoint, because the
	// caller gave up or the fault was not the endpoint's.
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

	// What is read at every pick and written on every call has a cache line
	// to itself.
	_        [64]byte
	weight   atomic.Uint32 // of instance
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
	e.SetInstance(in)
	return e
}

// Instance returns the registry's latest facts about the copy.
func (e *Endpoint) Instance() discovery.Instance { return *e.instance.Load() }

// SetInstance replaces the facts. The key and the address of an endpoint must
// stay the same: a copy at another address is another endpoint.
func (e *Endpoint) SetInstance(in discovery.Instance) {
	e.weight.Store(max(1, in.Weight))
	e.instance.Store(&in)
}

// Key returns the instance's key, which tells the endpoint from the others of
// its set and stays the same for its life.
func (e *Endpoint) Key() string { return e.instance.Load().Key() }

// Addr returns the instance's address, host:port.
func (e *Endpoint) Addr() string { return e.instance.Load().Addr }

// Weight returns the instance's weight, at least 1.
func (e *Endpoint) Weight() uint32 { return e.weight.Load() }

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
// End. OnIdle may be nil. Only the first call of Retire counts; it reports
// whether it was the first.
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
	if f := e.onIdle.Swap(&idled); f != nil && *f != nil {
		(*f)()
	}
}

var idled func()

// Observe records how an attempt went. Latency is the time from its start to
// the response's header or to the failure.
//
// A success is a sample of the latency average, and halves the penalty. A
// failure raises the penalty, and a busy answer a tenth as much. As for
// latency, everything but a success only proves that the endpoint takes at
// least that long: it can raise the average but not lower it, nor be the first
// sample, so a fast failure never makes an endpoint attractive. It does end
// the fading of the average, which is there to have an endpoint tried again.
//
// An ignored attempt adds to the penalty, as a busy answer does, only while
// there is no average: an endpoint that has never answered must not draw the
// calls of others because nothing is known of it.
func (e *Endpoint) Observe(outcome Outcome, latency time.Duration) {
	now := coarseNow()
	latency = min(max(latency, 1), math.MaxInt64/2) // 0 would be no sample
	switch outcome {
	case Success:
		e.sample(now, latency)
		if e.penalty.Load() != 0 {
			e.punish(now, 0.5, 0)
		}
	case Failure:
		e.atLeast(now, latency)
		e.punish(now, 1, failurePenalty)
	case Busy:
		e.atLeast(now, latency)
		e.punish(now, 1, busyPenalty)
	case Ignored:
		if !e.atLeast(now, latency) {
			e.punish(now, 1, busyPenalty)
		}
	}
}

// Latency returns the decaying peak of the endpoint's latency (peak EWMA, as
// in Finagle): a slower answer than the average replaces it at once, faster
// ones pull it down over about ten seconds, and while nothing is tried it fades
// towards zero, so that an endpoint that once was slow is tried again. Zero
// means that nothing has been measured, or nothing for a long time.
func (e *Endpoint) Latency() time.Duration {
	return time.Duration(e.latencyAt(coarseNow()))
}

// Penalty returns the factor by which recent failures make the endpoint look
// slower than it is: 1 without any, 11 right after one, at most 10,001, fading
// over about five seconds and halved by every success.
func (e *Endpoint) Penalty() float64 { return e.penaltyAt(coarseNow()) }

func (e *Endpoint) latencyAt(now uint32) float64 {
	return unpack(e.latency.Load()).at(now, latencyTau)
}

func (e *Endpoint) penaltyAt(now uint32) float64 {
	return 1 + unpack(e.penalty.Load()).at(now, penaltyTau)
}

// tries is how often a word is attempted to be replaced in competition with
// others: a lost sample is harmless, spinning is not.
const tries = 3

func (e *Endpoint) sample(now uint32, latency time.Duration) {
	for range tries {
		old := e.latency.Load()
		d := unpack(old)
		left := d.left(now, latencyTau)
		if faded := float64(d.value) * left; float64(latency) > faded {
			d.value = float32(latency)
		} else {
			d.value = float32(faded + float64(latency)*(1-left))
		}
		d.stamp = now
		if e.latency.CompareAndSwap(old, d.pack()) {
			return
		}
	}
}

// atLeast records that an answer would have taken at least this long. It
// reports false if there is no average to compare with.
func (e *Endpoint) atLeast(now uint32, latency time.Duration) bool {
	for range tries {
		old := e.latency.Load()
		if old == 0 {
			return false
		}
		d := decaying{value: max(unpack(old).value, float32(latency)), stamp: now}
		if e.latency.CompareAndSwap(old, d.pack()) {
			break
		}
	}
	return true
}

// punish multiplies what is left of the penalty and adds to it.
func (e *Endpoint) punish(now uint32, factor, more float64) {
	for range tries {
		old := e.penalty.Load()
		penalty := unpack(old).at(now, penaltyTau)*factor + more
		word := decaying{value: float32(min(penalty, maxPenalty)), stamp: now}.pack()
		if penalty < 0.01 { // forgotten: spare the next success the write
			word = 0
		}
		if e.penalty.CompareAndSwap(old, word) {
			return
		}
	}
}
