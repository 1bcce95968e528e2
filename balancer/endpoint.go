package balancer

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/discovery"
)

// retiredBias is added to the in-flight count when an endpoint is retired,
// which makes it negative for as long as calls can be in flight.
const retiredBias = math.MinInt64 / 2

// An Endpoint is the live handle on one instance of a service: what this
// process has seen of it. Load is measured here and survives changes of the
// set around it; the choice is made by pickers, which come and go.
//
// All methods may be called concurrently, take no lock and allocate nothing,
// unless they say otherwise.
type Endpoint struct {
	service  *Service
	instance atomic.Pointer[discovery.Instance]
	onIdle   atomic.Pointer[func()] // set by Retire, taken by the last end
	attachments

	report    atomic.Pointer[Report]
	reporters atomic.Pointer[[]Reporter]

	// What is read at every pick and written on every call has a cache line
	// to itself.
	_        [64]byte
	weight   atomic.Uint32 // of instance
	meters   atomic.Pointer[meters]
	inFlight atomic.Int64
	_        [64]byte
}

// NewEndpoint returns the endpoint of an instance, with nothing in flight and
// nothing measured. A transport does this; others need it to test a Policy.
func (s *Service) NewEndpoint(in discovery.Instance) *Endpoint {
	e := &Endpoint{service: s}
	e.SetInstance(in)
	return e
}

// Service returns what the endpoint has in common with the others of its
// service.
func (e *Endpoint) Service() *Service { return e.service }

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

// InFlight returns the number of attempts that have begun and not ended.
func (e *Endpoint) InFlight() int64 {
	n := e.inFlight.Load()
	if n < 0 {
		n -= retiredBias
	}
	return n
}

// Begin counts an attempt as in flight and reports true; its End must follow.
// It reports false, counting nothing, if the endpoint has been retired: pick
// again. Info is what the picker was asked with; if it holds no time and
// somebody measures, the clock is read.
func (e *Endpoint) Begin(info PickInfo) (a Attempt, ok bool) {
	if e.inFlight.Add(1) <= 0 {
		e.end()
		return Attempt{}, false
	}
	if meters := e.meters.Load(); meters != nil {
		return e.begin(meters, info.now(e.service), info.Class), true
	}
	return Attempt{e, nil, info.Now, unitCost}, true
}

// begin tells the meters.
func (e *Endpoint) begin(meters *meters, now time.Duration, class *Class) Attempt {
	a := Attempt{e, meters, now, unitCost}
	if class != nil {
		a.rest = uint64(e.service.cost(class))<<costBits | uint64(class.index)<<classBits
	}
	for _, m := range meters.begin {
		m.Begin(a)
	}
	return a
}

func (e *Endpoint) end() {
	if e.inFlight.Add(-1) == retiredBias {
		e.idle()
	}
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

// Latency returns the average latency of the endpoint's successful answers: a
// geometric mean that forgets within seconds, raised by what took longer
// without succeeding. Zero means that nothing has been measured. The first call
// begins to measure, with a lock and an allocation, unless the policy does so
// already; [ShortestExpectedDelay] does.
func (e *Endpoint) Latency() time.Duration { return delays.Of(e).average() }

// Penalty returns the factor by which recent failures make the endpoint look
// slower than it is: 1 without any, 11 right after one, at most 10,001, fading
// over about five seconds and halved by every success. It is measured as
// Latency is.
func (e *Endpoint) Penalty() float64 {
	return delays.Of(e).penalty.factor(stamp(e.service.Now()))
}
