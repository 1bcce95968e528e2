package balancer

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// seenAnswers is how many recent answers say what is hot, and refreshed
	// after how many that is reckoned anew.
	seenAnswers = 128
	refreshed   = 8
)

// A pool keeps the latest answers to the probes of a service. Answers are added
// under a lock, on the way of probes; picks only take them out, without.
type pool struct {
	terms   atomic.Pointer[terms]
	filled  atomic.Bool   // once
	hot     atomic.Uint64 // bits of a float64
	answers [maxProbePool]atomic.Pointer[answer]

	mu   sync.Mutex // guards what follows, and serializes who adds
	seen [seenAnswers]float64
	saws int

	_     [64]byte
	turns atomic.Uint64 // picks
	_     [56]byte
}

// terms are what the latest picker wants of the pool. Where policies wrap
// policies, the pickers of parts of a set share it, and its size.
type terms struct {
	size     int
	reuse    float64 // uses of an answer, in the mean
	quantile float64 // of what is hot
}

var pools = NewKey[pool]()

// An answer is what an endpoint has said to a probe.
type answer struct {
	endpoint *Endpoint
	state    *probed
	at       time.Duration
	inFlight float64
	latency  float64 // ns
	uses     int32   // that it is good for
	left     atomic.Int32
}

// load is the endpoint's, with a call more for each use.
func (a *answer) load(now uint32) load {
	return a.state.load(now, a.inFlight+float64(a.uses-a.left.Load()), a.latency)
}

// A slot is a place in the pool with the answer that was found there.
type slot struct {
	place  *atomic.Pointer[answer]
	answer *answer
}

// remove takes the answer out, unless another one is in its place by now.
func (s slot) remove() { s.place.CompareAndSwap(s.answer, nil) }

// add puts an answer into the pool: in place of the endpoint's last, or a free
// one, or that of the oldest.
func (p *pool) add(a *answer) {
	terms := p.terms.Load()
	a.uses = int32(terms.reuse)
	if a.endpoint.service.Float64() < terms.reuse-math.Floor(terms.reuse) {
		a.uses++
	}
	a.left.Store(a.uses)
	p.saw(a.inFlight)

	p.mu.Lock()
	defer p.mu.Unlock()
	p.filled.Store(true)
	var free, oldest *atomic.Pointer[answer]
	var at time.Duration
	for i := range terms.size {
		place := &p.answers[i]
		old := place.Load()
		switch {
		case old == nil:
			if free == nil {
				free = place
			}
		case old.endpoint == a.endpoint:
			place.Store(a)
			return
		case oldest == nil || old.at < at:
			oldest, at = place, old.at
		}
	}
	if free == nil {
		free = oldest
	}
	free.Store(a)
}

// drop takes the answers of an endpoint out.
func (p *pool) drop(e *Endpoint) {
	for i := range p.answers {
		if a := p.answers[i].Load(); a != nil && a.endpoint == e {
			p.answers[i].CompareAndSwap(a, nil)
		}
	}
}

// saw takes note of how many calls an endpoint has in flight.
func (p *pool) saw(inFlight float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[p.saws%seenAnswers] = inFlight
	p.saws++
	if p.saws > seenAnswers && p.saws%refreshed != 0 {
		return
	}
	sorted := p.seen
	n := min(p.saws, seenAnswers)
	slices.Sort(sorted[:n])
	q := sorted[min(int(p.terms.Load().quantile*float64(n)), n-1)]
	p.hot.Store(math.Float64bits(q))
}

// threshold returns how many calls in flight are not hot yet.
func (p *pool) threshold() float64 { return math.Float64frombits(p.hot.Load()) }
