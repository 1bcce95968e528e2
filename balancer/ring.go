package balancer

import (
	"math"
	"math/bits"
	"slices"
)

// The low bits of a point say whose it is. The others are its place on the
// ring: 40 bits, in which a million points hardly ever meet.
const (
	indexBits = 24
	indexMask = 1<<indexBits - 1
)

// A ring is where everyone's points are. It is never changed.
type ring struct {
	nodes  []*node
	counts []int    // of each one's points
	points []uint64 // ascending, so that of two in one place the lesser key's is first

	// starts has the index of the first point of each of equal parts of the
	// ring, in which there are four to eight on average.
	starts []uint32
	shift  int // of a hash, for the part that it is in
}

// ringOf returns the ring of a roster: one in use, or one made of that in use
// which is the most like it, so that a change costs what it changes.
func ringOf(r roster, points int) *ring {
	counts := ringCounts(r.weights, points)
	base, common := new(ring), 0
	for other := range r.state.rings.all {
		if n := other.common(&r, counts); n > common || n == common && len(other.nodes) < len(base.nodes) {
			base, common = other, n
		}
		if common == len(counts) && len(base.nodes) == common {
			return base
		}
	}
	made := base.derive(&r, counts)
	r.state.rings.add(made)
	return made
}

// stays reports whether the points of the ring's ith node are the same in the
// ring of a roster.
func (g *ring) stays(i int, r *roster, counts []int) bool {
	n := g.nodes[i]
	return n.roster == r.state.rosters && counts[n.index] == g.counts[i]
}

// common returns how many nodes a ring has in common with that of a roster.
func (g *ring) common(r *roster, counts []int) (n int) {
	for i := range g.nodes {
		if g.stays(i, r, counts) {
			n++
		}
	}
	return n
}

// derive makes the ring of a roster out of another.
func (g *ring) derive(r *roster, counts []int) *ring {
	const gone = -1
	indexes := make([]int64, len(g.nodes)) // in the new ring
	isNew := make([]bool, len(counts))
	for i := range isNew {
		isNew[i] = true
	}
	for i, n := range g.nodes {
		indexes[i] = gone
		if g.stays(i, r, counts) {
			indexes[i] = int64(n.index)
			isNew[n.index] = false
		}
	}
	var added []uint64
	total := 0
	for i, n := range r.nodes {
		total += counts[i]
		if isNew[i] {
			for k := range counts[i] {
				added = append(added, rehash(n.hash, k+1)&^indexMask|uint64(i))
			}
		}
	}
	sortPoints(added)

	points, k := make([]uint64, total), 0
	next := func() uint64 { // in case there is no other, it goes after all
		if len(added) == 0 {
			return math.MaxUint64
		}
		return added[0]
	}
	first := next()
	for _, p := range g.points {
		index := indexes[p&indexMask]
		if index == gone {
			continue
		}
		p = p&^indexMask | uint64(index) // keeps the order: both are in that of the keys
		for first < p {
			points[k] = first
			k++
			added = added[1:]
			first = next()
		}
		points[k] = p
		k++
	}
	copy(points[k:], added)
	made := &ring{nodes: r.nodes, counts: counts, points: points}
	made.index()
	return made
}

// index makes starts.
func (g *ring) index() {
	width := max(1, bits.Len(uint(len(g.points)))-3)
	g.shift = 64 - width
	g.starts = make([]uint32, 1<<width)
	shift, next := uint(g.shift)&63, uint64(0)
	for i, p := range g.points {
		for p>>shift >= next {
			g.starts[next] = uint32(i)
			next++
		}
	}
	for ; next < uint64(len(g.starts)); next++ {
		g.starts[next] = uint32(len(g.points))
	}
}

// after returns the index of the first point at or after a hash, which may be
// one too high.
func (g *ring) after(h uint64) int {
	i := int(g.starts[h>>g.shift])
	for h &^= indexMask; i < len(g.points) && g.points[i] < h; i++ {
	}
	return i
}

// sortPoints sorts hashes in linear time: it throws each into the part where it
// must be about, and then hardly anything is out of order.
func sortPoints(points []uint64) {
	if len(points) < 1000 {
		slices.Sort(points)
		return
	}
	shift := 64 - bits.Len(uint(len(points)))
	ends := make([]uint32, 1<<(64-shift))
	for _, p := range points {
		ends[p>>shift]++
	}
	var sum uint32
	for i, n := range ends {
		ends[i] = sum
		sum += n
	}
	parts := make([]uint64, len(points))
	for _, p := range points {
		parts[ends[p>>shift]] = p
		ends[p>>shift]++
	}
	start := uint32(0)
	for _, end := range ends {
		slices.Sort(parts[start:end])
		start = end
	}
	copy(points, parts)
}
