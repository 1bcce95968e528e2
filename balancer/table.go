package balancer

import (
	"math"
	"math/bits"
	"slices"
)

// A table is whose the slots are. It is never changed.
type table struct {
	nodes   []*node
	weights []uint32
	slots   []uint32 // indexes of nodes
}

// tableOf returns the table of a roster, one in use if it is the same.
func tableOf(r roster, size int) *table {
	for size < len(r.nodes) { // somebody would have none
		size = prime(2 * size)
	}
	for t := range r.state.tables.all {
		if len(t.slots) == size && slices.Equal(t.nodes, r.nodes) && slices.Equal(t.weights, r.weights) {
			return t
		}
	}
	t := &table{nodes: r.nodes, weights: r.weights, slots: make([]uint32, size)}
	t.fill()
	r.state.tables.add(t)
	return t
}

// fill has the nodes take slots in turns, each the first free one of its
// permutation.
func (t *table) fill() {
	size := uint32(len(t.slots))
	paths := make([]path, len(t.nodes))
	for i, n := range t.nodes {
		paths[i].slot = uint32(n.hash % uint64(size))
		paths[i].skip = uint32(rehash(n.hash, 1)%uint64(size-1)) + 1 // never 0
	}
	turns := turnsOf(t.weights)
	free := make([]uint64, size/64+1) // a bit for each slot
	for i := range free {
		free[i] = math.MaxUint64
	}
	free[size/64] = 1<<(size%64) - 1
	left, few := size, few(size)
	var last []uint32 // the free slots, when few are left
	for round := uint64(1); ; round++ {
		for i := range paths {
			if turns != nil && !turns[i].take(round) {
				continue
			}
			p := &paths[i]
			if left > few {
				p.step(free, size)
			} else {
				if last == nil {
					last = ones(free)
				}
				last = p.jump(last, size)
			}
			free[p.slot/64] &^= 1 << (p.slot % 64)
			t.slots[p.slot] = uint32(i)
			if left--; left == 0 {
				return
			}
		}
	}
}

// A turns is when a node takes its turn: in round t only if t times its weight
// has reached its target, which each turn raises by the greatest weight.
type turns struct{ weight, greatest, target, due uint64 }

// turnsOf returns nil if all take a turn in every round.
func turnsOf(weights []uint32) []turns {
	greatest := slices.Max(weights)
	if slices.Min(weights) == greatest {
		return nil
	}
	list := make([]turns, len(weights))
	for i, w := range weights {
		list[i] = turns{weight: uint64(w), greatest: uint64(greatest)}
	}
	return list
}

// take reports whether it is the node's turn, and takes it.
func (t *turns) take(round uint64) bool {
	if round < t.due {
		return false
	}
	t.target += t.greatest
	t.due = (t.target + t.weight - 1) / t.weight
	return true
}

// A path is a node's permutation of the slots, the ones that it would like best
// first, and where it is there. The slots are skip apart.
type path struct{ slot, skip uint32 }

// step goes on to the first free slot. This is where the time goes. A loop from
// slot to slot would end where no processor can guess it, once a turn, so it
// looks at four at a time, none of which depends on what another is like.
func (p *path) step(free []uint64, size uint32) {
	modulus, less := int64(size), int64(p.skip)-int64(size)
	for slot := int64(p.slot); ; {
		a := slot
		b := a + less
		b += modulus & (b >> 63) // where it has become negative
		c := b + less
		c += modulus & (c >> 63)
		d := c + less
		d += modulus & (d >> 63)
		found := bit(free, a) | bit(free, b)<<1 | bit(free, c)<<2 | bit(free, d)<<3
		if found != 0 {
			ahead := [4]int64{a, b, c, d}
			p.slot = uint32(ahead[bits.TrailingZeros64(found)%4])
			return
		}
		slot = d + less
		slot += modulus & (slot >> 63)
	}
}

func bit(words []uint64, i int64) uint64 { return words[uint64(i)/64] >> (uint64(i) % 64) & 1 }

// few is how many free slots there must be left for it to be quicker to look at
// each, in jump, than to step over those that are taken. Half of all steps
// would be for them.
func few(size uint32) uint32 { return uint32(math.Sqrt(float64(size))) }

// jump goes on to that of the free slots which would be reached first, and
// takes it out of them. A slot is (slot − p.slot) / skip steps ahead, in the
// arithmetic modulo size, which is a prime. Only which is the least matters, so
// the remainder is left as a fraction of 2^64, exact to 2^25.
func (p *path) jump(free []uint32, size uint32) []uint32 {
	fraction, _ := bits.Div64(uint64(inverse(p.skip, size)), 0, uint64(size))
	fraction++ // rounded up, or no step at all would look like a full turn
	best, least := 0, uint64(math.MaxUint64)
	for i, slot := range free {
		ahead := uint64(slot) + uint64(size) - uint64(p.slot)
		if steps := ahead * fraction; steps < least {
			best, least = i, steps
		}
	}
	p.slot = free[best]
	free[best] = free[len(free)-1]
	return free[:len(free)-1]
}

// ones returns which bits are set.
func ones(words []uint64) (list []uint32) {
	for i, word := range words {
		for ; word != 0; word &= word - 1 {
			list = append(list, uint32(i*64+bits.TrailingZeros64(word)))
		}
	}
	return list
}

// inverse returns the number whose product with x is 1 modulo a prime, by
// Euclid's algorithm.
func inverse(x, prime uint32) uint32 {
	a, b := int64(prime), int64(x)
	s, t := int64(0), int64(1)
	for b > 1 {
		q := a / b
		a, b = b, a-q*b
		s, t = t, s-q*t
	}
	if t < 0 {
		t += int64(prime)
	}
	return uint32(t)
}
