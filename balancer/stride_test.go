package balancer

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// counts takes whole rounds, after which the shares are exact.
func (s *stride) counts(weights int) []int {
	counts := make([]int, weights)
	for turn := range uint64(strideUnit * len(s.scaled)) {
		if i, ok := s.at(turn); ok {
			counts[i]++
		}
	}
	return counts
}

func TestStrideSharesByWeight(t *testing.T) {
	for name, weights := range map[string][]float64{
		"one":           {7},
		"alike":         {3, 3, 3},
		"one to five":   {1, 2, 3, 4, 5},
		"fractions":     {0.001, 0.002, 0.0015},
		"one of many":   append(slices.Repeat([]float64{1}, 99), 100),
		"few of many":   append(slices.Repeat([]float64{1}, 50), 300, 20, 1000, 5),
		"all but one":   {1e9, 1e9, 1e9, 2e9},
		"huge":          {1e300, 3e300},
		"registry's":    {math.MaxUint32, math.MaxUint32 / 2, math.MaxUint32 / 4},
		"tiny and huge": {1, math.MaxUint32},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStride(weights, new(sequence))
			counts := s.counts(len(weights))
			var sum, total float64
			for i, w := range weights {
				sum += w / weights[0]
				total += float64(counts[i])
			}
			for i, w := range weights {
				// Each entry's share of the rounds is rounded by half a unit, and
				// raised to one.
				entries := 0
				for k := range s.scaled {
					if s.of(k) == i {
						entries++
					}
				}
				want := total * w / weights[0] / sum
				assert.InDelta(t, want, counts[i], float64(entries)+want*float64(len(s.scaled))/total+1, "%d of %d", i, len(weights))
			}
		})
	}
}

func TestStrideTakesAnUnknownWeightForTheMean(t *testing.T) {
	for _, unknown := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		s := newStride([]float64{10, unknown, 30}, new(sequence))
		assert.Equal(t, []uint16{strideUnit / 3, 2 * strideUnit / 3, strideUnit}, s.scaled)
		s = newStride([]float64{unknown, unknown}, new(sequence))
		assert.Equal(t, []uint16{strideUnit, strideUnit}, s.scaled)
	}
}

// An entry weighs at most twice the mean of the weights, so at most two of
// three turns are skipped, for there are half as many entries more at most.
func TestStrideSkipsFewTurns(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		weights := make([]float64, 1+r.IntN(300))
		for i := range weights {
			weights[i] = math.Exp(r.NormFloat64() * 3 * r.Float64())
		}
		s := newStride(weights, new(sequence))
		require.LessOrEqual(t, len(s.scaled), len(weights)+len(weights)/2)
		sum := 0.0
		for _, w := range s.scaled {
			sum += float64(w)
		}
		require.LessOrEqual(t, strideUnit*float64(len(s.scaled))/sum, 3.01, "turns a pick")
	}
}

// A weight of 100 among 100 of 1 is every second pick, and not a hundred in a
// row.
func TestStrideSpreadsAHeavyWeight(t *testing.T) {
	s := newStride(append([]float64{100}, slices.Repeat([]float64{1}, 100)...), new(sequence))
	since, longest := 0, 0
	for range 10_000 {
		if s.next() == 0 {
			since = 0
		} else {
			since++
		}
		longest = max(longest, since)
	}
	assert.LessOrEqual(t, longest, 6, "picks in a row of others, half of all being others")
}

// A stride goes on where the one before has stopped.
func TestStrideGoesOn(t *testing.T) {
	turn := new(sequence)
	turn.begin(new(Service))
	begun := turn.n.Load()
	assert.Positive(t, begun)
	turn.begin(new(Service))
	assert.Equal(t, begun, turn.n.Load(), "it begins once")
	weights := []float64{1, 1, 1}
	var picked []int
	for range 6 {
		picked = append(picked, newStride(weights, turn).next())
	}
	assert.Equal(t, picked[:3], picked[3:])
	assert.ElementsMatch(t, []int{0, 1, 2}, picked[:3])
}

// nginx is smooth weighted round robin as it is usually written.
func nginx(weights []uint64, picks int) []int32 {
	credit := make([]int64, len(weights))
	var picked []int32
	for range picks {
		best, sum := 0, int64(0)
		for i, w := range weights {
			credit[i] += int64(w)
			sum += int64(w)
			if credit[i] > credit[best] {
				best = i
			}
		}
		credit[best] -= sum
		picked = append(picked, int32(best))
	}
	return picked
}

func TestSmoothIsTheOrderOfNginx(t *testing.T) {
	assert.Equal(t, []int32{0, 0, 1, 0, 2, 0, 0}, smooth([]uint64{5, 1, 1}))
	assert.Equal(t, []int32{0, 0, 1, 0, 2, 0, 0}, smooth([]uint64{500, 100, 100}), "over the greatest common divisor")
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		weights := make([]uint64, 1+r.IntN(30))
		for i := range weights {
			weights[i] = uint64(1 + r.IntN(1+r.IntN(20)))
		}
		order := smooth(weights)
		require.Equal(t, nginx(weights, len(order)), order, "%v", weights)
		counts := make([]uint64, len(weights))
		for _, i := range order {
			counts[i]++
		}
		for i := range counts {
			require.Equal(t, weights[i]*counts[0], counts[i]*weights[0], "exact over the period")
		}
	}
}

func TestSmoothGivesUpWhereItTakesLong(t *testing.T) {
	assert.Len(t, smooth([]uint64{4095, 1}), 4096)
	assert.Nil(t, smooth([]uint64{4096, 1}))
	assert.Nil(t, smooth([]uint64{math.MaxUint32, 1}))
	assert.Len(t, smooth(slices.Repeat([]uint64{7}, 4096)), 4096)
	different := make([]uint64, 80) // 3240 turns of 80 steps each
	for i := range different {
		different[i] = uint64(i + 1)
	}
	assert.Nil(t, smooth(different))
}
