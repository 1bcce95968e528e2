package balancer

import (
	"math"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
)

// turns counts how often each comes up in so many picks.
func turns(s *stride, picks int) []int {
	var sequence atomic.Uint64
	counts := make([]int, len(s.scaled))
	for range picks {
		counts[s.pick(&sequence)]++
	}
	return counts
}

func TestStrideFollowsWeights(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		weights, want []float64 // shares
	}{
		{[]float64{1, 2, 3}, []float64{1. / 6, 2. / 6, 3. / 6}},
		{[]float64{5}, []float64{1}},
		{[]float64{0, 0}, []float64{1. / 2, 1. / 2}},
		{[]float64{7, 0}, []float64{1. / 2, 1. / 2}},                // fewer than two are known
		{[]float64{1, 0, 3}, []float64{1. / 6, 2. / 6, 3. / 6}},     // unknown: the mean
		{[]float64{1, nan, inf, -2}, []float64{.25, .25, .25, .25}}, // one is known
		{[]float64{1, 3, nan, -2}, []float64{1. / 8, 3. / 8, .25, .25}},
		{[]float64{1e-9, 1, 1}, []float64{1. / 31, 15. / 31, 15. / 31}}, // a tenth of the mean, 2/3
		{[]float64{math.MaxFloat64, 1, 1}, []float64{3 / 3.2, .1 / 3.2, .1 / 3.2}},
	} {
		for i, n := range turns(newStride(c.weights), 60_000) {
			assert.InDelta(t, c.want[i]*60_000, n, 20, "%v", c.weights)
		}
	}
}

// Round robin is exact, in every round.
func TestStrideOfEqualsIsRoundRobin(t *testing.T) {
	for _, weights := range [][]float64{{2, 2, 2, 2, 2}, {0, 0, 0, 0, 0}, {0, 0, 9, 0, 0}} {
		s := newStride(weights)
		var sequence atomic.Uint64
		for turn := range 50 {
			assert.Equal(t, (turn+1)%5, s.pick(&sequence))
		}
	}
}

// What has five times the weight comes five times between two turns of the
// other, and not fifty times between ten.
func TestStrideIsEven(t *testing.T) {
	s := newStride([]float64{1, 5})
	var sequence atomic.Uint64
	run, longest := 0, 0
	for range 6000 {
		if run++; s.pick(&sequence) == 0 {
			longest, run = max(longest, run-1), 0
		}
	}
	assert.LessOrEqual(t, longest, 6)
	assert.GreaterOrEqual(t, longest, 4)
}

// The sequence goes on in the next schedule, and may do so anywhere.
func TestStrideEndsWhereverTheSequenceIs(t *testing.T) {
	s := newStride([]float64{1, 1, 1, 1e9})
	for _, at := range []uint64{0, 1, 1 << 48, math.MaxUint64 - 100} {
		var sequence atomic.Uint64
		sequence.Store(at)
		for range 300 {
			before := sequence.Load()
			s.pick(&sequence)
			assert.LessOrEqual(t, sequence.Load()-before, uint64(8), "within two rounds, even where it wraps")
		}
	}
}

// Those of equal weight do not all skip the same rounds: between two turns of
// one of full weight there are always some of half the weight.
func TestStrideMixesEquals(t *testing.T) {
	s := newStride([]float64{1, 1, 1, 1, 2})
	var sequence atomic.Uint64
	last := -1
	for range 3000 {
		i := s.pick(&sequence)
		assert.False(t, i == 4 && last == 4)
		last = i
	}
}
