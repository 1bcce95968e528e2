package resilience_test

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/resilience"
)

// The end of the bucket that 95 ms is in: 32 of them lie between 65.536 ms and
// twice that, each 2.048 or 4.096 ms wide.
const after95 = 98304 * time.Microsecond

func observe(h *resilience.HedgeDelay, n int, latencies ...time.Duration) {
	for range n {
		for _, d := range latencies {
			h.Observe(d)
		}
	}
}

// oneTo100 are latencies of 1 to 100 ms, whose 95th percentile is 95 ms.
func oneTo100() (all []time.Duration) {
	for i := range 100 {
		all = append(all, time.Duration(i+1)*ms)
	}
	return all
}

func assertDelay(t *testing.T, h *resilience.HedgeDelay, want time.Duration) {
	t.Helper()
	d, ok := h.Delay()
	assert.True(t, ok)
	assert.Equal(t, want, d)
}

func assertNoDelay(t *testing.T, h *resilience.HedgeDelay) {
	t.Helper()
	d, ok := h.Delay()
	assert.False(t, ok)
	assert.Zero(t, d)
}

func TestHedgeDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := resilience.NewHedgeDelay(resilience.HedgeDelayConfig{})
		assertNoDelay(t, h)
		observe(h, 1, oneTo100()[:99]...)
		time.Sleep(time.Second)
		assertNoDelay(t, h)
		observe(h, 1, 100*ms, 0, -ms)
		assertNoDelay(t, h) // it is computed once a second
		time.Sleep(time.Second)
		assertDelay(t, h, after95)
	})
}

// Latencies count for half a minute at least and a minute at most.
func TestHedgeDelayForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := resilience.NewHedgeDelay(resilience.HedgeDelayConfig{})
		start := time.Now()
		at := func(second time.Duration) { time.Sleep(second*time.Second - time.Since(start)) }
		observe(h, 10, oneTo100()...)
		at(29)
		assertDelay(t, h, after95)
		at(30)
		assertDelay(t, h, after95) // these were its last 30 s
		at(59)
		assertDelay(t, h, after95)
		at(60)
		assertNoDelay(t, h)

		observe(h, 1, oneTo100()...)
		at(61)
		assertDelay(t, h, after95)
		at(200)
		assertNoDelay(t, h) // nobody has come by
	})
}

func TestHedgeDelayBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			cfg     resilience.HedgeDelayConfig
			latency time.Duration
			want    time.Duration
		}{
			{resilience.HedgeDelayConfig{}, ms, 5 * ms},
			{resilience.HedgeDelayConfig{Min: -1}, ms, 1024 * time.Microsecond},
			{resilience.HedgeDelayConfig{Min: 2 * ms}, ms, 2 * ms},
			{resilience.HedgeDelayConfig{}, time.Minute, 10 * time.Second},
			{resilience.HedgeDelayConfig{Max: 50 * ms}, time.Second, 50 * ms},
			{resilience.HedgeDelayConfig{Min: 100 * ms, Max: 50 * ms}, ms, 100 * ms},
			{resilience.HedgeDelayConfig{Fixed: 7 * ms}, time.Second, 7 * ms},
			{resilience.HedgeDelayConfig{Fixed: -1}, time.Second, 0},
		} {
			h := resilience.NewHedgeDelay(c.cfg)
			if c.cfg.Fixed != 0 {
				assertDelay(t, h, c.want)
			}
			observe(h, 100, c.latency)
			time.Sleep(time.Second)
			assertDelay(t, h, c.want)
		}
		for _, q := range []float64{0, 1, -1, 2, math.NaN()} {
			h := resilience.NewHedgeDelay(resilience.HedgeDelayConfig{Quantile: q, MinSamples: -1, Window: 1})
			observe(h, 1, oneTo100()...)
			time.Sleep(time.Second)
			d, ok := h.Delay()
			assert.True(t, ok)
			assert.Equal(t, after95, d, "quantile %v", q)
		}
		median := resilience.NewHedgeDelay(resilience.HedgeDelayConfig{Quantile: 0.5})
		observe(median, 1, oneTo100()...)
		time.Sleep(time.Second)
		assertDelay(t, median, 51200*time.Microsecond)
	})
}

// hedge makes 100 calls a second for 20 minutes, each hedged after the delay,
// and returns the share that was, in the second half. Latencies are 10 ms and
// more, exponentially.
func hedge(t *testing.T, observe func(h *resilience.HedgeDelay, first, winner time.Duration)) (share float64) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // reproducible
		latency := func() time.Duration { return 10*ms + time.Duration(r.ExpFloat64()*float64(20*ms)) }
		h := resilience.NewHedgeDelay(resilience.HedgeDelayConfig{})
		hedged := 0
		for call := range 120_000 {
			time.Sleep(10 * ms)
			first := latency()
			winner := first
			if d, ok := h.Delay(); ok && first > d {
				winner = min(first, d+latency())
				if call >= 60_000 {
					hedged++
				}
			}
			observe(h, first, winner)
		}
		share = float64(hedged) / 60_000
	})
	return share
}

// Its own hedges do not change what is late, if it is told how long the losers
// had taken. They take 5 %, less what the delay is too long by: a sixteenth of
// 70 ms at most, after which exp(-4.4/20) = 80 % of these are left. The
// standard deviation of 60,000 calls is 0.09 %, and that of the delay, which is
// taken from 3000 to 6000 of them, adds 0.1 %.
func TestHedgeDelayUnderItsOwnHedges(t *testing.T) {
	share := hedge(t, func(h *resilience.HedgeDelay, _, canceled time.Duration) { h.Observe(canceled) })
	assert.GreaterOrEqual(t, share, 0.037)
	assert.LessOrEqual(t, share, 0.053)

	winnersOnly := hedge(t, func(h *resilience.HedgeDelay, first, winner time.Duration) {
		if first == winner {
			h.Observe(first)
		}
	})
	assert.Greater(t, winnersOnly, 0.06, "where the slow ones are missing")
}

// While some have observed a part of their latencies, the small ones, the
// quantile is that of 800 latencies and up to 800 more without the largest: at
// k of 100 each, 95 - k/20, and not below 90.
func TestHedgeDelayConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := resilience.NewHedgeDelay(resilience.HedgeDelayConfig{Window: 2 * time.Second})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 20 {
					for _, d := range oneTo100() {
						h.Observe(d)
						if got, ok := h.Delay(); ok && (got < 90*ms || got > after95) {
							t.Errorf("delay %v", got)
						}
					}
					time.Sleep(time.Second)
				}
			})
		}
		wg.Wait()
	})
}

func TestHedgeDelayAllocatesNothing(t *testing.T) {
	h := resilience.NewHedgeDelay(resilience.HedgeDelayConfig{})
	assert.Zero(t, testing.AllocsPerRun(100, func() { h.Observe(ms) }))
	assert.Zero(t, testing.AllocsPerRun(100, func() { h.Delay() }))
	synctest.Test(t, func(t *testing.T) {
		h := resilience.NewHedgeDelay(resilience.HedgeDelayConfig{})
		require.Zero(t, testing.AllocsPerRun(100, func() {
			time.Sleep(time.Second)
			h.Delay()
		}), "nor does computing it")
	})
}

func BenchmarkHedgeDelay(b *testing.B) {
	h := resilience.NewHedgeDelay(resilience.HedgeDelayConfig{})
	b.ReportAllocs()
	for b.Loop() {
		h.Delay()
		h.Observe(ms)
	}
}
