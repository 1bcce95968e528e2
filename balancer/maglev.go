package balancer

import (
	"math/bits"
	"slices"
)

const (
	// DefaultMaglevSlots is the size of the table of [Maglev], for up to some
	// 600 endpoints. The value of the paper and of Envoy.
	DefaultMaglevSlots = 65537

	maxMaglevSlots = 1 << 24

	// maglevWalk is how many slots are looked at for an endpoint that is
	// available and not tried, before all endpoints are.
	maglevWalk = 32
)

// A MaglevConfig says how [Maglev] picks. The zero value is ready to use.
type MaglevConfig struct {
	// Slots is the size of the table: a hundred times the number of endpoints
	// or more, so that shares differ by 1 % at most. It is rounded up to a
	// prime, and doubled while there are more endpoints than slots. Each slot
	// takes 4 bytes, and a change about 30 ns. Default: [DefaultMaglevSlots].
	// All clients must have the same.
	Slots int

	// Bound is how many times its share of the calls in flight an endpoint may
	// have: see [RingHashConfig].
	Bound float64

	// Fallback picks for calls without a key: see [RingHashConfig]. Default:
	// ShortestExpectedDelay.
	Fallback Policy
}

// Maglev picks by key, by a table whose slots the endpoints fill in turns, each
// in an order of its own. Shares are exact to one slot: a hundred endpoints have
// 655 or 656 each, where those of [RingHash] differ by 8 % in the mean. In return
// not only the keys of an endpoint that leaves move, but up to 1 % of the
// others too.
//
// As with RingHash, the table has all endpoints that the registry lists; keys of
// those that are not available are spread over the others, and no other key
// moves until the registry's set changes. A retry goes where the key would go if
// the tried ones were not available.
//
// Use it where endpoints cache and load must be even. Use RingHash if a key that
// moves is expensive.
//
// The rule is that of Eisenbud and others, "Maglev: A Fast and Reliable Software
// Network Load Balancer", 2016; weights are as in Envoy. A pick takes constant
// time and looks at one slot. A change builds the table anew, which takes
// O(slots · log slots), and longer by the factor of the greatest weight over
// the mean.
func Maglev(cfg MaglevConfig) Policy {
	slots := min(cfg.Slots, maxMaglevSlots)
	if slots <= 0 {
		slots = DefaultMaglevSlots
	}
	slots = prime(slots)
	return hashPolicy(cfg.Fallback, cfg.Bound, probes, func(r roster, rest *rendezvous) order {
		return &maglevOrder{tableOf(r, slots), r.available, rest}
	})
}

// A maglevOrder is the order of endpoints in the slots of a sequence of hashes.
type maglevOrder struct {
	*table
	available []*Endpoint
	rest      *rendezvous
}

func (p *maglevOrder) first(h uint64, tried []*Endpoint) *Endpoint {
	for i := range maglevWalk {
		slot, _ := bits.Mul64(rehash(h, i), uint64(len(p.slots))) // as good as modulo, and faster
		if e := p.available[p.slots[slot]]; e != nil && !slices.Contains(tried, e) {
			return e
		}
	}
	return p.rest.first(h, tried)
}

// prime returns the least prime that is at least n.
func prime(n int) int {
	for n = max(n, 2); ; n++ {
		if isPrime(n) {
			return n
		}
	}
}

func isPrime(n int) bool {
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return true
}
