package balancer

import (
	"sync/atomic"
	"time"
)

const (
	// delayTau is how fast the average latency forgets, and leastSample what
	// each answer counts for at least, however many there are.
	delayTau    = 3 * time.Second
	leastSample = 0.1

	// fadeTau is how fast old news drifts to the mean of the service: half of
	// the way after this long.
	fadeTau = 10 * time.Second

	// gateTime is the longest that a new endpoint waits for its first call:
	// each client begins to try it at a moment of its own.
	gateTime = 10 * time.Second

	// unproven is how many times as long a call is expected to take on an
	// endpoint that has its first call in flight or waits at the gate: enough
	// to leave it alone in quiet times, and not too much to find it when all
	// others are overloaded.
	unproven = 10
)

// A delay is what a client has seen of an endpoint that tells when a call given
// to it now would be answered.
type delay struct {
	load     atomic.Int64  // what the attempts in flight cost, and how many have no answer yet
	progress atomic.Int64  // when one was last answered, or first waited for one
	latency  atomic.Uint64 // decaying: the average in ns
	penalty  penalty
	gate     atomic.Int64 // until when it is not tried first; 0: not seen yet
	_        [24]byte     // a cache line in all
}

var delays = NewKey[delay]()

var delayRate = rateOf(delayTau)

// The load is one word: the cost in units above waitingBits, and the number of
// those that wait below.
const (
	waitingBits = 24
	waitingMask = 1<<waitingBits - 1
)

// Begin books an attempt.
func (d *delay) Begin(a Attempt) {
	if load := d.load.Add(a.Cost()<<waitingBits + 1); load&waitingMask == 1 {
		d.progress.Store(int64(a.start))
	}
}

// End takes it from the books.
func (d *delay) End(a Attempt) {
	d.load.Add(-a.Cost() << waitingBits)
	d.penalty.end(a)
}

// Observe enters an answer. Only a success is a sample; whatever else there is
// proves no more than that an answer takes at least so long. A caller that gives
// up is no sign of life.
func (d *delay) Observe(a Attempt, outcome Outcome, at time.Duration) {
	now, service := stamp(at), a.endpoint.service
	latency := float64(at-a.start) * Unit / float64(a.Cost()) // of a call of unit cost
	if a.Answered() {
		latency = 0
	} else {
		d.load.Add(-1)
	}
	if outcome == Success {
		d.sample(now, latency)
		service.sample(at, a)
		d.progress.Store(int64(at))
		return
	}
	known := d.atLeast(now, latency, service.mean.value())
	switch {
	case outcome == Failure:
		d.penalty.add(now, failurePenalty)
	case outcome == Busy:
		d.penalty.add(now, busyPenalty)
	case !known: // it must not draw calls because nothing is known of it
		d.penalty.add(now, busyPenalty)
	}
	if outcome != Ignored {
		d.progress.Store(int64(at))
	}
}

// sample moves the geometric average: one slow answer in a hundred does not
// double it, as it could the arithmetic one.
func (d *delay) sample(now uint32, latency float64) {
	for range tries {
		old := d.latency.Load()
		word := unpack(old)
		if word.value == 0 {
			word.value = float32(latency)
		} else {
			weight := 1 - min(word.left(now, delayRate), 1-leastSample)
			word.value = float32(towards(float64(word.value), latency, weight))
		}
		word.stamp = now
		if d.latency.CompareAndSwap(old, word.pack()) {
			return
		}
	}
}

// atLeast records that an answer would have taken at least this long. It
// reports false if nothing is known of the endpoint, not even that it takes
// longer than the mean.
func (d *delay) atLeast(now uint32, latency, mean float64) bool {
	for range tries {
		old := d.latency.Load()
		word := unpack(old)
		if word.value == 0 && (mean == 0 || latency <= mean) {
			return false
		}
		if float64(word.value) >= latency {
			break
		}
		if d.latency.CompareAndSwap(old, decaying{value: float32(latency), stamp: now}.pack()) {
			break
		}
	}
	return true
}

// average is the average latency, 0 if nothing has been measured.
func (d *delay) average() time.Duration {
	return time.Duration(unpack(d.latency.Load()).value)
}

// A moment is what the expectations of all endpoints are reckoned from.
type moment struct {
	now   time.Duration
	stamp uint32
	mean  float64 // of the service, in ns
	cost  float64 // of the call, in units
}

// fresh is the age, in milliseconds, up to which news does not fade: it would
// by less than a hundredth.
const fresh = uint32(fadeTau / time.Millisecond / 100)

const fadeRate = float64(time.Millisecond) / float64(fadeTau)

// grown is e^x as far as the fourth power of the series, at a fifth of the
// cost: what is ten times as slow as the mean is forgotten within half a
// minute, what is a thousand times as slow within two.
func grown(x float64) float64 { return 1 + x*(1+x/2*(1+x/3*(1+x/4))) }

// expected returns when a call would be over that is given to the endpoint now,
// in ns from now. Share is what a call in flight weighs there: less where the
// registry gives the endpoint more weight.
func (d *delay) expected(m *moment, share float64) float64 {
	load := d.load.Load()
	waiting := load&waitingMask != 0
	var one float64 // call of unit cost on an idle endpoint
	if word := d.latency.Load(); word != 0 {
		average := unpack(word)
		one = float64(average.value)
		if age := average.age(m.stamp); age > fresh {
			one = m.mean + (one-m.mean)/grown(float64(age)*fadeRate)
		}
	} else {
		one = m.mean
		if waiting || int64(m.now) < d.gate.Load() {
			one *= unproven
		}
	}
	all := one * d.penalty.factor(m.stamp) * (float64(load>>waitingBits)*share + m.cost) * (1. / Unit)
	if waiting {
		if stuck := float64(int64(m.now) - d.progress.Load()); stuck > all {
			return stuck
		}
	}
	return all
}
