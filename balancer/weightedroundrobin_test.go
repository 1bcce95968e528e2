package balancer_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
)

// weighing returns endpoints of one service, one of each weight.
func weighing(weights ...uint32) []*balancer.Endpoint {
	service := new(balancer.Service)
	es := make([]*balancer.Endpoint, len(weights))
	for i, w := range weights {
		es[i] = service.NewEndpoint(discovery.Instance{Addr: fmt.Sprintf("10.0.%03d.%03d:80", i/250, i%250), Weight: w})
	}
	return es
}

// tally counts the picks of each endpoint.
func tally(t *testing.T, p balancer.Picker, picks int, tried ...*balancer.Endpoint) map[*balancer.Endpoint]int {
	t.Helper()
	counts := make(map[*balancer.Endpoint]int)
	for range picks {
		counts[pick(t, p, tried...)]++
	}
	return counts
}

// Weights 5, 1, 1 give a a b a c a a, from anywhere.
func TestWeightedRoundRobinIsSmooth(t *testing.T) {
	es := weighing(5, 1, 1)
	starts := make(map[string]int)
	for range 700 {
		p := balancer.WeightedRoundRobin(setOf(es))
		turns := ""
		for range 14 {
			if pick(t, p) == es[0] {
				turns += "a"
			} else {
				turns += "-"
			}
		}
		require.Contains(t, "aa-a-aaaa-a-aaaa-a-aa", turns)
		require.Equal(t, turns[:7], turns[7:])
		starts[turns]++
	}
	// Of 700, each start has 100, give or take 9.3 (the standard deviation).
	assert.Len(t, starts, 7)
	for turns, n := range starts {
		assert.InDelta(t, 100, n, 60, turns)
	}
}

func TestWeightedRoundRobinIsExactInAnyPeriod(t *testing.T) {
	for _, weights := range [][]uint32{{3}, {2, 2}, {1, 2, 3, 4}, {10, 20, 70}, {0, 1, 2}, {100, 1}} {
		es := weighing(weights...)
		p := balancer.WeightedRoundRobin(setOf(es))
		period := 0
		for _, e := range es {
			period += int(e.Weight())
		}
		for range 3 {
			counts := tally(t, p, period)
			for _, e := range es {
				assert.Equal(t, int(e.Weight()), counts[e], "%v", weights)
			}
		}
	}
}

// The period is about 2^32: every endpoint of weight w has its share within two
// picks over any rounds, and the rounding of the stride.
func TestWeightedRoundRobinOfALongPeriod(t *testing.T) {
	weights := []uint32{math.MaxUint32, math.MaxUint32/2 + 1, math.MaxUint32 / 3, math.MaxUint32 / 6}
	es := weighing(weights...)
	counts := tally(t, balancer.WeightedRoundRobin(setOf(es)), 12_000)
	for i, want := range []int{6000, 3000, 2000, 1000} {
		assert.InDelta(t, want, counts[es[i]], 3)
	}
}

// One endpoint of 1000 times the weight of the 9999 others has 9.1 % of the
// calls, however far it is from the mean. Each other one has a tenth of a call
// in 10,999, which takes a long run to see.
func TestWeightedRoundRobinDoesNotCutWeights(t *testing.T) {
	weights := make([]uint32, 10_000)
	weights[4321] = 1000
	es := weighing(weights...)
	counts := tally(t, balancer.WeightedRoundRobin(setOf(es)), 109_990)
	assert.InDelta(t, 10_000, counts[es[4321]], 10)
	least, most := math.MaxInt, 0
	for i, e := range es {
		if i != 4321 {
			least, most = min(least, counts[e]), max(most, counts[e])
		}
	}
	assert.GreaterOrEqual(t, least, 9)
	assert.LessOrEqual(t, most, 11)
}

// Retries go by weight too: of 6000, two thirds to weight 4 and a sixth each to
// weight 1, give or take 37 and 29 (the standard deviations).
func TestWeightedRoundRobinRetriesByWeight(t *testing.T) {
	for _, weights := range [][]uint32{{3, 4, 1, 1}, {10_007, 4 * 9999, 9999, 9999}} { // of a short and of a long period
		es := weighing(weights...)
		p := balancer.WeightedRoundRobin(setOf(es))
		counts := tally(t, p, 6000, es[0])
		assert.InDelta(t, 4000, counts[es[1]], 190)
		assert.InDelta(t, 1000, counts[es[2]], 150)
		assert.InDelta(t, 1000, counts[es[3]], 150)
		assert.Equal(t, es[3], pick(t, p, es[:3]...))
	}
}
