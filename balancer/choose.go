package balancer

import (
	"math"
	"slices"
)

// A chooser draws endpoints at random, for policies that look at one or two.
type chooser struct {
	service   *Service
	endpoints []*Endpoint // not empty
}

// chooserOf returns the chooser of a set that is not empty.
func chooserOf(set Set) chooser {
	return chooser{set.Available[0].service, set.Available}
}

// sparse is how many times as many endpoints as tried ones there must be for
// drawing until an untried one comes up: each draw then fails with a
// probability of at most 1/sparse. Below that the set is small, and counted.
const sparse = 4

// one returns the index of a random endpoint that has not been tried, each with
// the same probability, or any if all have been.
func (c *chooser) one(tried []*Endpoint) int {
	n := len(c.endpoints)
	if len(tried) == 0 {
		return c.service.IntN(n)
	}
	if n > sparse*len(tried) {
		for {
			if i := c.service.IntN(n); !slices.Contains(tried, c.endpoints[i]) {
				return i
			}
		}
	}
	left := untried(c.endpoints, tried)
	if left == 0 {
		return c.service.IntN(n)
	}
	return nth(c.endpoints, tried, c.service.IntN(left))
}

// two returns the indexes of two different random endpoints that have not been
// tried, each pair with the same probability. If only one is left, it comes
// twice; if none is, two of the tried ones are returned.
func (c *chooser) two(tried []*Endpoint) (i, j int) {
	n := len(c.endpoints)
	switch {
	case n == 1:
		return 0, 0
	case len(tried) == 0:
		return c.distinct(n)
	case n > sparse*(len(tried)+1):
		i = c.one(tried)
		for {
			if j = c.one(tried); j != i {
				return i, j
			}
		}
	}
	switch left := untried(c.endpoints, tried); left {
	case 0:
		return c.two(nil)
	case 1:
		i = nth(c.endpoints, tried, 0)
		return i, i
	default:
		i, j := c.distinct(left)
		return nth(c.endpoints, tried, i), nth(c.endpoints, tried, j)
	}
}

// distinct returns two different random numbers below n, which is at least 2,
// both from one draw.
func (c *chooser) distinct(n int) (i, j int) {
	r := c.service.Uint64()
	i = scale(r>>32, n)
	j = scale(r&math.MaxUint32, n-1)
	if j >= i {
		j++
	}
	return i, j
}

// shuffled returns a copy of the endpoints in a random order.
func (c *chooser) shuffled() []*Endpoint {
	es := slices.Clone(c.endpoints)
	for i := len(es) - 1; i > 0; i-- { // Fisher and Yates
		j := c.service.IntN(i + 1)
		es[i], es[j] = es[j], es[i]
	}
	return es
}

// maxSeveral is the most that several draws.
const maxSeveral = 16

// several fills indexes, of maxSeveral at most, with those of different random
// endpoints that have not been tried, and returns as many as there are: each
// order of each choice with the same probability. If none is left, it draws from
// the tried ones.
func (c *chooser) several(tried []*Endpoint, indexes []int) []int {
	n := len(c.endpoints)
	left := n
	if len(tried) > 0 {
		if left = untried(c.endpoints, tried); left == 0 {
			left, tried = n, nil
		}
	}
	k := min(len(indexes), left)
	indexes = indexes[:k]
	if left > 2*k { // most draws are new
		for i := range k {
			for {
				if indexes[i] = c.one(tried); !slices.Contains(indexes[:i], indexes[i]) {
					break
				}
			}
		}
		return indexes
	}
	var order [2 * maxSeveral]int
	for i := range left {
		order[i] = i
	}
	for i := range k { // Fisher and Yates, as far as needed
		j := i + c.service.IntN(left-i)
		order[i], order[j] = order[j], order[i]
		indexes[i] = order[i]
		if len(tried) > 0 {
			indexes[i] = nth(c.endpoints, tried, order[i])
		}
	}
	return indexes
}

func untried(endpoints, tried []*Endpoint) (n int) {
	for _, e := range endpoints {
		if !slices.Contains(tried, e) {
			n++
		}
	}
	return n
}

// nth returns the index of the untried endpoint before which there are i
// others.
func nth(endpoints, tried []*Endpoint, i int) int {
	for k, e := range endpoints {
		if slices.Contains(tried, e) {
			continue
		}
		if i == 0 {
			return k
		}
		i--
	}
	return 0
}

// noEndpoints is the picker of an empty set.
func noEndpoints(PickInfo) (*Endpoint, error) { return nil, ErrNoEndpoints }
