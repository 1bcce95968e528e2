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
		assert.InDelta(t, c.want, throttleRejection(c.requests, c.accepts, c.k), 1e-12, "%+v", c)
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
		th.Refused() // of calls that have left the window
		th.Refused()
		assert.Zero(t, th.Rejection())
		require.NoError(t, th.Allow())
		assert.Equal(t, 0.5, th.Rejection())
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

// A service can take 20 calls a second and is wanted for 200. It is sent K
// times what it accepts, and one more that is always sent.
func TestThrottleConvergesToK(t *testing.T) {
	for _, k := range []float64{2, 1.5, 4} {
		synctest.Test(t, func(t *testing.T) {
			th := newThrottle(ThrottleConfig{K: k})
			sent := 0
			for second := range 600 {
				accepted := 0
				for call := range 200 {
					if th.Allow() == nil {
						if accepted < 20 {
							accepted++
						} else {
							th.Refused()
						}
						if second >= 300 {
							sent++
						}
					}
					if call%10 == 9 {
						time.Sleep(50 * time.Millisecond)
					}
				}
			}
			// The standard deviation of 60,000 calls, each sent or not at
			// random, is less than 100; a second's share of it is 0.33.
			assert.InDelta(t, k*20+1, float64(sent)/300, 2)
		})
	}
}

// After minutes in which nothing was accepted, of 200 calls a second, the
// service recovers at once. How soon is it sent them? For the first 60 s it gets
// 20 a second, which MaxRejection lets through, until 1200 accepts times K make
// up for a tenth of the 24,000 requests in the window. From then on it gets
// 200·K·accepts/24,000 a second: the accepts grow e-fold in 60 s, and 12,000 of
// them are enough after 60·ln 10 = 138 s. Together that is 198 s; the window
// moves in steps of 12 s.
func TestThrottleRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(ThrottleConfig{})
		second := func(accept bool) (sent int) {
			for range 200 {
				if th.Allow() == nil {
					sent++
					if !accept {
						th.Refused()
					}
				}
				time.Sleep(5 * time.Millisecond)
			}
			return sent
		}
		sent := 0
		for s := range 180 {
			if n := second(false); s >= 80 {
				sent += n
			}
		}
		assert.InDelta(t, 21, float64(sent)/100, 3, "a tenth, and the one")
		recovered := 0
		for second(true) < 200 {
			recovered++
		}
		assert.InDelta(t, 198, recovered, 15)
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
