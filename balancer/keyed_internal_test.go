package balancer

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
)

// What is FNV-1a is as published; what is behind it, as in splitmix64 with
// seeds 0 and 1234567, whose first numbers are these.
func TestHashIsTheSameForever(t *testing.T) {
	assert.Equal(t, mix(0xcbf29ce484222325), hashOf(""))
	assert.Equal(t, mix(0xaf63dc4c8601ec8c), hashOf("a"))
	assert.Equal(t, mix(0x85944171f73967e8), hashOf("foobar"))
	assert.Equal(t, uint64(0xe220a8397b1dcdaf), rehash(0, 1))
	assert.Equal(t, uint64(6457827717110365317), rehash(1234567, 1))
	assert.Equal(t, uint64(3203168211198807973), rehash(1234567, 2))
}

// A bit of a name that changes changes each bit of its hash with a probability
// of a half: over 4000 names, 2000 times give or take 32 (the standard
// deviation). Six times that is 190; seven and more is never seen in 64 · 64
// cells.
func TestHashAvalanches(t *testing.T) {
	const names, size = 4000, 8
	r := rand.New(rand.NewPCG(1, 2))
	var flips [size * 8][64]int
	for range names {
		name := make([]byte, size)
		for i := range name {
			name[i] = byte(r.Uint32())
		}
		h := hashOf(string(name))
		for bit := range flips {
			name[bit/8] ^= 1 << (bit % 8)
			for d := h ^ hashOf(string(name)); d != 0; d &= d - 1 {
				flips[bit][bits.TrailingZeros64(d)]++
			}
			name[bit/8] ^= 1 << (bit % 8)
		}
	}
	for bit := range flips {
		for out, n := range flips[bit] {
			assert.InDelta(t, names/2, n, 220, "bit %d to bit %d", bit, out)
		}
	}
}

func rosterOf(weights ...uint32) roster {
	service := new(Service)
	set := make([]*Endpoint, len(weights))
	for i, w := range weights {
		set[i] = service.NewEndpoint(discovery.Instance{Addr: fmt.Sprintf("10.0.0.%d:80", i), Weight: w})
	}
	return enroll(Set{Available: set})
}

// The ring that a change derives is the one that is built from nothing, whatever
// other rings are in use.
func TestDerivedRingsAreAsNew(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	service := new(Service)
	var all []*Endpoint
	for i := range 60 {
		all = append(all, service.NewEndpoint(discovery.Instance{Addr: fmt.Sprintf("10.0.0.%d:80", i)}))
	}
	inUse := make([]*ring, 5)
	for i := range 200 {
		var set []*Endpoint
		for _, e := range all {
			if r.IntN(20) == 0 {
				in := e.Instance()
				in.Weight = uint32(1 + r.IntN(3))
				e.SetInstance(in)
			}
			if r.IntN(10) > i%3 {
				set = append(set, e)
			}
		}
		roster := enroll(Set{Available: set})
		got := ringOf(roster, 20+i%2)
		want := new(ring).derive(&roster, ringCounts(roster.weights, 20+i%2))
		require.Equal(t, want.points, got.points)
		require.Equal(t, want.starts, got.starts)
		require.True(t, slices.IsSorted(got.points))
		assert.Same(t, got, ringOf(roster, 20+i%2), "the same set has the same ring")
		inUse[i%len(inUse)] = got
	}
}

// The index finds what a binary search does.
func TestRingAfter(t *testing.T) {
	for n := range 40 {
		weights := make([]uint32, 1+n)
		for i := range weights {
			weights[i] = 1
		}
		for _, points := range []int{1, 2, 160} {
			g := ringOf(rosterOf(weights...), points)
			r := rand.New(rand.NewPCG(5, uint64(n)))
			for range 1000 {
				h := r.Uint64()
				want, _ := slices.BinarySearch(g.points, h&^indexMask)
				require.Equal(t, want, g.after(h))
			}
			for i, p := range g.points {
				require.Equal(t, i, g.after(p|indexMask), "a key at a point belongs to it")
			}
			assert.Equal(t, len(g.points), g.after(1<<64-1))
		}
	}
}

// Points are fixed for each endpoint, and in proportion to weights.
func TestRingCounts(t *testing.T) {
	for _, c := range []struct {
		weights []uint32
		want    []int
	}{
		{[]uint32{1}, []int{160}},
		{[]uint32{1, 1, 1}, []int{160, 160, 160}},
		{[]uint32{2, 2}, []int{160, 160}},
		{[]uint32{100, 100}, []int{125, 125}}, // of 128
		{[]uint32{1, 1, 1, 2}, []int{160, 160, 160, 320}},
		{[]uint32{1, 3}, []int{80, 240}},
		{[]uint32{1, 1 << 31}, []int{1, 320}},
		{[]uint32{1<<32 - 1, 1<<32 - 1}, []int{160, 160}},
	} {
		assert.Equal(t, c.want, ringCounts(c.weights, 160), "%v", c.weights)
	}
}

func TestSortPoints(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 7))
	for _, n := range []int{1, 2, 999, 1000, 1001, 50_000} {
		points := make([]uint64, n)
		for i := range points {
			points[i] = r.Uint64()
		}
		want := slices.Sorted(slices.Values(points))
		sortPoints(points)
		assert.Equal(t, want, points)
	}
}

// The table is that of the paper, and of Envoy where weights differ, done
// without any of the tricks.
func TestTableIsMaglevs(t *testing.T) {
	for _, c := range []struct {
		size    int
		weights []uint32
	}{
		{7, []uint32{1, 1, 1}},
		{251, []uint32{1}},
		{251, []uint32{1, 2, 3, 4, 5}},
		{1021, []uint32{1, 1, 1, 1, 1, 1, 1}},
		{1021, []uint32{1, 1000, 1<<32 - 1}},
		{65537, []uint32{7, 7, 7, 1, 30}},
		// The last come to the first slot of theirs when few are left, and some find it free.
		{101, slices.Repeat([]uint32{1}, 101)},
		{103, slices.Repeat([]uint32{1}, 103)},
		{107, slices.Repeat([]uint32{1}, 107)},
		{109, slices.Repeat([]uint32{1}, 109)},
		{251, slices.Repeat([]uint32{1}, 251)},
		{509, slices.Repeat([]uint32{1}, 509)},
		{1021, slices.Repeat([]uint32{1}, 1021)},
	} {
		r := rosterOf(c.weights...)
		want := make([]uint32, c.size)
		for i := range want {
			want[i] = 1 << 31 // free
		}
		most := uint64(slices.Max(c.weights))
		targets, next := make([]uint64, len(c.weights)), make([]uint64, len(c.weights))
		left := c.size
		for round := uint64(1); left > 0; round++ {
			for i, n := range r.nodes {
				if left == 0 || round*uint64(r.weights[i]) < targets[i] {
					continue
				}
				targets[i] += most
				m := uint64(c.size)
				offset, skip := n.hash%m, rehash(n.hash, 1)%(m-1)+1
				for ; want[(offset+next[i]*skip)%m] != 1<<31; next[i]++ {
				}
				want[(offset+next[i]*skip)%m] = uint32(i)
				left--
			}
		}
		require.Equal(t, want, tableOf(r, c.size).slots, "%+v", c)
	}
}

func TestTableHasASlotForEverybody(t *testing.T) {
	weights := make([]uint32, 20)
	for i := range weights {
		weights[i] = 1
	}
	slots := tableOf(rosterOf(weights...), 7).slots
	assert.Len(t, slots, 37) // 7, 17, 37
	for i := range weights {
		assert.Contains(t, slots, uint32(i))
	}
}

func TestInverse(t *testing.T) {
	for _, p := range []uint32{2, 3, 7, 65537} {
		for x := uint32(1); x < p; x++ {
			require.Equal(t, uint64(1), uint64(x)*uint64(inverse(x, p))%uint64(p))
		}
	}
}

func TestPrime(t *testing.T) {
	for n, want := range map[int]int{-1: 2, 0: 2, 1: 2, 2: 2, 4: 5, 8: 11, 9: 11, 65536: 65537, 65537: 65537, 1_000_000: 1_000_003} {
		assert.Equal(t, want, prime(n))
	}
}

// What no picker uses any more is not kept.
func TestKeptIsBounded(t *testing.T) {
	var k kept[table]
	var inUse []*table
	for range 3 * maxKept {
		v := new(table)
		inUse = append(inUse, v)
		k.add(v)
		assert.LessOrEqual(t, len(k.values), maxKept)
	}
	for v := range k.all {
		assert.Same(t, inUse[len(inUse)-1], v, "the latest first")
		break
	}
}
