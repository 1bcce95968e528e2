package balancer

import (
	"math"
	"slices"
)

// A RendezvousConfig says how [Rendezvous] picks. The zero value is ready to
// use.
type RendezvousConfig struct {
	// Bound is how many times its share of the calls in flight an endpoint may
	// have: see [RingHashConfig].
	Bound float64

	// Fallback picks for calls without a key: see [RingHashConfig]. Default:
	// ShortestExpectedDelay.
	Fallback Policy
}

// Rendezvous picks by key. Each endpoint draws a number for the key, by a hash
// of both, and the highest has it:
//
//	−weight / ln u,  0 < u < 1
//
// It is exact where the others approximate: shares are those of the weights,
// and when an endpoint comes, goes, is ejected or changes its weight, only
// those keys move which must. There is no table. In return a pick looks at
// every endpoint, in 2 to 3 ns, or 10 to 20 where weights differ: it is the best
// choice up to about a hundred of them, and good to a thousand.
//
// Keys, retries, unavailable endpoints and bounds are as with [RingHash].
//
// The rule is Thaler's and Ravishankar's (1998), the weights are after Schindler
// and Schomaker (2005). Building costs O(n).
func Rendezvous(cfg RendezvousConfig) Policy {
	// There is no need to probe: the next in a key's order is as random.
	return hashPolicy(cfg.Fallback, cfg.Bound, 0, func(_ roster, rest *rendezvous) order { return rest })
}

// A rendezvous is the order of the endpoints that are available by what they
// draw for a hash.
type rendezvous struct {
	endpoints []*Endpoint
	hashes    []uint64
	weights   []float64 // nil if they are alike
}

func newRendezvous(r roster) *rendezvous {
	n := len(r.nodes)
	p := &rendezvous{endpoints: make([]*Endpoint, 0, n), hashes: make([]uint64, 0, n)}
	weights, alike := make([]float64, 0, n), true
	for i, e := range r.available {
		if e == nil {
			continue
		}
		p.endpoints = append(p.endpoints, e)
		p.hashes = append(p.hashes, r.nodes[i].hash)
		weights = append(weights, float64(r.weights[i]))
		alike = alike && weights[0] == weights[len(weights)-1]
	}
	if !alike {
		p.weights = weights
	}
	return p
}

func (p *rendezvous) first(h uint64, tried []*Endpoint) *Endpoint {
	return p.firstWith(room(math.Inf(1)), h, tried)
}

// firstWith returns the first that has room, or nil if none has. What is costly
// to know is only asked of those that would win.
func (p *rendezvous) firstWith(room room, h uint64, tried []*Endpoint) (first *Endpoint) {
	may := func(e *Endpoint) bool { return !slices.Contains(tried, e) && room.in(e) }
	if p.weights == nil {
		var highest uint64
		for i, eh := range p.hashes {
			if d := draw(h, eh); (d > highest || first == nil) && may(p.endpoints[i]) {
				first, highest = p.endpoints[i], d
			}
		}
		return first
	}
	var highest float64
	for i, eh := range p.hashes {
		u := (float64(draw(h, eh)) + 0.5) / (1 << 52)
		if score := -p.weights[i] / math.Log(u); score > highest && may(p.endpoints[i]) {
			first, highest = p.endpoints[i], score
		}
	}
	return first
}

// draw returns what an endpoint draws for a hash: 52 bits, so that a half more
// is a number for a float64 too, and 1 is never reached.
func draw(h, endpoint uint64) uint64 { return mix(h^endpoint) >> 12 }
