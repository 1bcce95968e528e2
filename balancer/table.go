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

// A turn is where a node is in its permutation of the slots: the ones that it
// would like best, one after the other, skip apart.
type turn struct {
	slot, skip uint32
	due        uint64 // the round in which it may take another
	target     uint64 // weight times round must have reached this
}

// fill has the nodes take slots in turns, each the first free one of its
// permutation. In round t a node takes its turn only if t times its weight has
// reached its target, which every turn raises by the greatest weight.
func (t *table) fill() {
	size := uint32(len(t.slots))
	turns := make([]turn, len(t.nodes))
	for i, n := range t.nodes {
		turns[i].slot = uint32(n.hash % uint64(size))
		turns[i].skip = uint32(rehash(n.hash, 1)%uint64(size-1)) + 1 // never 0
	}
	most := uint64(slices.Max(t.weights))
	taken := make([]uint64, size/64+1)
	left := int(size)
	var free []uint32 // when few are left
	for round := uint64(1); ; round++ {
		for i := range turns {
			m := &turns[i]
			if m.due > round {
				continue
			}
			m.due = round + 1
			if w := uint64(t.weights[i]); w < most {
				m.target += most
				m.due = (m.target + w - 1) / w
			}
			if left > few(size) {
				slot, skip := m.slot, m.skip
				for taken[slot/64]>>(slot%64)&1 != 0 {
					if slot += skip; slot >= size {
						slot -= size
					}
				}
				m.slot = slot
			} else {
				if free == nil {
					free = freeSlots(taken, size)
				}
				free = m.nearest(free, size)
			}
			taken[m.slot/64] |= 1 << (m.slot % 64)
			t.slots[m.slot] = uint32(i)
			if left--; left == 0 {
				return
			}
		}
	}
}

// few is how many slots must be left for it to be quicker to ask for each how
// far it is than to step from one taken slot to the next.
func few(size uint32) int { return int(math.Sqrt(float64(size)) / 2) }

func freeSlots(taken []uint64, size uint32) []uint32 {
	var free []uint32
	for i, word := range taken {
		for word = ^word; word != 0; word &= word - 1 {
			if slot := uint32(i*64 + bits.TrailingZeros64(word)); slot < size {
				free = append(free, slot)
			}
		}
	}
	return free
}

// nearest moves on to that of the free slots which comes first in the
// permutation, and takes it out of them. A slot is (slot − m.slot) / skip steps
// away, in the arithmetic modulo size, which is a prime.
func (m *turn) nearest(free []uint32, size uint32) []uint32 {
	inverse := inverse(m.skip, size)
	best, steps := 0, uint64(math.MaxUint64)
	for i, slot := range free {
		ahead := uint64(slot) + uint64(size) - uint64(m.slot)
		if s := ahead * uint64(inverse) % uint64(size); s < steps {
			best, steps = i, s
		}
	}
	m.slot = free[best]
	free[best] = free[len(free)-1]
	return free[:len(free)-1]
}

// inverse returns the number by which x is 1 modulo a prime, by Euclid's
// algorithm.
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
