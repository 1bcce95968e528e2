package balancer

import (
	"cmp"
	"slices"
	"weak"
)

// A roster is a set as the policies that hash see it: all endpoints, available
// or not, in the order of their keys. What is built of it is the same wherever
// the set is the same, and does not change with the endpoints' health.
type roster struct {
	state     *hashing
	nodes     []*node
	weights   []uint32
	available []*Endpoint // those of the nodes; nil for who must not be picked
}

// A node is what hashing keeps on an endpoint.
type node struct {
	hash   uint64 // of the endpoint's key; 0 if not yet known
	roster uint64 // the latest that it is in
	index  int    // there
}

// hashing is what hashing keeps on a service. Policies are never called
// concurrently for one, so there is no lock.
type hashing struct {
	rosters uint64 // so far
	rings   kept[ring]
	tables  kept[table]
}

var (
	nodes    = NewKey[node]()
	hashings = NewKey[hashing]()
)

// enroll returns the roster of a set, some of which is available.
func enroll(set Set) roster {
	state := hashings.OfService(set.Available[0].service)
	state.rosters++
	all := make([]*Endpoint, 0, max(len(set.All), len(set.Available)))
	for _, endpoints := range [][]*Endpoint{set.All, set.Available} { // a wrapper may have made a set of its own
		for _, e := range endpoints {
			if n := nodes.Of(e); n.roster != state.rosters {
				n.roster = state.rosters
				all = append(all, e)
			}
		}
	}
	byKey := func(a, b *Endpoint) int { return cmp.Compare(a.Key(), b.Key()) }
	if !slices.IsSortedFunc(all, byKey) {
		slices.SortFunc(all, byKey)
	}
	r := roster{state, make([]*node, len(all)), make([]uint32, len(all)), make([]*Endpoint, len(all))}
	for i, e := range all {
		n := nodes.Of(e)
		if n.hash == 0 {
			n.hash = hashOf(e.Key())
		}
		n.index = i
		r.nodes[i], r.weights[i] = n, e.Weight()
	}
	for _, e := range set.Available {
		r.available[nodes.Of(e).index] = e
	}
	return r
}

// kept remembers what the pickers in use were built of, so that the next need
// not be built from nothing. There can be several at a time, over different
// sets, where policies wrap policies. What no picker uses any more is not kept.
type kept[T any] struct{ values []weak.Pointer[T] }

// maxKept bounds how many there are to look through.
const maxKept = 16

func (k *kept[T]) add(v *T) {
	k.values = slices.DeleteFunc(k.values, func(p weak.Pointer[T]) bool { return p.Value() == nil })
	if len(k.values) == maxKept {
		k.values = slices.Delete(k.values, 0, 1)
	}
	k.values = append(k.values, weak.Make(v))
}

// all calls yield with each, the latest first, until it returns false.
func (k *kept[T]) all(yield func(*T) bool) {
	for _, p := range slices.Backward(k.values) {
		if v := p.Value(); v != nil && !yield(v) {
			return
		}
	}
}
