package balancer

import (
	"cmp"
	"slices"
)

// A part of a set, of endpoints that have something in common.
type part[K cmp.Ordered] struct {
	key K
	Set
}

// fewParts is up to how many parts are found faster by looking at each.
const fewParts = 8

// divide takes a set apart by what a function says of each endpoint. The parts
// are ordered by that, the endpoints in them as in the set.
func divide[K cmp.Ordered](set Set, of func(*Endpoint) K) []part[K] {
	var parts []part[K]
	index := make(map[K]int)
	find := func(key K) int {
		for i := range min(len(parts), fewParts) {
			if parts[i].key == key {
				return i
			}
		}
		if i, ok := index[key]; ok {
			return i
		}
		index[key] = len(parts)
		parts = append(parts, part[K]{key: key})
		return len(parts) - 1
	}
	in := make([]int, len(set.listed()))
	for i, e := range set.listed() {
		in[i] = find(of(e))
	}
	for i, s := range set.parts(in, len(parts)) {
		parts[i].Set = s
	}
	slices.SortFunc(parts, func(a, b part[K]) int { return cmp.Compare(a.key, b.key) })
	return parts
}

// halve takes a set apart: into the endpoints of which a function says yes, and
// the others.
func (s Set) halve(is func(i int, e *Endpoint) bool) (yes, no Set) {
	in := make([]int, len(s.listed()))
	for i, e := range s.listed() {
		if !is(i, e) {
			in[i] = 1
		}
	}
	halves := s.parts(in, 2)
	return halves[0], halves[1]
}

// parts takes a set apart into n, given the number of that in which each listed
// endpoint is.
func (s Set) parts(in []int, n int) []Set {
	type size struct{ all, available int }
	sizes := make([]size, n)
	available := s.availability()
	for i, k := range in {
		sizes[k].all++
		if available[i] {
			sizes[k].available++
		}
	}
	parts := make([]Set, n)
	for k, n := range sizes { // in one piece: appending would copy
		parts[k].All = make([]*Endpoint, 0, n.all)
		parts[k].Available = make([]*Endpoint, 0, n.available)
	}
	for i, e := range s.listed() {
		p := &parts[in[i]]
		p.All = append(p.All, e)
		if available[i] {
			p.Available = append(p.Available, e)
		}
	}
	return parts
}

// listed returns All, or, if a set does not say, Available.
func (s Set) listed() []*Endpoint {
	if len(s.All) < len(s.Available) {
		return s.Available
	}
	return s.All
}

// availability says of each endpoint that is listed whether it is available.
func (s Set) availability() []bool {
	all := s.listed()
	available := make([]bool, len(all))
	k := 0
	for i, e := range all { // both have the same order
		if k < len(s.Available) && s.Available[k] == e {
			available[i] = true
			k++
		}
	}
	if k < len(s.Available) { // or have not
		for i, e := range all {
			available[i] = slices.Contains(s.Available, e)
		}
	}
	return available
}

// A split shares the calls out among pickers, each for a group of endpoints.
// Calls of the same key go to the same group for as long as the shares stay.
//
// A retry that finds all of its group tried goes to the others by their shares,
// and at last to those that have no share.
type split struct {
	service *Service
	salt    uint64 // so that what is decided here by a key is decided nowhere else
	groups  []group
}

type group struct {
	picker Picker
	share  float64 // of the sum of all shares
}

// add adds a group, unless it has nothing to offer.
func (p *split) add(share float64, set Set, next Policy) {
	if len(set.Available) > 0 {
		p.groups = append(p.groups, group{next(set), share})
	}
}

// picker returns the split as a picker.
func (p *split) picker() Picker {
	if len(p.groups) == 1 {
		return p.groups[0].picker
	}
	return p
}

func (p *split) Pick(info PickInfo) (*Endpoint, error) {
	at := chance(p.service, info.Key, p.salt)
	i := p.draw(at, nil)
	e, err := p.groups[i].picker.Pick(info)
	if err == nil && (len(info.Tried) == 0 || !slices.Contains(info.Tried, e)) {
		return e, nil
	}
	return p.elsewhere(info, at, i, e, err)
}

// maxSpent is how many groups a pick finds out to have nothing new, before it
// gives up on shares: more than most calls have attempts.
const maxSpent = 16

// elsewhere picks from another group than i, which had nothing new to offer.
func (p *split) elsewhere(info PickInfo, at float64, i int, e *Endpoint, err error) (*Endpoint, error) {
	spent := [maxSpent]int{i}
	ask := func(i int) bool {
		other, fault := p.groups[i].picker.Pick(info)
		if fault != nil {
			return false
		}
		if err != nil {
			e, err = other, nil // if all have been tried, any will do
		}
		if slices.Contains(info.Tried, other) {
			return false
		}
		e = other
		return true
	}
	for n := 1; n < min(len(p.groups), maxSpent); n++ {
		if i = p.draw(at, spent[:n]); ask(i) {
			return e, nil
		}
		spent[n] = i
	}
	for i := range p.groups {
		if len(p.groups) > maxSpent && ask(i) {
			break
		}
	}
	return e, err
}

// draw returns the group at a point from 0 to 1, where all have as much room as
// their share, apart from those that are spent. If no other has a share, it is
// the first. At least one must be left.
func (p *split) draw(at float64, spent []int) int {
	sum, first := 0.0, -1
	for i := range p.groups {
		if !slices.Contains(spent, i) {
			sum += p.groups[i].share
			if first < 0 {
				first = i
			}
		}
	}
	at *= sum
	last := first
	for i := range p.groups {
		share := p.groups[i].share
		if share <= 0 || slices.Contains(spent, i) {
			continue
		}
		if last = i; at < share {
			break
		}
		at -= share
	}
	return last
}

// chance returns a number in [0, 1): at random, or, for a call with a key,
// always the same for the same key and salt.
func chance(service *Service, key string, salt uint64) float64 {
	if key == "" {
		return service.Float64()
	}
	return float64(mix(hashOf(key)^salt)>>11) / (1 << 53)
}

// mustPolicy panics if a wrapper is given nothing to wrap.
func mustPolicy(name string, next Policy) {
	if next == nil {
		panic("balancer: " + name + " of a nil Policy")
	}
}
