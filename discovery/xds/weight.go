package xds

import (
	"fmt"
	"maps"
	"math"
	"math/bits"
	"slices"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
)

// maxWeight is the greatest weight that comes of those of localities. More
// would say nothing more, and two of them make no overflow.
const maxWeight = 1_000_000

// A share turns the weight that an endpoint has within its locality into one
// that it has among all of its priority. The zero value changes nothing.
type share struct {
	none    bool // the locality gets nothing
	times   uint64
	through uint64  // 0: as it is
	ratio   float64 // instead, if not 0, where exact weights would be too great
}

func (s share) weight(w uint32) uint32 {
	switch {
	case s.ratio != 0:
		return max(1, uint32(math.Round(s.ratio*float64(w)))) // at most maxWeight
	case s.through != 0:
		return uint32(s.times * uint64(w) / s.through) // at most maxWeight
	}
	return w
}

// A place is the weights of one locality.
type place struct {
	weight  uint64 // of all of it
	sum     uint64 // of its endpoints
	largest uint64
	divisor uint64 // the greatest common one
}

// sharesOf returns the shares of localities. Where any locality of a priority
// has a weight, those without get nothing, and an endpoint has, of the weight
// of its locality, the part that it has of the weights there, whether the
// others can be used or not. The numbers are the smallest that say so.
func sharesOf(localities []*endpointv3.LocalityLbEndpoints) ([]share, error) {
	shares := make([]share, len(localities))
	places := make([]place, len(localities))
	byPriority := make(map[uint32][]int)
	for i, l := range localities {
		p := l.GetPriority()
		if p > maxPriority {
			return nil, fmt.Errorf("locality %s: the priority %d is above %d", placeOf(l), p, maxPriority)
		}
		places[i] = weigh(l)
		if places[i].sum > math.MaxUint32 {
			return nil, fmt.Errorf("locality %s: the weights of its endpoints add up to %d, which is too much", placeOf(l), places[i].sum)
		}
		byPriority[p] = append(byPriority[p], i)
	}
	for _, p := range slices.Sorted(maps.Keys(byPriority)) { // so that the same is the same error
		members := byPriority[p]
		var sum uint64
		for _, i := range members {
			sum += places[i].weight
		}
		if sum > math.MaxUint32 {
			return nil, fmt.Errorf("the weights of the localities of priority %d add up to %d, which is too much", p, sum)
		}
		if sum == 0 {
			continue
		}
		members = slices.DeleteFunc(members, func(i int) bool {
			shares[i].none = places[i].weight == 0
			return shares[i].none || places[i].sum == 0
		})
		if !exact(members, places, shares) {
			approximate(members, places, shares)
		}
	}
	return shares, nil
}

func weigh(l *endpointv3.LocalityLbEndpoints) place {
	p := place{weight: uint64(l.GetLoadBalancingWeight().GetValue())}
	for _, e := range l.GetLbEndpoints() {
		w := uint64(1)
		if set := e.GetLoadBalancingWeight(); set != nil {
			w = uint64(set.GetValue())
		}
		p.sum += w
		p.largest = max(p.largest, w)
		p.divisor = gcd(p.divisor, w)
	}
	return p
}

// exact finds the smallest whole weights that have the right proportions. It
// reports whether there are any that are not too great.
func exact(members []int, places []place, shares []share) bool {
	common := uint64(1) // denominator of weight/sum of all
	for _, i := range members {
		d := places[i].sum / gcd(places[i].weight, places[i].sum)
		common *= d / gcd(common, d)
		if common > math.MaxUint32 {
			return false
		}
	}
	var divisor, largest uint64
	for _, i := range members {
		p := places[i]
		g := gcd(p.weight, p.sum)
		times := p.weight / g * (common / (p.sum / g))
		over, product := bits.Mul64(times, p.largest)
		if over != 0 {
			return false
		}
		largest = max(largest, product)
		divisor = gcd(divisor, times*p.divisor)
		shares[i].times = times
	}
	if len(members) > 0 && largest/divisor > maxWeight {
		return false
	}
	for _, i := range members {
		shares[i].through = divisor
	}
	return true
}

// approximate finds weights with nearly the right proportions, of which the
// greatest is maxWeight.
func approximate(members []int, places []place, shares []share) {
	var largest float64
	of := func(p place) float64 { return float64(p.weight) / float64(p.sum) }
	for _, i := range members {
		largest = max(largest, of(places[i])*float64(places[i].largest))
	}
	for _, i := range members {
		shares[i] = share{ratio: of(places[i]) / largest * maxWeight}
	}
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
