package resilience_test

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/resilience"
)

func TestRateLimitBurstThenPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := resilience.NewRateLimit(resilience.RateLimitConfig{PerSecond: 100, Burst: 5, MaxWait: time.Hour})
		start := time.Now()
		for i := range 25 {
			require.NoError(t, r.Wait(t.Context()))
			require.Equal(t, time.Duration(max(0, i-4))*10*time.Millisecond, time.Since(start), "call %d", i)
		}
		time.Sleep(time.Hour)
		start = time.Now()
		for range 6 {
			require.NoError(t, r.Wait(t.Context()))
		}
		assert.Equal(t, 10*time.Millisecond, time.Since(start), "no more than a burst is saved up")
	})
}

func TestRateLimitDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := resilience.NewRateLimit(resilience.RateLimitConfig{PerSecond: 101})
		start := time.Now()
		for range 11 {
			require.NoError(t, r.Wait(t.Context()))
		}
		assert.Zero(t, time.Since(start), "a burst of 10.1")
		var wg sync.WaitGroup
		var refused atomic.Int64
		for range 100 {
			wg.Go(func() {
				if r.Wait(t.Context()) == resilience.ErrRateLimited { //nolint:errorlint // never wrapped
					refused.Add(1)
				}
			})
		}
		wg.Wait()
		assert.Equal(t, int64(90), refused.Load(), "ten calls can wait for 100 ms")
		assert.InDelta(t, 0.099, time.Since(start).Seconds(), 0.001)

		unlimited := resilience.NewRateLimit(resilience.RateLimitConfig{})
		start = time.Now()
		for range 10_000 {
			require.NoError(t, unlimited.Wait(t.Context()))
		}
		assert.Zero(t, time.Since(start))
	})
}

func TestRateLimitRefusesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := resilience.NewRateLimit(resilience.RateLimitConfig{PerSecond: 10, Burst: 1, MaxWait: time.Second})
		require.NoError(t, r.Wait(t.Context()))
		start := time.Now()
		for _, c := range []struct {
			timeout time.Duration
			want    error
		}{
			{100 * time.Millisecond, resilience.ErrRateLimited}, // it would be over
			{50 * time.Millisecond, resilience.ErrRateLimited},
			{-time.Second, resilience.ErrRateLimited},
			{101 * time.Millisecond, nil},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), c.timeout)
			if c.want != nil {
				require.ErrorIs(t, r.Wait(ctx), c.want)
				require.Zero(t, time.Since(start))
			} else {
				require.NoError(t, r.Wait(ctx))
				require.Equal(t, 100*time.Millisecond, time.Since(start), "refusals cost nothing")
			}
			cancel()
		}

		impatient := resilience.NewRateLimit(resilience.RateLimitConfig{PerSecond: 10, MaxWait: -1})
		require.NoError(t, impatient.Wait(t.Context()))
		require.ErrorIs(t, impatient.Wait(t.Context()), resilience.ErrRateLimited)
		time.Sleep(100*time.Millisecond - 1)
		require.ErrorIs(t, impatient.Wait(t.Context()), resilience.ErrRateLimited)
		time.Sleep(time.Nanosecond)
		require.NoError(t, impatient.Wait(t.Context()))
	})
}

// The last in line gives its turn back; one before it cannot, because those
// behind have been told theirs.
func TestRateLimitCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := resilience.NewRateLimit(resilience.RateLimitConfig{PerSecond: 1, Burst: 1, MaxWait: time.Minute})
		require.NoError(t, r.Wait(t.Context()))
		start := time.Now()
		wait := func(ctx context.Context, at time.Duration, want error) {
			go func() {
				assert.ErrorIs(t, r.Wait(ctx), want)
				assert.Equal(t, at, time.Since(start))
			}()
			synctest.Wait()
		}
		middle, cancelMiddle := context.WithCancel(t.Context())
		last, cancelLast := context.WithCancel(t.Context())
		wait(t.Context(), time.Second, nil)
		wait(middle, 500*time.Millisecond, context.Canceled)
		wait(t.Context(), 3*time.Second, nil)
		wait(last, 500*time.Millisecond, context.Canceled)
		time.Sleep(500 * time.Millisecond)
		cancelMiddle()
		cancelLast()
		synctest.Wait()
		require.NoError(t, r.Wait(t.Context()))
		assert.Equal(t, 4*time.Second, time.Since(start), "the turn of the last")
		synctest.Wait()
	})
}

// No stretch of time sees more than the burst and what the stretch has earned.
func TestRateLimitHoldsInEveryWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := resilience.NewRateLimit(resilience.RateLimitConfig{PerSecond: 50, Burst: 7, MaxWait: 200 * time.Millisecond})
		start := time.Now()
		var mu sync.Mutex
		var calls []time.Duration
		var wg sync.WaitGroup
		for g := range 20 {
			wg.Go(func() {
				for i := range 200 {
					time.Sleep(time.Duration((g*7+i*13)%50) * time.Millisecond)
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					if i%3 == 0 {
						time.AfterFunc(time.Duration(g)*5*time.Millisecond, cancel)
					}
					if r.Wait(ctx) == nil {
						mu.Lock()
						calls = append(calls, time.Since(start))
						mu.Unlock()
					}
					cancel()
				}
			})
		}
		wg.Wait()
		require.Greater(t, len(calls), 250)
		for i := range calls {
			for j := i; j < len(calls); j++ {
				if most := 7 + 50*(calls[j]-calls[i]).Seconds(); float64(j-i+1) > most+1e-6 {
					t.Fatalf("%d calls between %v and %v", j-i+1, calls[i], calls[j])
				}
			}
		}
	})
}

func TestRateLimitConfigBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, unlimited := range []float64{0, -1, math.NaN(), math.Inf(-1)} {
			r := resilience.NewRateLimit(resilience.RateLimitConfig{PerSecond: unlimited, MaxWait: -1})
			for range 1000 {
				require.NoError(t, r.Wait(t.Context()))
			}
		}
		hardly := resilience.NewRateLimit(resilience.RateLimitConfig{PerSecond: math.SmallestNonzeroFloat64, MaxWait: math.MaxInt64})
		require.NoError(t, hardly.Wait(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.ErrorIs(t, hardly.Wait(ctx), resilience.ErrRateLimited)

		much := resilience.NewRateLimit(resilience.RateLimitConfig{PerSecond: math.Inf(1), Burst: math.MaxInt})
		for range 1000 {
			require.NoError(t, much.Wait(t.Context()))
		}
	})
}

func TestRateLimitAllocatesNothing(t *testing.T) {
	r := resilience.NewRateLimit(resilience.RateLimitConfig{PerSecond: 1e6, Burst: 1e6})
	none := resilience.NewRateLimit(resilience.RateLimitConfig{PerSecond: 1e-3, MaxWait: -1})
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = r.Wait(t.Context()) }))
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = none.Wait(t.Context()) }), "nor does a refusal")
}

func BenchmarkRateLimit(b *testing.B) {
	r := resilience.NewRateLimit(resilience.RateLimitConfig{PerSecond: 1e6, Burst: 1e9})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_ = r.Wait(b.Context())
		}
	})
}
