package balancer

import (
	"math"
	"slices"
)

// maxChoices is up to how many endpoints are drawn. Who wants more of them
// compared may as well compare all.
const maxChoices = 64

// LeastRequest draws two different endpoints at random and picks the one with
// fewer calls in flight for its weight: the lesser (in flight + 1) / weight.
// The 1 stands for the call to be placed; without it an idle endpoint of small
// weight would look as good as an idle one of large weight. A tie goes to the
// one drawn first, so calls to idle endpoints are spread evenly.
//
// Two choices are enough to bring the longest queue from ln n / ln ln n down
// to ln ln n; a third gains little (Azar, Broder, Karlin, Upfal, "Balanced
// Allocations", 1994; Mitzenmacher, "The Power of Two Choices in Randomized
// Load Balancing", 2001). They must be different: the same endpoint drawn
// twice is no choice, which with two endpoints would be half of all picks.
// [LeastRequestOf] compares more.
//
// Use it where calls differ in cost and latencies are too irregular to
// average. It counts only what this client has in flight, so it tells little
// where many clients have few calls each. An endpoint that fails at once is
// always idle and thus attractive; breakers limit that, [PeakEWMA] avoids it.
//
// A pick costs two random numbers and reads two counters. No shared state is
// written.
func LeastRequest(set Set) Picker { return leastRequestOf(set, 2, 1) }

// LeastRequestConfig configures [LeastRequestOf]. The zero value makes it
// [LeastRequest].
type LeastRequestConfig struct {
	// Choices is how many different endpoints are compared at each pick. Zero
	// means 2; 1 leaves no choice and makes it [Random]. A negative number means
	// all of them, and so does one above 64 or above the size of the set.
	Choices int

	// Bias is how much the calls in flight count against the weight: the
	// endpoint of the least (in flight + 1)^Bias / weight is picked. Zero means
	// 1: an endpoint of twice the weight is given twice the calls at a time.
	// Above 1, an endpoint that is busier than others is shunned the more, at
	// the expense of weights; below 1 the less. A negative number stands for a
	// bias of 0: calls in flight do not count at all, and the heaviest of those
	// compared gets the call. It is meant for a few choices of many; with all
	// of them compared, the heaviest endpoint would get everything. For shares
	// by weight alone there is [WeightedRoundRobin].
	Bias float64
}

// LeastRequestOf is [LeastRequest] with another number of choices, or another
// price for the calls in flight. Ties are broken at random.
//
// More choices find the idle endpoints of a set sooner, which pays where calls
// are long and few at a time: more than two calls then rarely meet on one
// endpoint while another is idle. But as all clients see the same, though at
// different times, they also send the more calls to the same endpoint, and one
// that fails at once gets the larger share the more are compared: of all, it
// is always the least loaded. Do not compare all without breakers.
//
// The names are those of Envoy's least request policy, choice_count,
// selection_method FULL_SCAN and active_request_bias; but where weights differ
// Envoy goes by a schedule, and here load and weight are compared at each pick.
//
// A pick reads as many counters as there are choices, and costs about as many
// random numbers; one if all are compared, and as many steps as the set has
// endpoints. No shared state is written.
func LeastRequestOf(cfg LeastRequestConfig) Policy {
	switch {
	case cfg.Choices == 0:
		cfg.Choices = 2
	case cfg.Choices < 0 || cfg.Choices > maxChoices:
		cfg.Choices = math.MaxInt
	}
	switch {
	case cfg.Bias == 0 || math.IsNaN(cfg.Bias):
		cfg.Bias = 1
	case cfg.Bias < 0:
		cfg.Bias = 0
	}
	return func(set Set) Picker { return leastRequestOf(set, cfg.Choices, cfg.Bias) }
}

func leastRequestOf(set Set, choices int, bias float64) Picker {
	switch n := len(set.Available); {
	case n == 0:
		return PickerFunc(noEndpoints)
	case choices == 1:
		return Random(set)
	case choices == 2:
		return &leastOfTwo{chooserOf(set), bias}
	default:
		return &leastOfMany{chooserOf(set), min(choices, n), bias}
	}
}

type leastOfTwo struct {
	chooser
	bias float64
}

func (p *leastOfTwo) Pick(info PickInfo) (*Endpoint, error) {
	i, j := p.two(info.Tried)
	a, b := p.endpoints[i], p.endpoints[j]
	if lessLoaded(b, a, p.bias) {
		return b, nil
	}
	return a, nil
}

// lessLoaded compares loads, if it can without dividing.
func lessLoaded(a, b *Endpoint, bias float64) bool {
	if bias == 1 {
		return (a.InFlight()+1)*int64(b.Weight()) < (b.InFlight()+1)*int64(a.Weight())
	}
	return loadOf(a, bias) < loadOf(b, bias)
}

// loadOf returns (in flight + 1)^bias / weight.
func loadOf(e *Endpoint, bias float64) float64 {
	n := float64(e.InFlight() + 1)
	if bias != 1 {
		n = math.Pow(n, bias)
	}
	return n / float64(e.Weight())
}

type leastOfMany struct {
	chooser
	choices int // at most as many as there are endpoints
	bias    float64
}

func (p *leastOfMany) Pick(info PickInfo) (*Endpoint, error) {
	c := contest{bias: p.bias, chance: p.service.Uint64()}
	tried := info.Tried
	if len(p.endpoints) > sparse*(p.choices+len(tried)) {
		p.draw(&c, tried)
		return c.best, nil
	}
	left := untried(p.endpoints, tried)
	if left == 0 {
		tried, left = nil, len(p.endpoints)
	}
	p.deal(&c, tried, left)
	return c.best, nil
}

// draw enters different endpoints of a set in which there are enough of them.
func (p *leastOfMany) draw(c *contest, tried []*Endpoint) {
	var drawn [maxChoices]int
	for n := 0; n < p.choices; {
		if i := p.one(tried); !slices.Contains(drawn[:n], i) {
			drawn[n] = i
			n++
			c.enter(p.endpoints[i])
		}
	}
}

// deal enters endpoints in order, each set of them with the same probability:
// the next one with that of the number still needed over the number left
// (Knuth's algorithm S).
func (p *leastOfMany) deal(c *contest, tried []*Endpoint, left int) {
	need := min(p.choices, left)
	for _, e := range p.endpoints {
		if len(tried) > 0 && slices.Contains(tried, e) {
			continue
		}
		if need == left || c.roll(left) < need {
			c.enter(e)
			need--
		}
		left--
	}
}

// A contest finds the least loaded of many endpoints.
type contest struct {
	bias   float64
	chance uint64 // the state of SplitMix64: one random number makes many
	best   *Endpoint
	load   float64 // its load
	ties   int     // how many have been as good, itself included
}

// enter compares one more. Of several that are as good, the last one wins with
// a probability of one in their number, and so each with the same.
func (c *contest) enter(e *Endpoint) {
	switch l := loadOf(e, c.bias); {
	case c.best == nil || l < c.load:
		c.best, c.load, c.ties = e, l, 1
	case l == c.load:
		c.ties++
		if c.roll(c.ties) == 0 {
			c.best = e
		}
	}
}

// roll returns a random number below n.
func (c *contest) roll(n int) int {
	c.chance += golden
	return scale(mix(c.chance)>>32, n)
}
