package balancer

import (
	"math"
	"slices"
)

const (
	// longestPeriod is up to how many turns are worked out beforehand, if that
	// takes no more than maxSteps steps, a tenth of a millisecond.
	longestPeriod = 4096
	maxSteps      = 1 << 16

	// weightedTries is how often a retry draws by weight before it takes any
	// endpoint that has not been tried.
	weightedTries = 8
)

// WeightedRoundRobin picks the endpoints in turn, each as often as the registry
// weighs it, and those of large weight not in a row but spread over the round:
// with weights 5, 1 and 1 the order is a a b a c a a. Where it begins, and in
// which order endpoints of the same weight come, is random for each client and
// each set.
//
// Use it where endpoints differ in capacity by known factors, and all calls are
// alike. Like [RoundRobin], it looks at no load. Where capacities are guessed,
// or calls differ in cost, [LeastRequest] looks at weights too, and at load.
//
// The order is that of nginx's smooth weighted round robin, and the shares are
// exact over each period, which is the sum of the weights over their greatest
// common divisor. If the period is longer than 4096, or many different weights
// make it costly to work out, the order is that of gRPC's static stride
// scheduler (gRFC A58), whose shares are right to about one part in 65,535 of
// the largest.
//
// A retry goes to an endpoint that has not been tried, at random by weight.
//
// A pick costs one atomic addition to a counter that all callers share, or
// three in the mean where the period is long. Building is linear in the number
// of endpoints and in the period.
func WeightedRoundRobin(set Set) Picker {
	if len(set.Available) == 0 {
		return PickerFunc(noEndpoints)
	}
	c := chooserOf(set)
	c.endpoints = c.shuffled()
	weights := make([]uint64, len(c.endpoints))
	for i, e := range c.endpoints {
		weights[i] = uint64(e.Weight())
	}
	if order := smooth(weights); order != nil {
		p := &periodic{chooser: c, order: make([]*Endpoint, len(order))}
		for k, i := range order {
			p.order[k] = c.endpoints[i]
		}
		p.turn.begin(p.service)
		return p
	}
	p := &striding{chooser: c}
	shares := make([]float64, len(weights))
	for i, w := range weights {
		shares[i] = float64(w)
	}
	p.stride = newStride(shares, &p.turn)
	p.turn.begin(p.service)
	return p
}

// periodic repeats an order.
type periodic struct {
	chooser
	order []*Endpoint // one period
	turn  sequence
}

func (p *periodic) Pick(info PickInfo) (*Endpoint, error) {
	if len(info.Tried) == 0 {
		return p.order[p.turn.n.Add(1)%uint64(len(p.order))], nil
	}
	for range weightedTries {
		if e := p.order[p.service.IntN(len(p.order))]; !slices.Contains(info.Tried, e) {
			return e, nil
		}
	}
	return p.endpoints[p.one(info.Tried)], nil
}

// striding has no period worth mentioning.
type striding struct {
	chooser
	stride *stride
	turn   sequence
}

func (p *striding) Pick(info PickInfo) (*Endpoint, error) {
	if len(info.Tried) == 0 {
		return p.endpoints[p.stride.next()], nil
	}
	for range weightedTries * strideRatio {
		i, ok := p.stride.at(p.service.Uint64() >> 16) // what remains is far beyond any period
		if ok && !slices.Contains(info.Tried, p.endpoints[i]) {
			return p.endpoints[i], nil
		}
	}
	return p.endpoints[p.one(info.Tried)], nil
}

// smooth returns one period of nginx's smooth weighted round robin, as indexes
// of the weights, which are positive; or nil if it takes too long.
//
// The rule: at each turn, everybody's credit grows by its weight; whoever has
// most, or is the first of those, is picked and pays the sum of all weights.
// Here the credit is kept for each class of equal weights: of its members, who
// take turns in order, those whose turn has not come have all of it, and the
// others have paid once.
func smooth(weights []uint64) []int32 {
	var sum, divisor uint64
	for _, w := range weights {
		sum += w
		if divisor != 1 {
			divisor = gcd(w, divisor)
		}
	}
	sum /= divisor
	if sum > longestPeriod {
		return nil
	}
	if divisor != 1 {
		reduced := make([]uint64, len(weights))
		for i, w := range weights {
			reduced[i] = w / divisor
		}
		weights = reduced
	}
	var classes []class
	var of [longestPeriod + 1]int32 // class by weight, counted from 1
	for _, w := range weights {
		if of[w] == 0 {
			classes = append(classes, class{weight: int64(w)})
			of[w] = int32(len(classes))
		}
		classes[of[w]-1].size++
	}
	if sum*uint64(len(classes)) > maxSteps {
		return nil
	}
	members := make([][]int32, len(classes))
	for k, c := range classes {
		members[k] = make([]int32, 0, c.size)
	}
	for i, w := range weights {
		k := of[w] - 1
		members[k] = append(members[k], int32(i))
	}
	for k := range classes {
		classes[k].member = members[k][0]
	}
	order := make([]int32, sum)
	for t := range order {
		best := 0
		most := int64(math.MinInt64)
		for k := range classes {
			c := &classes[k]
			c.credit += c.weight
			if c.credit > most || c.credit == most && c.member < classes[best].member {
				best, most = k, c.credit
			}
		}
		c := &classes[best]
		order[t] = c.member
		if c.next++; c.next == c.size {
			c.next = 0
			c.credit -= int64(sum)
		}
		c.member = members[best][c.next]
	}
	return order
}

// A class is of equal weights.
type class struct {
	weight, credit int64
	member         int32 // whose turn is next
	next, size     int32 // its place, and the number of members
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
