package balancer

import (
	"math"
	"math/rand/v2"
	"slices"
)

// sparse is how many times as many endpoints as tried ones there must be for
// drawing until an untried one comes up: each draw then fails with a
// probability of at most 1/sparse. Below that the set is small, and counted.
const sparse = 4

// one returns a random endpoint that has not been tried, each with the same
// probability, or any if all have been.
func one(endpoints, tried []*Endpoint) *Endpoint {
	n := len(endpoints)
	if n > sparse*len(tried) {
		for {
			e := endpoints[rand.IntN(n)]
			if !slices.Contains(tried, e) {
				return e
			}
		}
	}
	left := untried(endpoints, tried)
	if left == 0 {
		return endpoints[rand.IntN(n)]
	}
	return nth(endpoints, tried, rand.IntN(left))
}

// two returns two different random endpoints that have not been tried, each
// pair with the same probability. If only one is left, it comes with nil; if
// none is, two of the tried ones are returned.
func two(endpoints, tried []*Endpoint) (a, b *Endpoint) {
	n := len(endpoints)
	switch {
	case n == 1:
		return endpoints[0], nil
	case len(tried) == 0:
		i, j := distinct(n)
		return endpoints[i], endpoints[j]
	case n > sparse*(len(tried)+1):
		a = one(endpoints, tried)
		for {
			if b = one(endpoints, tried); b != a {
				return a, b
			}
		}
	}
	switch left := untried(endpoints, tried); left {
	case 0:
		return two(endpoints, nil)
	case 1:
		return nth(endpoints, tried, 0), nil
	default:
		i, j := distinct(left)
		return nth(endpoints, tried, i), nth(endpoints, tried, j)
	}
}

// distinct returns two different random numbers below n, which is at least 2.
// Both come from one draw: half of it scaled to n is even enough by far, one
// part in 400,000 for 10,000 endpoints.
func distinct(n int) (i, j int) {
	r := rand.Uint64()
	i = int(r >> 32 * uint64(n) >> 32)
	j = int(r & math.MaxUint32 * uint64(n-1) >> 32)
	if j >= i {
		j++
	}
	return i, j
}

func untried(endpoints, tried []*Endpoint) (n int) {
	for _, e := range endpoints {
		if !slices.Contains(tried, e) {
			n++
		}
	}
	return n
}

// nth returns the untried endpoint before which there are i others.
func nth(endpoints, tried []*Endpoint, i int) *Endpoint {
	for _, e := range endpoints {
		if slices.Contains(tried, e) {
			continue
		}
		if i == 0 {
			return e
		}
		i--
	}
	return nil
}

// noEndpoints is the picker of an empty set.
func noEndpoints(PickInfo) (*Endpoint, error) { return nil, ErrNoEndpoints }
