package resilience

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newThrottle(cfg ThrottleConfig) *Throttle {
	t := NewThrottle(cfg)
	t.chance = rand.New(rand.NewPCG(1, 2)).Float64 //nolint:gosec // a fixed seed, on purpose
	return t
}

// The formula of the book, worked by hand.
func TestThrottleFormula(t *testing.T) {
	for _, c := range []struct {
		requests, accepts uint64
		k, want           float64
	}{
		{0, 0, 2, 0},
		{100, 100, 2, 0},
		{100, 50, 2, 0}, // where it begins
		{100, 49, 2, 2.0 / 101},
		{100, 25, 2, 50.0 / 101},
		{100, 0, 2, 100.0 / 101},
		{1, 0, 2, 1.0 / 2},
		{100, 50, 1.1, 45.0 / 101}, // a lower K rejects sooner
		{100, 50, 1, 50.0 / 101},
	} {
		assert.InDelta(t, c.want, rejection(c.requests, c.accepts, c.k), 1e-12, "%+v", c)
	}
}

// Calls count before they are sent, and when they are not sent.
func TestThrottleCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(ThrottleConfig{})
		th.chance = func() float64 { return 0.7 }
		for range 10 {
			require.NoError(t, th.Allow())
		}
		assert.Zero(t, th.Rejection(), "all are in flight")
		for range 6 {
			th.Refused()
		}
		assert.InDelta(t, (10-2*4)/11.0, th.Rejection(), 1e-12)
		for range 4 {
			th.Refused()
		}
		assert.Equal(t, 0.9, th.Rejection(), "10/11, but for the bound")
		assert.NoError(t, th.Allow(), "one a second")
		assert.InDelta(t, 0.75, th.Rejection(), 1e-12, "(11 - 2) / 12: it may be accepted")
		th.Refused()
		assert.ErrorIs(t, th.Allow(), ErrThrottled)
		th.cfg.MaxRejection = 1
		assert.InDelta(t, 12/13.0, th.Rejection(), 1e-12, "the one that was not sent counts, too")

		time.Sleep(2 * time.Minute)
		assert.Zero(t, th.Rejection())
		th.Refused() // of a call that has left the window
		assert.Zero(t, th.Rejection())
	})
}

// However many calls fail to get out, one a second does.
func TestThrottleProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle(ThrottleConfig{MaxRejection: 1, Window: time.Hour})
		th.chance = func() float64 { return 0 } // which rejects whenever p > 0
		require.NoError(t, th.Allow())
		th.Refused()
		sent := 0
		for range 600 { // a minute
			if th.Allow() == nil {
				sent++
				th.Refused()
			}
			time.Sleep(100 * time.Millisecond)
		}
		assert.Equal(t, 60, sent)
	})
}

// A service can take 100 calls a second and is wanted for 1000. It is sent
// K times what it accepts.
func TestThrottleConvergesToK(t *testing.T) {
	for _, k := range []float64{2, 1.5, 4} {
		synctest.Test(t, func(t *testing.T) {
			th := newThrottle(ThrottleConfig{K: k})
			sent, seconds := 0, 0
			for second := range 500 {
				accepted := 0
				for range 1000 {
					if th.Allow() == nil {
						if accepted < 100 {
							accepted++
						} else {
							th.Refused()
						}
						if second >= 300 {
							sent++
						}
					}
					time.Sleep(time.Millisecond)
				}
				if second >= 300 {
					seconds++
				}
			}
			// In a window of 10⁵ and more calls p is known to 0.2 %. What is
			// above K is the call a second that is always sent.
			assert.InDelta(t, k*100+1, float64(sent)/float64(seconds), 2)
		})
	}
}

// After minutes in which nothing was accepted, of 1000 calls a second, the
// service recovers at once. How soon is it sent them? For the first 60 s it gets
// 100 a second, which MaxRejection lets through, until 6000 accepts times K make
// up for a tenth of the 120,000 requests in the window. From then on it gets
// 1000·K·accepts/120,000 a second: the accepts grow e-fold in 60 s, and 60,000
// of them are enough after 60·ln 10 = 138 s. Together that is 198 s; the window
// moves in steps of 12 s.
func TestThrottleRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(ThrottleConfig{})
		second := func(accept bool) (sent int) {
			for range 1000 {
				if th.Allow() == nil {
					sent++
					if !accept {
						th.Refused()
					}
				}
				time.Sleep(time.Millisecond)
			}
			return sent
		}
		for range 180 {
			second(false)
		}
		assert.InDelta(t, 101, second(false), 30)
		recovered := 0
		for second(true) < 990 {
			recovered++
		}
		assert.InDelta(t, 198, recovered, 12)
	})
}

func TestThrottleHealthyIsNeverThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle(ThrottleConfig{})
		th.chance = func() float64 { return 0 }
		for i := range 10_000 {
			require.NoError(t, th.Allow())
			if i%2 == 1 { // half are refused, which is just what K allows
				th.Refused()
			}
		}
	})
}

func TestThrottleConfigBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		off := NewThrottle(ThrottleConfig{MaxRejection: -1})
		for range 100 {
			require.NoError(t, off.Allow())
			off.Refused()
		}
		for _, k := range []float64{math.NaN(), -1, 0.5, math.Inf(-1)} {
			assert.Equal(t, 1.0, ThrottleConfig{K: k}.normal().K)
		}
		assert.Equal(t, ThrottleConfig{K: 2, Window: 2 * time.Minute, MaxRejection: 0.9}, ThrottleConfig{}.normal())
		assert.Equal(t, 1.0, ThrottleConfig{MaxRejection: 7}.normal().MaxRejection)
	})
}

func TestThrottleConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle(ThrottleConfig{})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 5000 {
					if th.Allow() == nil {
						th.Refused()
					}
				}
			})
		}
		wg.Wait()
		requests, losses := th.window.counts()
		assert.Equal(t, uint64(40_000), requests)
		assert.Equal(t, uint64(40_000), losses, "none is lost, none counted twice")
	})
}

func TestThrottleAllocatesNothing(t *testing.T) {
	th := NewThrottle(ThrottleConfig{})
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = th.Allow() }))
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		if th.Allow() == nil {
			th.Refused()
		}
	}), "nor does a refusal")
}

func BenchmarkThrottle(b *testing.B) {
	th := NewThrottle(ThrottleConfig{})
	b.ReportAllocs()
	for b.Loop() {
		_ = th.Allow()
	}
}
