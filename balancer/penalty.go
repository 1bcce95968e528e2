package balancer

import (
	"sync/atomic"
	"time"
)

const (
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
)

var penaltyRate = rateOf(penaltyTau)

// A penalty makes an endpoint that fails look slower than it is, and so keeps
// one that fails fast from looking like the best of all.
type penalty struct{ word atomic.Uint64 } // decaying

// any reports whether there is a penalty, faster than factor.
func (p *penalty) any() bool { return p.word.Load() != 0 }

// factor returns by how much: 1 without failures.
func (p *penalty) factor(now uint32) float64 {
	if word := p.word.Load(); word != 0 {
		return faded(word, now)
	}
	return 1
}

// faded is for when there is one, which is rare: apart, it lets factor be inlined.
//
//go:noinline
func faded(word uint64, now uint32) float64 { return 1 + unpack(word).at(now, penaltyRate) }

// end halves it if the attempt has gone well to its end. The header of a
// response is no reason to: its body may be about to break off.
func (p *penalty) end(a Attempt) {
	if a.Succeeded() && p.any() {
		p.change(stamp(a.endpoint.service.Now()), 0.5, 0)
	}
}

// add makes it more.
func (p *penalty) add(now uint32, more float64) { p.change(now, 1, more) }

// change multiplies what is left of it and adds to it.
func (p *penalty) change(now uint32, factor, more float64) {
	for range tries {
		old := p.word.Load()
		penalty := unpack(old).at(now, penaltyRate)*factor + more
		word := decaying{value: float32(min(penalty, maxPenalty)), stamp: now}.pack()
		if penalty < 0.01 { // forgotten: spare the next success the write
			word = 0
		}
		if p.word.CompareAndSwap(old, word) {
			return
		}
	}
}
