package balancer

import (
	"cmp"
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// The defaults of a [PrequalConfig]: the values of the paper's testbed.
const (
	DefaultProbePool       = 16
	DefaultProbeRate       = 3.
	DefaultProbeRemoveRate = 1.
	DefaultProbeAge        = time.Second
	DefaultHotQuantile     = 0.8408964152537145 // 2^-0.25
	DefaultProbeSlack      = 1.

	maxProbePool = 64
	maxProbeRate = maxSeveral

	// minPooled is how many answers there must be to choose from.
	minPooled = 2
)

// A PrequalConfig says how much is probed and how answers are used. The zero
// value means the defaults. All rates are per pick, and fractions carry over.
type PrequalConfig struct {
	// ProbeRate is how many endpoints are probed for each pick. The paper finds
	// no difference above 1. Default 3; 16 at most.
	ProbeRate float64

	// PoolSize is how many answers are kept. Default 16; 64 at most, and at most
	// half as many as there are endpoints, but 2.
	PoolSize int

	// RemoveRate is how many answers are removed for each pick, besides those
	// that are used up or too old: in turn the oldest and the worst. Default 1;
	// negative means none.
	RemoveRate float64

	// MaxAge is how long an answer is good. Default 1 s.
	MaxAge time.Duration

	// HotQuantile tells hot endpoints from cold ones: an endpoint is hot if it
	// has more calls in flight than this share of recent answers spoke of. The
	// paper recommends 0.6 to 0.9. With few endpoints it should be low: that
	// one of three is busy is seen below 2/3 only, as a third of the answers
	// are its own. At 1 none is hot, and the latency alone decides. Default 2^-0.25, about 0.84; negative means 0, where the number
	// in flight alone decides.
	HotQuantile float64

	// Slack is the share of answers beyond those needed that are to be there: the
	// larger it is, the more often an answer is used. Default 1.
	Slack float64
}

func (c PrequalConfig) normal() PrequalConfig {
	if !positive(c.ProbeRate) {
		c.ProbeRate = DefaultProbeRate
	}
	c.ProbeRate = min(c.ProbeRate, maxProbeRate)
	if c.PoolSize <= 0 {
		c.PoolSize = DefaultProbePool
	}
	c.PoolSize = min(max(c.PoolSize, minPooled), maxProbePool)
	if c.RemoveRate == 0 || math.IsNaN(c.RemoveRate) {
		c.RemoveRate = DefaultProbeRemoveRate
	}
	c.RemoveRate = min(max(c.RemoveRate, 0), maxProbePool)
	if c.MaxAge <= 0 {
		c.MaxAge = DefaultProbeAge
	}
	if c.HotQuantile == 0 || math.IsNaN(c.HotQuantile) {
		c.HotQuantile = DefaultHotQuantile
	}
	c.HotQuantile = min(max(c.HotQuantile, 0), 1)
	if !positive(c.Slack) {
		c.Slack = DefaultProbeSlack
	}
	return c
}

// reuse returns how often an answer is used, in the mean, in a pool of m for n
// endpoints: often enough for the answers that come in to last. Of those, m/n
// come from endpoints that have one in the pool already.
func (c PrequalConfig) reuse(m, n int) float64 {
	gain := (1-float64(m)/float64(n))*c.ProbeRate - c.RemoveRate
	if gain <= 0 { // no number of uses is enough
		return float64(c.PoolSize)
	}
	return min(max(1, (1+c.Slack)/gain), float64(c.PoolSize))
}

// Prequal asks endpoints for their load before it is needed, and picks from the
// answers. For each pick it probes a few random endpoints ([Service.Probe]) and
// does not wait: the answers, with the number of calls that the endpoint has in
// flight for all its callers and the latency that a call would have
// ([Report]), go to a small pool for later picks. Of the endpoints there,
//
//	if any is cold:  the cold one of least latency
//	else:            the one with fewest in flight
//
// where hot means to have more in flight than most recent answers spoke of
// ([PrequalConfig].HotQuantile). An answer counts one more in flight after each
// use, so that a burst does not follow the same old news, and is used a few
// times only. With fewer than two answers, two random endpoints are compared.
//
// An endpoint that fails loses its answers, and both its numbers are multiplied
// by a penalty that fades: one that fails at once has nothing in flight, and
// would draw all calls.
//
// Use it where servers answer probes (package transport has both sides), their
// capacity changes from moment to moment, as with noisy neighbors, and there
// are many clients, each of which sees but a small part of a server's load.
// Probes cost about three tiny calls for each call: where calls are as cheap as
// probes, or a single client sees most of the load, [ShortestExpectedDelay]
// does better and asks nothing. Weights are not looked at.
//
// Without probes, two random endpoints are compared: by the rule above if both
// have sent reports with their responses within MaxAge, and else as [PeakEWMA]
// does. Then ShortestExpectedDelay is the better choice.
//
// The rule is that of Wydrowski, Kleinberg, Rumble and Archer, "Load is not what
// you should balance: Introducing Prequal", NSDI 2024, in its asynchronous
// mode; the penalty is ours, as the paper gives no formula. A pick reads the
// whole pool, PoolSize answers, and writes one counter that all callers share
// and the answer that it uses. It takes no lock; probing is as expensive as the
// Service makes it.
func Prequal(cfg PrequalConfig) Policy {
	cfg = cfg.normal()
	return func(set Set) Picker {
		n := len(set.Available)
		if n == 0 {
			return PickerFunc(noEndpoints)
		}
		p := &prequal{chooser: chooserOf(set), cfg: cfg, states: make([]*probed, n)}
		p.probes = p.service.cfg.Probe != nil
		p.pool = pools.OfService(p.service)
		size := min(cfg.PoolSize, max(minPooled, n/2))
		p.pool.terms.Store(&terms{size, cfg.reuse(size, n), cfg.HotQuantile})
		for i, e := range set.Available {
			p.states[i] = probedStates.Of(e)
			p.states[i].position.Store(int32(i))
		}
		return p
	}
}

type prequal struct {
	chooser
	cfg    PrequalConfig
	probes bool // can be sent
	pool   *pool
	states []*probed // of the endpoints
}

func (p *prequal) Pick(info PickInfo) (*Endpoint, error) {
	if len(p.endpoints) == 1 {
		return p.endpoints[0], nil
	}
	now := info.now(p.service)
	var picked *Endpoint
	if p.probes || p.pool.filled.Load() {
		turn := p.pool.turns.Add(1)
		picked = p.fromPool(now, turn, info.Tried)
		if p.probes {
			p.probe(turn)
		}
	}
	if picked == nil {
		picked = p.fromDraw(now, info.Tried)
	}
	return picked, nil
}

// probe asks random endpoints, as many as are due.
func (p *prequal) probe(turn uint64) {
	var space [maxProbeRate]int
	for _, i := range p.several(nil, space[:due(turn, p.cfg.ProbeRate)]) {
		p.service.Probe(p.endpoints[i])
	}
}

// due returns how many of a number per turn fall on this turn.
func due(turn uint64, rate float64) int {
	return int(math.Floor(float64(turn)*rate) - math.Floor(float64(turn-1)*rate))
}

// fromPool picks from the pool, if there is a choice, and removes what is due.
func (p *prequal) fromPool(now time.Duration, turn uint64, tried []*Endpoint) *Endpoint {
	v := p.survey(now, turn, tried)
	var picked *Endpoint
	if v.usable >= minPooled {
		best := v.best.answer
		picked = best.endpoint
		if best.left.Add(-1) <= 0 {
			v.best.remove()
		}
	}
	removals := due(turn, p.cfg.RemoveRate)
	last := uint64(float64(turn) * p.cfg.RemoveRate) // its number, of all
	for i := range removals {
		out := v.oldest
		if (last-uint64(i))%2 == 0 && v.worst.answer != nil {
			out = v.worst
		}
		if out.answer == nil {
			break
		}
		out.remove()
		if i+1 < removals {
			v = p.survey(now, turn, tried)
		}
	}
	return picked
}

// A survey is what a look at the pool finds.
type survey struct {
	usable     int  // answers to choose from
	best       slot // of those
	oldest     slot
	worst      slot
	bestLoad   load
	worstLoad  load
	bestIsHot  bool
	worstIsHot bool
}

// A load is what the rule compares.
type load struct{ inFlight, latency float64 }

// survey looks at all answers, from a place of its own in each turn, since the
// first of equals is the best. It throws out those that are too old.
func (p *prequal) survey(now time.Duration, turn uint64, tried []*Endpoint) (v survey) {
	threshold := p.pool.threshold()
	size := p.pool.terms.Load().size
	start := scale(turn*0x9E3779B97F4A7C15>>32, size) // turns in a row lie far apart
	stamp := stamp(now)
	for k := range size {
		i := start + k
		if i >= size {
			i -= size
		}
		place := &p.pool.answers[i]
		a := place.Load()
		if a == nil {
			continue
		}
		s := slot{place, a}
		if now-a.at > p.cfg.MaxAge {
			s.remove()
			continue
		}
		if v.oldest.answer == nil || a.at < v.oldest.answer.at {
			v.oldest = s
		}
		if !p.has(a) {
			continue
		}
		l := a.load(stamp)
		hot := l.inFlight > threshold
		if v.worst.answer == nil || better(v.worstLoad, v.worstIsHot, l, hot) {
			v.worst, v.worstLoad, v.worstIsHot = s, l, hot
		}
		if len(tried) > 0 && slices.Contains(tried, a.endpoint) {
			continue
		}
		v.usable++
		if v.best.answer == nil || better(l, hot, v.bestLoad, v.bestIsHot) {
			v.best, v.bestLoad, v.bestIsHot = s, l, hot
		}
	}
	return v
}

// better is the rule.
func better(a load, aIsHot bool, b load, bIsHot bool) bool {
	switch {
	case aIsHot != bIsHot:
		return bIsHot
	case aIsHot:
		return a.inFlight < b.inFlight
	default:
		return a.latency < b.latency
	}
}

// has reports whether the endpoint of an answer is one of the picker's. Its
// position is that in the set of the latest picker, nearly always this one.
func (p *prequal) has(a *answer) bool {
	if i := int(a.state.position.Load()); i < len(p.endpoints) && p.endpoints[i] == a.endpoint {
		return true
	}
	i, found := slices.BinarySearchFunc(p.endpoints, a.endpoint.Key(), func(e *Endpoint, key string) int {
		return cmp.Compare(e.Key(), key)
	})
	return found && p.endpoints[i] == a.endpoint
}

// fromDraw compares two random endpoints.
func (p *prequal) fromDraw(now time.Duration, tried []*Endpoint) *Endpoint {
	i, j := p.two(tried)
	a, b := p.endpoints[i], p.endpoints[j]
	if i == j {
		return a
	}
	stamp := stamp(now)
	la, freshA := p.reported(i, now, stamp)
	lb, freshB := p.reported(j, now, stamp)
	if freshA && freshB {
		threshold := p.pool.threshold()
		if better(lb, lb.inFlight > threshold, la, la.inFlight > threshold) {
			return b
		}
		return a
	}
	la.latency, lb.latency = p.states[i].peak.load(a, stamp), p.states[j].peak.load(b, stamp)
	if lb.latency < la.latency || lb.latency == la.latency && b.InFlight() < a.InFlight() {
		return b
	}
	return a
}

// reported returns what the latest report of an endpoint says, if there is one
// that is not too old. At least what is in flight from here is there.
func (p *prequal) reported(i int, now time.Duration, stamp uint32) (load, bool) {
	e := p.endpoints[i]
	r := e.LastReport()
	if r == nil || now-r.At > p.cfg.MaxAge || !r.HasInFlight || r.Latency <= 0 {
		return load{}, false
	}
	return p.states[i].load(stamp, max(r.InFlight, float64(e.InFlight())), float64(r.Latency)), true
}

// A probed is what Prequal knows of an endpoint, besides its answers.
type probed struct {
	peak
	position atomic.Int32 // in the set of the latest picker
	_        [60]byte
}

var probedStates = NewKey[probed]()

// load multiplies both numbers by the penalty. The one call more is that which
// is to be placed: without it nothing would be multiplied where nothing is in
// flight.
func (s *probed) load(now uint32, inFlight, latency float64) load {
	penalty := s.penalty.factor(now)
	return load{inFlight: (inFlight+1)*penalty - 1, latency: latency * penalty}
}

// Observe takes the answers of an endpoint that fails out of the pool.
func (s *probed) Observe(a Attempt, outcome Outcome, now time.Duration) {
	s.peak.Observe(a, outcome, now)
	if outcome == Failure {
		pools.OfService(a.endpoint.service).drop(a.endpoint)
	}
}

// Report puts the answer to a probe into the pool, or takes out what is there
// if there was none. What comes with responses stays outside: it would keep
// the endpoints in the pool that are used anyway.
func (s *probed) Report(e *Endpoint, r Report) {
	pool := pools.OfService(e.service)
	switch {
	case r.Probed && r.empty():
		pool.drop(e)
	case r.Probed:
		a := &answer{endpoint: e, state: s, at: r.At, inFlight: float64(e.InFlight()), latency: float64(r.Latency)}
		if r.HasInFlight {
			a.inFlight = max(0, r.InFlight)
		}
		if r.Latency <= 0 { // ours is better than nothing
			a.latency = unpack(s.peak.latency.Load()).at(stamp(r.At), peakRate)
		}
		pool.add(a)
	case r.HasInFlight && !pool.filled.Load():
		pool.saw(max(0, r.InFlight))
	}
}
