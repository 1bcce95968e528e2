package balancer

import (
	"math"
	"slices"
)

const (
	// DefaultRingPoints is how many points an endpoint has on the ring of
	// [RingHash]: with n endpoints of equal weight, its share of the keys then
	// differs from 1/n by 8 % in the mean. Ketama's number.
	DefaultRingPoints = 160

	maxRingPoints = 1 << 16

	// ringWalk is how many points are looked at for one of an endpoint that is
	// available and not tried, before all endpoints are. As long as half of
	// them are available it takes two.
	ringWalk = 64
)

// A RingHashConfig says how [RingHash] picks. The zero value is ready to use.
type RingHashConfig struct {
	// Points is how many points an endpoint of average weight has on the ring.
	// More spread the keys more evenly, by the square root, and take more
	// memory, 9 bytes each. Default: [DefaultRingPoints]. All clients must have
	// the same.
	Points int

	// Bound is how many times its share of the calls in flight an endpoint may
	// have; what goes over is spread over the others, each key's always in the
	// same order. A single key can be too much for an endpoint, and with it the
	// others that live there suffer. 1.25 keeps nearly all calls at home if
	// keys are alike, and 2 keeps three in four if they are as unequal as words
	// of a text. The calls are those of this client, so the bound is worth little
	// where each of many clients has few in flight; four are always allowed.
	// 0, the default, is no bound; less than 1 counts as 1.
	Bound float64

	// Fallback picks for calls without a key. Default: ShortestExpectedDelay,
	// which measures all attempts, those of calls with a key included. Where
	// hardly a call is without, [LeastRequest] saves them that.
	Fallback Policy
}

// RingHash picks by key: calls with the same PickInfo.Key go to the same
// endpoint, from all clients that have the same set, so that it has in its
// cache what the key needs. Calls without a key go to another policy.
//
// Every endpoint has many points on a ring, at hashes of its key, in proportion
// to its weight; a key belongs to the next point after its own hash. When an
// endpoint leaves, its keys are spread over all others, and no other key moves;
// when one comes, it takes its keys from all, and no other moves.
//
// The ring has all endpoints that the registry lists. Those that are not
// available are passed over, so keys go to the next on their way and come back
// when their endpoint does. A retry goes to the next one too, and so all retries
// of a key meet where it will be at home if the first stays away.
//
// Use it where endpoints cache, or hold sessions, and the set changes: it moves
// the fewest keys. [Maglev] spreads them more evenly, and moves a few more.
// [Rendezvous] does both better, where there are not too many endpoints. Do not
// use any of them for load: an endpoint gets its keys' calls however slow it is.
//
// The ring is Karger's and others' ("Consistent Hashing and Random Trees",
// 1997), the number of points is fixed for each endpoint: with a ring of fixed
// size, it would change with the set, and so would the keys of all. Weights
// count relative to their mean, rounded to a power of two; when the mean passes
// from one to the next, about half of the keys move. A pick takes constant
// time. A change takes O(points), as the next ring is merged from the last, and
// the first O(points) too.
//
// Who chooses the keys can choose keys that all belong to one endpoint, with
// this and every other public hash. Bound limits what that does.
func RingHash(cfg RingHashConfig) Policy {
	points := min(cfg.Points, maxRingPoints)
	if points <= 0 {
		points = DefaultRingPoints
	}
	return hashPolicy(cfg.Fallback, cfg.Bound, probes, func(r roster, rest *rendezvous) order {
		return &ringOrder{ringOf(r, points), r.available, rest}
	})
}

// A ringOrder is the order of endpoints along a ring.
type ringOrder struct {
	*ring
	available []*Endpoint
	rest      *rendezvous
}

func (p *ringOrder) first(h uint64, tried []*Endpoint) *Endpoint {
	i := p.after(h)
	for range ringWalk {
		if i == len(p.points) {
			i = 0
		}
		if e := p.available[p.points[i]&indexMask]; e != nil && !slices.Contains(tried, e) {
			return e
		}
		i++
	}
	return p.rest.first(h, tried)
}

// ringCounts returns how many points each endpoint has. It depends on the
// others only by the magnitude of the mean weight.
func ringCounts(weights []uint32, points int) []int {
	var sum float64
	for _, w := range weights {
		sum += float64(w)
	}
	fraction, exponent := math.Frexp(sum / float64(len(weights)))
	if fraction < math.Sqrt2/2 {
		exponent--
	}
	counts := make([]int, len(weights))
	for i, w := range weights {
		counts[i] = max(1, int(math.Round(math.Ldexp(float64(points)*float64(w), -exponent))))
	}
	return counts
}
