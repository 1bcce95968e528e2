package balancer_test

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
)

// observe carries out an attempt that ends now.
func observe(e *balancer.Endpoint, outcome balancer.Outcome, latency time.Duration) {
	a, _ := e.Begin(balancer.PickInfo{Now: e.Service().Now() - latency})
	a.Observe(outcome, latency)
	a.End()
}

// watched returns an endpoint that is measured.
func watched() *balancer.Endpoint {
	e := endpoints(1)[0]
	_, _ = balancer.PeakLatency(e), e.Latency()
	return e
}

// Latencies are kept as float32: right to 6 digits, and to the microsecond
// below.
func assertLatency(t *testing.T, wantMillis float64, e *balancer.Endpoint, because ...any) {
	t.Helper()
	assert.InDelta(t, wantMillis, float64(balancer.PeakLatency(e))/1e6, 0.001, because...)
}

func TestLatencyIsADecayingPeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := watched()
		assert.Zero(t, balancer.PeakLatency(e))
		observe(e, balancer.Success, 100*time.Millisecond)
		assertLatency(t, 100, e, "the first sample is the average")
		observe(e, balancer.Success, time.Millisecond)
		assertLatency(t, 100, e, "in no time nothing is forgotten")
		observe(e, balancer.Success, 200*time.Millisecond)
		assertLatency(t, 200, e, "a peak counts at once")

		time.Sleep(time.Second)
		assertLatency(t, 200*math.Exp(-0.1), e, "it fades")
		observe(e, balancer.Success, 10*time.Millisecond)
		want := 200*math.Exp(-0.1) + 10*(1-math.Exp(-0.1))
		assertLatency(t, want, e, "a faster answer weighs what the old average has lost")
		assert.InDelta(t, 181.919, want, 0.001)

		time.Sleep(40 * time.Second)
		assertLatency(t, want*math.Exp(-4), e)
		observe(e, balancer.Success, 10*time.Millisecond)
		assertLatency(t, 10, e, "slower than what has faded: a peak")
		time.Sleep(5 * time.Minute)
		assert.Zero(t, balancer.PeakLatency(e), "forgotten")
	})
}

func TestLatencyConvergesOnFasterAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := watched()
		observe(e, balancer.Success, time.Second)
		for range 10_000 {
			time.Sleep(time.Millisecond)
			observe(e, balancer.Success, 10*time.Millisecond)
		}
		want := 10 + (1000-10)/math.E
		assert.InDelta(t, want, float64(balancer.PeakLatency(e))/1e6, want/1000, "after τ, 63 % of the difference is gone, in however many steps")
	})
}

func TestWhatIsNoSuccessProvesOnlySlowness(t *testing.T) {
	for _, outcome := range []balancer.Outcome{balancer.Failure, balancer.Busy, balancer.Ignored} {
		synctest.Test(t, func(t *testing.T) {
			e := watched()
			observe(e, outcome, 50*time.Microsecond)
			observe(e, outcome, 5*time.Second)
			assert.Zero(t, balancer.PeakLatency(e), "never the first sample")

			observe(e, balancer.Success, 20*time.Millisecond)
			observe(e, outcome, time.Millisecond)
			assertLatency(t, 20, e, "never makes it look faster")
			observe(e, outcome, 80*time.Millisecond)
			assertLatency(t, 80, e, "it takes at least that long")

			time.Sleep(20 * time.Second)
			assertLatency(t, 80*math.Exp(-2), e)
			observe(e, outcome, time.Millisecond)
			assertLatency(t, 80, e, "it has been tried: no reason to think better of it")
		})
	}
}

func TestPenalty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := watched()
		assert.Equal(t, 1.0, e.Penalty())
		observe(e, balancer.Failure, 0)
		assert.Equal(t, 11.0, e.Penalty())
		observe(e, balancer.Failure, 0)
		assert.Equal(t, 21.0, e.Penalty())
		time.Sleep(5 * time.Second)
		assert.InDelta(t, 1+20/math.E, e.Penalty(), 1e-5)
		observe(e, balancer.Failure, 0)
		assert.InDelta(t, 1+20/math.E+10, e.Penalty(), 1e-5)
		observe(e, balancer.Success, time.Millisecond)
		assert.InDelta(t, 1+(20/math.E+10)/2, e.Penalty(), 1e-5)
		observe(e, balancer.Busy, time.Millisecond)
		assert.InDelta(t, 1+(20/math.E+10)/2+1, e.Penalty(), 1e-5)
		observe(e, balancer.Ignored, time.Millisecond)
		assert.InDelta(t, 1+(20/math.E+10)/2+1, e.Penalty(), 1e-5, "no blame")
		for range 11 {
			observe(e, balancer.Success, time.Millisecond)
		}
		assert.Equal(t, 1.0, e.Penalty(), "forgotten altogether")
	})
}

func TestPenaltyOfAnEndpointThatHasNeverAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := watched()
		observe(e, balancer.Ignored, time.Millisecond)
		assert.Equal(t, 2.0, e.Penalty())
	})
}

func TestPenaltyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := watched()
		for range 2000 {
			observe(e, balancer.Failure, 0)
		}
		assert.Equal(t, 10_001.0, e.Penalty())
	})
}

func TestObserveOfOddLatencies(t *testing.T) {
	e := watched()
	for _, latency := range []time.Duration{0, -time.Second, math.MinInt64, math.MaxInt64} {
		for _, outcome := range []balancer.Outcome{balancer.Success, balancer.Failure, balancer.Busy, balancer.Ignored, 77} {
			observe(e, outcome, latency)
			require.GreaterOrEqual(t, e.Latency(), time.Duration(0))
			require.GreaterOrEqual(t, e.Penalty(), 1.0)
			require.False(t, math.IsInf(e.Penalty(), 0) || math.IsNaN(e.Penalty()))
		}
	}
}

func TestInFlight(t *testing.T) {
	e := endpoints(1)[0]
	var attempts []balancer.Attempt
	for i := range 3 {
		a, ok := e.Begin(balancer.PickInfo{})
		require.True(t, ok)
		attempts = append(attempts, a)
		require.Equal(t, int64(i+1), e.InFlight())
	}
	idle := 0
	require.True(t, e.Retire(func() { idle++ }))
	require.False(t, e.Retire(func() { t.Error("only the first counts") }))
	_, ok := e.Begin(balancer.PickInfo{})
	assert.False(t, ok)
	for i := range 3 {
		assert.Zero(t, idle)
		assert.Equal(t, int64(3-i), e.InFlight())
		attempts[i].End()
	}
	assert.Equal(t, 1, idle)
	assert.Zero(t, e.InFlight())
	_, ok = e.Begin(balancer.PickInfo{})
	assert.False(t, ok)
	assert.Equal(t, 1, idle)
	require.False(t, e.Retire(nil))
}

func TestRetireWhileIdle(t *testing.T) {
	e := endpoints(1)[0]
	idle := 0
	require.True(t, e.Retire(func() { idle++ }))
	assert.Equal(t, 1, idle)
	assert.True(t, endpoints(1)[0].Retire(nil))
}

// However Begin, End and Retire meet, onIdle runs once, and nothing is in
// flight then or later.
func TestRetireUnderLoad(t *testing.T) {
	for range 2000 {
		e := endpoints(1)[0]
		var active, idle, retirements, afterwards atomic.Int64
		start := make(chan struct{})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				<-start
				for range 20 {
					a, ok := e.Begin(balancer.PickInfo{})
					if !ok {
						continue
					}
					active.Add(1)
					if idle.Load() > 0 {
						afterwards.Add(1)
					}
					active.Add(-1)
					a.End()
				}
			})
		}
		for range 2 {
			wg.Go(func() {
				<-start
				if e.Retire(func() {
					idle.Add(1)
					afterwards.Add(active.Load())
				}) {
					retirements.Add(1)
				}
			})
		}
		close(start)
		wg.Wait()
		require.Equal(t, int64(1), retirements.Load())
		require.Equal(t, int64(1), idle.Load())
		require.Zero(t, afterwards.Load())
		require.Zero(t, e.InFlight())
	}
}

// Competing observers may lose samples, but never end up with a value that
// none of them could have produced.
func TestObserveUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := watched()
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for range 1000 {
					observe(e, balancer.Success, time.Duration(10+g)*time.Millisecond)
					observe(e, balancer.Failure, time.Millisecond)
					time.Sleep(time.Millisecond)
					assert.GreaterOrEqual(t, balancer.PeakLatency(e), 9*time.Millisecond)
					assert.LessOrEqual(t, balancer.PeakLatency(e), 17*time.Millisecond)
					assert.GreaterOrEqual(t, e.Penalty(), 1.0)
				}
			})
		}
		wg.Wait()
	})
}

func TestEndpointInstance(t *testing.T) {
	e := new(balancer.Service).NewEndpoint(discovery.Instance{ID: "a", Addr: "10.0.0.1:80"})
	assert.Equal(t, "a", e.Key())
	assert.Equal(t, "10.0.0.1:80", e.Addr())
	assert.Equal(t, uint32(1), e.Weight(), "no weight is the usual weight")
	e.SetInstance(discovery.Instance{ID: "a", Addr: "10.0.0.1:80", Weight: 7, Zone: "z"})
	assert.Equal(t, uint32(7), e.Weight())
	assert.Equal(t, "z", e.Instance().Zone)
}

func TestEndpointAllocatesNothing(t *testing.T) {
	e := watched()
	for _, outcome := range []balancer.Outcome{balancer.Success, balancer.Failure, balancer.Busy, balancer.Ignored} {
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			a, _ := e.Begin(balancer.PickInfo{})
			a.Observe(outcome, time.Millisecond)
			a.End()
			_, _, _, _ = e.Latency(), e.Penalty(), e.InFlight(), e.Weight()
		}))
	}
}

func TestKey(t *testing.T) {
	a, b, other := balancer.NewKey[int](), balancer.NewKey[int](), balancer.NewKey[string]()
	e, f := endpoints(1)[0], endpoints(1)[0]
	*a.Of(e) = 1
	*b.Of(e) = 2
	*other.Of(e) = "three"
	assert.Equal(t, 1, *a.Of(e))
	assert.Equal(t, 2, *b.Of(e))
	assert.Equal(t, "three", *other.Of(e))
	assert.Zero(t, *a.Of(f), "each endpoint has its own")
	assert.Zero(t, testing.AllocsPerRun(100, func() { a.Of(e) }))
}

// All goroutines get the same place, even if they are the first to ask.
func TestKeyUnderLoad(t *testing.T) {
	for range 100 {
		e := endpoints(1)[0]
		keys := make([]*balancer.Key[atomic.Int64], 4)
		for i := range keys {
			keys[i] = balancer.NewKey[atomic.Int64]()
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 10 {
					for _, k := range keys {
						k.Of(e).Add(1)
					}
				}
			})
		}
		wg.Wait()
		for _, k := range keys {
			require.Equal(t, int64(40), k.Of(e).Load())
		}
	}
}
