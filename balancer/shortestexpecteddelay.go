package balancer

import (
	"math"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// scanAll is up to how many endpoints are all compared at each pick. Beyond,
	// drawn ones, new at each pick, are compared with remembered ones, which
	// were the best of earlier picks.
	scanAll    = 64
	drawn      = 24
	remembered = 8

	// jitter is by how much, at most, an expectation is stretched at random. It is
	// noise that tells apart what is closer.
	jitter = 0.05

	// atStart is the time after a service's first set within which endpoints
	// are not new: this client is.
	atStart = time.Second

	// unknownLatency stands for the service's mean latency before there is one:
	// long enough for what is in flight to decide.
	unknownLatency = float64(time.Second)
)

// ShortestExpectedDelay picks the endpoint where a call given to it now is
// expected to be answered first, by what this client has seen, and asks nothing
// of the servers:
//
//	latency · penalty · (in flight / weight + 1)
//
// The latency is the geometric average of an endpoint's successful answers over
// some three seconds. Four corrections keep it honest:
//
//   - Old news fades to the mean of the service within some ten seconds, so an
//     endpoint that once was slow is tried again.
//   - An endpoint with calls that wait for their answer takes at least as long
//     as it has been silent, so one that hangs is found out while it hangs.
//   - Failures are no latencies. They raise the penalty, as [Endpoint.Penalty]
//     says, so one that fails fast does not look fast.
//   - A new endpoint is taken for an average one, and each client tries it at a
//     moment of its own within ten seconds, with one call at a time until it has
//     answered. It must be ten times better than the rest before that.
//
// Each expectation is stretched by up to 5 % at random, since clients that all
// ran after the least would meet there. It is more for an endpoint of less than
// the mean weight and less for one of more, so that endpoints which are alike get
// shares by their weights. (Weights count no further: what an endpoint can do, its
// latency says. For shares that are exact use [WeightedRoundRobin].)
//
// Up to 64 endpoints are all looked at, which is what makes this rule better
// than those that look at two. Of more, 24 are drawn at random and compared with
// the best 8 of earlier picks.
//
// Where the calls of a service differ widely in cost by nature, give them
// classes ([PickInfo].Class): then a latency is judged by what is usual in its
// class, and a dear call in flight counts for more than a cheap one. Without
// classes an endpoint that was given a dear call looks slow for a while.
//
// Use it as a rule. It is second where calls are all alike and so are the
// endpoints, for then any rule will do and [RoundRobin] is cheaper and more
// even: in quiet times this one keeps to the endpoints that it knows to be
// good, which may mislead an autoscaler that watches the busiest. It learns
// nothing where a client makes less than a call a minute to each endpoint, and
// becomes least request with a random choice. Across regions it sends most
// calls to the near ones, until those are slower for it; combine it with
// [ZoneAware] if that is not what you want.
//
// The idea of the shortest expected delay is old (Winston, "Optimality of the
// Shortest Line Discipline", 1977; Whitt, "Deciding Which Queue to Join: Some
// Counterexamples", 1986, on where it fails). The estimate, its corrections and
// their parameters are this library's own. Package laboratory compares it with
// the published rules.
//
// A pick reads one cache line of each endpoint that it looks at, and an attempt
// writes to that of its own; no lock is taken. It costs the time of about ten
// two-choice picks at 64 endpoints and more.
func ShortestExpectedDelay(set Set) Picker {
	if len(set.Available) == 0 {
		return PickerFunc(noEndpoints)
	}
	p := &shortest{chooser: chooserOf(set), candidates: make([]candidate, len(set.Available))}
	admit(p.service, set)
	var weights float64
	for _, e := range set.Available {
		weights += float64(e.Weight())
	}
	for i, e := range set.Available {
		p.candidates[i] = candidate{e, delays.Of(e), weights / float64(e.Weight()) / float64(len(set.Available))}
	}
	for i := range p.remembered {
		p.remembered[i].Store(int32(p.service.IntN(len(p.candidates))))
	}
	return p
}

// admit has endpoints that are new to a service wait at the gate, each client
// for another while. In a client that is new itself, all begin at once.
func admit(service *Service, set Set) {
	now := service.Now()
	first := &firsts.OfService(service).seen
	first.CompareAndSwap(0, int64(now))
	for _, endpoints := range [][]*Endpoint{set.All, set.Available} {
		for _, e := range endpoints {
			d := delays.Of(e)
			if d.gate.Load() != 0 {
				continue
			}
			until := now
			if now > time.Duration(first.Load())+atStart {
				until += time.Duration(service.Float64() * float64(gateTime))
			}
			d.gate.Store(int64(until))
		}
	}
}

// A first is when a service's first set was seen.
type first struct{ seen atomic.Int64 }

var firsts = NewKey[first]()

type shortest struct {
	chooser
	candidates []candidate // of the endpoints
	_          [64]byte    // what is remembered changes, the rest is only read
	remembered [remembered]atomic.Int32
}

type candidate struct {
	endpoint *Endpoint
	delay    *delay
	share    float64 // the mean weight over the endpoint's
}

func (p *shortest) Pick(info PickInfo) (*Endpoint, error) {
	if len(p.candidates) == 1 {
		return p.candidates[0].endpoint, nil
	}
	now := info.now(p.service)
	m := moment{now: now, stamp: stamp(now), mean: p.service.mean.value(), cost: Unit}
	if m.mean == 0 {
		m.mean = unknownLatency
	}
	if info.Class != nil {
		m.cost = float64(p.service.cost(info.Class))
	}
	if len(p.candidates) <= scanAll {
		return p.amongAll(&m, info.Tried), nil
	}
	return p.amongSome(&m, info.Tried), nil
}

// A dice is a sequence of random numbers that are good enough for jitter: a
// linear congruential generator, of which the upper bits are used.
type dice uint64

// stretch returns a factor from 1 to 1+jitter·share: of those that are alike,
// each is the least with a probability in proportion to its weight, or nearly.
func (d *dice) stretch(share float64) float64 {
	*d = *d*6364136223846793005 + 1442695040888963407
	return 1 + share*float64(uint32(*d>>40))*(jitter/(1<<24))
}

// amongAll compares all endpoints.
func (p *shortest) amongAll(m *moment, tried []*Endpoint) *Endpoint {
	dice := dice(p.service.Uint64())
	var best *Endpoint
	least := math.Inf(1)
	for i := range p.candidates {
		c := &p.candidates[i]
		delay := c.delay.expected(m, c.share) * dice.stretch(c.share)
		if delay < least && (len(tried) == 0 || !slices.Contains(tried, c.endpoint)) {
			least, best = delay, c.endpoint
		}
	}
	if best == nil { // all have been tried
		return p.amongAll(m, nil)
	}
	return best
}

// amongSome compares some endpoints drawn at random and those remembered. The
// best of the new ones takes the place of the worst remembered.
func (p *shortest) amongSome(m *moment, tried []*Endpoint) *Endpoint {
	dice := dice(p.service.Uint64())
	n := len(p.candidates)
	r := p.service.Uint64()
	i, stride := scale(r>>32, n), 1+scale(r&math.MaxUint32, n/drawn) // no endpoint twice
	best, least := -1, math.Inf(1)
	for range drawn {
		if delay := p.expected(m, i, tried, &dice); delay < least {
			best, least = i, delay
		}
		if i += stride; i >= n {
			i -= n
		}
	}
	newBest, newLeast := best, least
	known := false
	worst, most := 0, 0.
	for k := range p.remembered {
		i := int(p.remembered[k].Load())
		known = known || i == newBest
		delay := p.expected(m, i, tried, &dice)
		if delay < least {
			best, least = i, delay
		}
		if delay > most {
			worst, most = k, delay
		}
	}
	if best < 0 {
		return p.endpoints[p.one(tried)]
	}
	if newLeast < most && !known {
		p.remembered[worst].Store(int32(newBest))
	}
	return p.candidates[best].endpoint
}

// expected is infinite for an endpoint that has been tried.
func (p *shortest) expected(m *moment, i int, tried []*Endpoint, dice *dice) float64 {
	c := &p.candidates[i]
	if len(tried) > 0 && slices.Contains(tried, c.endpoint) {
		return math.Inf(1)
	}
	return c.delay.expected(m, c.share) * dice.stretch(c.share)
}
