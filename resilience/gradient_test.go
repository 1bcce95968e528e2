package resilience

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

// warm returns a gradient at a limit of 20 that has seen a latency of 100 for
// long.
func warm() *gradient {
	return &gradient{min: 4, max: 200, tolerance: 1.5, limit: 20, long: 100, samples: gradientWarmup}
}

// The formula of Gradient2, worked by hand.
func TestGradientFormula(t *testing.T) {
	for _, c := range []struct {
		name     string
		short    float64
		inFlight int
		want     float64
	}{
		{"no change of latency: 0.8·20 + 0.2·(20 + 4)", 100, 20, 20.8},
		{"it is better: no more than that", 60, 20, 20.8},
		{"within the tolerance", 150, 20, 20.8},
		// long is 100 + 100·2/601 = 100.332779, the slope 1.5·long/200 = 0.75249584
		{"twice as long: 0.8·20 + 0.2·(20·0.75249584 + 4)", 200, 20, 19.809983361},
		{"ten times: 0.8·20 + 0.2·(20·0.5 + 4)", 1000, 20, 18.8},
		{"half in use is enough", 100, 10, 20.8},
		{"less is not", 100, 9, 20},
		{"nor to shrink", 1000, 9, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := warm()
			g.sample(c.short, c.inFlight)
			assert.InDelta(t, c.want, g.limit, 1e-9)
			assert.InDelta(t, 100+(c.short-100)*2/601, g.long, 1e-9)
		})
	}
}

// The first ten samples are averaged plainly.
func TestGradientWarmup(t *testing.T) {
	g := &gradient{min: 4, max: 200, tolerance: 1.5, limit: 20}
	for i := 1; i <= 10; i++ {
		g.sample(float64(100+i), 0)
		assert.InDelta(t, 100+float64(i+1)/2, g.long, 1e-9)
	}
	g.sample(200, 0)
	assert.InDelta(t, 105.5+94.5*2/601, g.long, 1e-9)
}

// When a long illness is over, the long latency comes down by 5 % a sample
// until it is no more than twice the short one.
func TestGradientDrift(t *testing.T) {
	g := warm()
	g.long = 300
	g.sample(100, 20)
	assert.InDelta(t, (300-200*2.0/601)*0.95, g.long, 1e-9)
	assert.InDelta(t, 20.8, g.limit, 1e-9)
	samples := 1
	for g.long > 200 {
		g.sample(100, 20)
		samples++
	}
	assert.Equal(t, 8, samples)
	before := g.long
	g.sample(100, 20)
	assert.InDelta(t, before-(before-100)*2/601, g.long, 1e-9)
}

// At a steady slope the limit comes to rest where L·(1 − slope) = 4.
func TestGradientRests(t *testing.T) {
	g := warm()
	for range 500 {
		g.long = 100
		g.sample(200, 200) // slope 0.7525
	}
	slope := 1.5 * (100 + 200.0/601) / 200
	assert.InDelta(t, 4/(1-slope), g.limit, 1e-6)
}

func TestGradientBounds(t *testing.T) {
	g := warm()
	for range 1000 {
		g.sample(100, math.MaxInt32)
	}
	assert.Equal(t, 200.0, g.limit)
	g.drop()
	assert.Equal(t, 180.0, g.limit)
	for range 1000 {
		g.drop()
	}
	assert.Equal(t, 4.0, g.limit)
	assert.Equal(t, 4, g.calls())
	g.limit = 4.99
	assert.Equal(t, 4, g.calls())
}
