package balancer

import "time"

// maxLatency is where latencies end, so that sums of times stay in range.
const maxLatency = 100 * 365 * 24 * time.Hour

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

// An Attempt is one try of a call on one endpoint, from [Endpoint.Begin] to
// End, kept by whoever makes it. It belongs to one goroutine at a time.
type Attempt struct { // of four words, which the compiler keeps in registers
	endpoint *Endpoint
	meters   *meters // those that know of it
	start    time.Duration
	rest     uint64 // cost, class, answered and succeeded
}

const (
	answered  = 1
	succeeded = 2
	classBits = 2 // where the class's index begins
	classMask = 0xff
	costBits  = 32 // where the cost begins
	unitCost  = Unit << costBits
)

// Endpoint returns the endpoint that it is made on.
func (a *Attempt) Endpoint() *Endpoint { return a.endpoint }

// Start returns the time at which it began, on the service's clock.
func (a *Attempt) Start() time.Duration { return a.start }

// Class returns the class of its call, or nil.
func (a *Attempt) Class() *Class {
	if index := a.rest >> classBits & classMask; index != 0 {
		return a.endpoint.service.byIndex[index].Load()
	}
	return nil
}

// Cost returns what the call was expected to cost when it began, in [Unit]s:
// the mean latency of its class over that of all calls. It is one Unit for a
// call without a class.
func (a *Attempt) Cost() int64 { return int64(a.rest >> costBits) }

// Answered reports whether Observe has been called.
func (a *Attempt) Answered() bool { return a.rest&answered != 0 }

// Succeeded reports whether it was answered well, and its response has not broken
// off since. It is for meters; only at an attempt's end is it certain.
func (a *Attempt) Succeeded() bool { return a.rest&succeeded != 0 }

// Observe records how the attempt went, once there is a response's header or a
// failure. Latency is the time from its start until then. A second call is for
// a response that broke off after its header: a failure, whose latency says
// nothing.
func (a *Attempt) Observe(outcome Outcome, latency time.Duration) {
	if a.meters != nil {
		a.observe(outcome, latency)
	}
	a.rest |= answered
}

func (a *Attempt) observe(outcome Outcome, latency time.Duration) {
	now := a.start + min(max(latency, 1), maxLatency)
	if a.Answered() {
		now = a.endpoint.service.Now()
	}
	for _, m := range a.meters.observe {
		m.Observe(*a, outcome, now)
	}
	if outcome == Success && !a.Answered() {
		a.rest |= succeeded
	} else {
		a.rest &^= succeeded
	}
}

// End says that the attempt is over: its response has been read or thrown
// away, or there was none. It must be called exactly once.
func (a *Attempt) End() {
	if a.meters != nil || a.endpoint.inFlight.Add(-1) == retiredBias {
		a.end()
	}
}

// end is what remains to be done where somebody measures, or where this was the
// last attempt on a retired endpoint.
func (a *Attempt) end() {
	if a.meters == nil {
		a.endpoint.idle()
		return
	}
	if !a.Answered() {
		a.Observe(Ignored, 0)
	}
	for _, m := range a.meters.end {
		m.End(*a)
	}
	a.endpoint.end()
}
