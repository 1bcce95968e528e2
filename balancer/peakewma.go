package balancer

import (
	"sync/atomic"
	"time"
)

// PeakEWMA draws two different endpoints at random and picks the one where a
// call is expected to be over first:
//
//	latency · (in flight + 1) · penalty
//
// The latency is a decaying peak: it jumps up with one slow answer and comes
// down over about ten seconds, so that an endpoint in trouble is left
// alone before its queue is long. The penalty ([Endpoint.Penalty]) makes one
// that fails look slow, however fast it fails.
//
// An endpoint that has not been measured is picked at once if it is idle and
// has not failed, because it must be measured. While it waits for that first
// answer, or if all it did was fail, it loses against any that has been
// measured. Among such, fewer calls in flight and fewer failures win. As a
// latency that is not confirmed fades, each endpoint is tried again in time.
//
// Use it as the usual choice, and above all where endpoints differ in speed or
// distance or fall ill on their own. Where the calls themselves differ widely
// in cost, an expensive call makes its endpoint look slow, and [LeastRequest]
// is steadier. Weights are not looked at: an endpoint of double capacity shows
// it in its latency.
//
// The rule is Finagle's and Linkerd's (Finagle's PeakEwma.scala), the penalty
// after Linkerd's load biaser. A pick costs two random numbers, a reading of
// the clock, and two endpoints read. No shared state is written.
func PeakEWMA(set Set) Picker {
	if len(set.Available) == 0 {
		return PickerFunc(noEndpoints)
	}
	p := &peakEWMA{chooserOf(set), make([]*peak, len(set.Available))}
	for i, e := range set.Available {
		p.peaks[i] = peaks.Of(e)
	}
	return p
}

type peakEWMA struct {
	chooser
	peaks []*peak // of the endpoints
}

const (
	// peakTau is how fast the peak forgets: after this long without a slow
	// answer, 63 % of the difference is gone. Finagle's and Linkerd's value.
	peakTau = 10 * time.Second

	// unmeasured is the latency of an endpoint that is waiting for its first
	// answer: longer than any that can be measured, 292 years.
	unmeasured = 1e19

	// forgiven is the penalty below which an endpoint without an answer so far
	// gets another chance: 15 s after a single failure.
	forgiven = 1.5
)

func (p *peakEWMA) Pick(info PickInfo) (*Endpoint, error) {
	i, j := p.two(info.Tried)
	a, b := p.endpoints[i], p.endpoints[j]
	if i == j {
		return a, nil
	}
	now := stamp(info.now(p.service))
	loadA, loadB := p.peaks[i].load(a, now), p.peaks[j].load(b, now)
	if loadB < loadA || loadB == loadA && b.InFlight() < a.InFlight() {
		return b, nil
	}
	return a, nil
}

// A peak is what PeakEWMA knows of an endpoint.
type peak struct {
	latency atomic.Uint64 // decaying: value in ns
	penalty penalty
	_       [48]byte
}

var peakRate = rateOf(peakTau)

// peakFresh is the age, in milliseconds, up to which a peak has not faded: it
// would by less than a hundredth.
const peakFresh = uint32(peakTau / time.Millisecond / 100)

var peaks = NewKey[peak]()

// load is what a call to the endpoint is expected to take now.
func (p *peak) load(e *Endpoint, now uint32) float64 {
	d, penalty, inFlight := unpack(p.latency.Load()), p.penalty.factor(now), e.InFlight()
	latency := float64(d.value)
	if d.age(now) > peakFresh {
		latency = d.at(now, peakRate)
	}
	if latency < 1 {
		if inFlight == 0 && penalty < forgiven {
			return 0
		}
		latency = unmeasured
	}
	return latency * float64(inFlight+1) * penalty
}

// End has a success forgive.
func (p *peak) End(a Attempt) { p.penalty.end(a) }

// Observe takes a success for a sample of the latency, and anything else for a
// proof that the endpoint takes at least that long: it can raise the peak but
// not lower it, nor be the first sample, so a fast failure never makes an
// endpoint attractive. It does end the fading of the peak, which is there to
// have an endpoint tried again.
//
// An ignored attempt adds to the penalty, as a busy answer does, only while
// there is no latency: an endpoint that has never answered must not draw the
// calls of others because nothing is known of it.
func (p *peak) Observe(a Attempt, outcome Outcome, at time.Duration) {
	now, latency := stamp(at), at-a.start
	if a.Answered() {
		latency = 0
	}
	switch outcome {
	case Success:
		p.sample(now, latency)
	case Failure:
		p.atLeast(now, latency)
		p.penalty.add(now, failurePenalty)
	case Busy:
		p.atLeast(now, latency)
		p.penalty.add(now, busyPenalty)
	case Ignored:
		if !p.atLeast(now, latency) {
			p.penalty.add(now, busyPenalty)
		}
	}
}

func (p *peak) sample(now uint32, latency time.Duration) {
	for range tries {
		old := p.latency.Load()
		d := unpack(old)
		left := d.left(now, peakRate)
		if faded := float64(d.value) * left; float64(latency) > faded {
			d.value = float32(latency)
		} else {
			d.value = float32(faded + float64(latency)*(1-left))
		}
		d.stamp = now
		if p.latency.CompareAndSwap(old, d.pack()) {
			return
		}
	}
}

// atLeast records that an answer would have taken at least this long. It
// reports false if there is no peak to compare with.
func (p *peak) atLeast(now uint32, latency time.Duration) bool {
	for range tries {
		old := p.latency.Load()
		if old == 0 {
			return false
		}
		d := decaying{value: max(unpack(old).value, float32(latency)), stamp: now}
		if p.latency.CompareAndSwap(old, d.pack()) {
			break
		}
	}
	return true
}
