package balancer_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/balancer/balancertest"
)

func leastOf(choices int, bias float64) balancer.Policy {
	return balancer.LeastRequestOf(balancer.LeastRequestConfig{Choices: choices, Bias: bias})
}

func TestLeastRequestOfKeepsItsContract(t *testing.T) {
	for _, policy := range []balancer.Policy{leastOf(0, 0), leastOf(1, 0), leastOf(3, 2), leastOf(7, 0.5), leastOf(-1, 1), leastOf(math.MaxInt, -1)} {
		balancertest.TestPolicy(t, policy, balancertest.EvenSpread())
	}
}

// The idle one of n is among d different ones in d/n of all picks, whether few
// are drawn or most are dealt. Drawn with replacement, it would be in
// 1 - (1-1/n)^d of them: 0.34 instead of 0.4 for 4 of 10, and 0.19 instead of
// 0.21 for 64 of 300.
func TestChoicesAreDifferent(t *testing.T) {
	for _, c := range []struct {
		n, tried, choices int
		want              float64
	}{
		{10, 0, 2, 0.2},
		{10, 0, 4, 0.4},
		{10, 0, 9, 0.9},
		{10, 0, 10, 1},
		{10, 0, -1, 1},
		{40, 0, 4, 0.1},
		{40, 1, 4, 4.0 / 39},
		{12, 2, 4, 0.4},
		{12, 11, 4, 1},
		{300, 0, 64, 64.0 / 300},
		{300, 0, 65, 1}, // that many are all
	} {
		es := endpoints(c.n)
		for _, e := range es[:c.n-1] {
			busy(e, 1)
		}
		p := leastOf(c.choices, 0)(setOf(es))
		within(t, c.want, tally(t, p, 40_000, es[:c.tried]...)[es[c.n-1]], 40_000, "%+v", c)
	}
}

// Of those that are as good, each is picked with the same probability, wherever
// it stands: of 20,000, 4000 each, give or take 57 (the standard deviation).
func TestTiesAreBrokenAtRandom(t *testing.T) {
	es := endpoints(40)
	idle := []int{0, 1, 2, 20, 39}
	for i, e := range es {
		busy(e, 1)
		if !slices.Contains(idle, i) {
			busy(e, 1)
		}
	}
	counts := tally(t, leastOf(-1, 0)(setOf(es)), 20_000)
	require.Len(t, counts, len(idle))
	for _, i := range idle {
		assert.InDelta(t, 4000, counts[es[i]], 350)
	}
}

// Bias is the exponent of the calls in flight: with 3 and weight 4 against none
// and weight 1, the load is 4^bias/4 against 1.
func TestBias(t *testing.T) {
	for _, choices := range []int{2, -1} {
		for _, c := range []struct {
			bias float64
			want float64 // share of the heavy one
		}{
			{0, 0.5}, // the default is 1: 4/4 against 1/1
			{1, 0.5},
			{math.NaN(), 0.5},
			{0.5, 1}, // 2/4 against 1/1
			{2, 0},   // 16/4 against 1/1
			{-1, 1},  // 1/4 against 1/1
		} {
			es := weighing(4, 1)
			busy(es[0], 3)
			got := share(t, leastOf(choices, c.bias)(setOf(es)), es[0])
			assert.InDelta(t, c.want, got, 0.1*math.Mod(2*c.want, 2), "%d choices, %+v", choices, c)
		}
	}
}
