package balancer

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every pair of those not tried comes up as often as any other, whichever way
// it is found. Of 200 draws per ordered pair, chance takes or adds 14 (the
// standard deviation); six times that is never seen.
func TestTwoDrawsAllPairsAlike(t *testing.T) {
	for _, c := range []struct{ endpoints, tried int }{{2, 0}, {5, 0}, {4, 1}, {5, 2}, {9, 1}, {13, 2}} {
		es := make([]*Endpoint, c.endpoints)
		for i := range es {
			es[i] = new(Endpoint)
		}
		draw := chooser{new(Service), es}
		left := c.endpoints - c.tried
		pairs := map[[2]int]int{}
		for range 200 * left * (left - 1) {
			a, b := draw.two(es[:c.tried])
			require.NotEqual(t, a, b)
			pairs[[2]int{a, b}]++
		}
		assert.Len(t, pairs, left*(left-1), "%+v", c)
		for _, n := range pairs {
			assert.InDelta(t, 200, n, 85, "%+v", c)
		}
	}
}

// Likewise every order of some of those not tried.
func TestSeveralDrawsAllOrdersAlike(t *testing.T) {
	for _, c := range []struct{ endpoints, tried, draw, want int }{
		{5, 0, 3, 60}, {3, 0, 3, 6}, {9, 0, 2, 72}, {9, 1, 2, 56}, {5, 2, 2, 6}, {13, 2, 2, 110}, {4, 2, 3, 2}, {3, 3, 2, 6}, {1, 0, 3, 1},
	} {
		es := make([]*Endpoint, c.endpoints)
		for i := range es {
			es[i] = new(Endpoint)
		}
		draw := chooser{new(Service), es}
		orders := map[[3]int]int{}
		for range 200 * c.want {
			var space [3]int
			drawn := draw.several(es[:c.tried], space[:c.draw])
			for i := len(drawn); i < 3; i++ {
				space[i] = -1
			}
			orders[space]++
		}
		assert.Len(t, orders, c.want, "%+v", c)
		for order, n := range orders {
			assert.InDelta(t, 200, n, 85, "%+v", c)
			for _, k := range order {
				assert.True(t, k < 0 || k >= c.tried || c.tried == c.endpoints, "%+v", c)
			}
		}
	}
}
