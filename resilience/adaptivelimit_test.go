package resilience_test

import (
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/resilience"
)

// succeed makes n calls at a time, all of the same latency.
func succeed(t *testing.T, a *resilience.AdaptiveLimit, n int, latency time.Duration) {
	t.Helper()
	for range n {
		require.True(t, a.TryAcquire())
	}
	time.Sleep(latency)
	for range n {
		a.Success(latency)
	}
}

func TestAdaptiveLimitAdaptsOnceAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := resilience.NewAdaptiveLimit(resilience.AdaptiveLimitConfig{})
		assert.Equal(t, 20, a.MaxInFlight())
		for range 9 {
			succeed(t, a, 20, 100*ms)
		}
		assert.Equal(t, 20, a.MaxInFlight(), "within the first second")
		for _, want := range []int{20, 21, 22, 23, 24, 24, 25} { // 20.8, 21.6 ...
			time.Sleep(900 * ms)
			succeed(t, a, 19, 100*ms)
			require.Equal(t, want, a.MaxInFlight())
		}
		assert.Zero(t, a.InFlight())
	})
}

func TestAdaptiveLimitNeedsTenLatencies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := resilience.NewAdaptiveLimit(resilience.AdaptiveLimitConfig{Initial: 8})
		for range 2 { // 8.8, 9.6
			time.Sleep(time.Second)
			succeed(t, a, 5, 0) // that is none
			succeed(t, a, 5, ms)
			succeed(t, a, 4, ms)
			require.Equal(t, 8, a.MaxInFlight())
			succeed(t, a, 1, ms)
		}
		assert.Equal(t, 9, a.MaxInFlight())
	})
}

func TestAdaptiveLimitDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := resilience.NewAdaptiveLimit(resilience.AdaptiveLimitConfig{})
		for _, want := range []int{18, 16, 14, 13} { // 20·0.9ⁿ, rounded down
			time.Sleep(time.Second)
			for range 5 { // however many there are
				require.True(t, a.TryAcquire())
				a.Drop()
			}
			require.Equal(t, want, a.MaxInFlight())
		}
		time.Sleep(time.Second)
		require.True(t, a.TryAcquire())
		a.Release()
		require.True(t, a.TryAcquire())
		a.Success(0)
		// The other four drops of the last second.
		assert.Equal(t, 11, a.MaxInFlight())
		time.Sleep(time.Second)
		succeed(t, a, 10, 0)
		assert.Equal(t, 11, a.MaxInFlight(), "what took no time says nothing")
		assert.Zero(t, a.InFlight())
	})
}

func TestAdaptiveLimitQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := resilience.NewAdaptiveLimit(resilience.AdaptiveLimitConfig{Initial: 1, Min: 1, Queue: 1})
		require.NoError(t, a.Acquire(t.Context()))
		go func() { assert.NoError(t, a.Acquire(t.Context())) }()
		synctest.Wait()
		assert.Equal(t, 1, a.Waiting())
		assert.ErrorIs(t, a.Acquire(t.Context()), resilience.ErrQueueFull)
		a.Release()
		synctest.Wait()
		assert.Equal(t, []int{1, 0}, []int{a.InFlight(), a.Waiting()})
	})
}

func TestAdaptiveLimitConfigBounds(t *testing.T) {
	for _, c := range []struct {
		cfg  resilience.AdaptiveLimitConfig
		want int
	}{
		{resilience.AdaptiveLimitConfig{}, 20},
		{resilience.AdaptiveLimitConfig{Initial: 1000}, 200},
		{resilience.AdaptiveLimitConfig{Initial: 1}, 4},
		{resilience.AdaptiveLimitConfig{Initial: 1, Min: -1, Max: -1}, 1},
		{resilience.AdaptiveLimitConfig{Min: 50, Max: 10}, 50},
		{resilience.AdaptiveLimitConfig{Initial: math.MaxInt, Max: math.MaxInt, Tolerance: math.NaN(), Interval: 1}, math.MaxInt32},
	} {
		assert.Equal(t, c.want, resilience.NewAdaptiveLimit(c.cfg).MaxInFlight(), "%+v", c.cfg)
	}
}

// A server works on ten calls at a time, each for half a second; the others
// queue.
type server struct {
	limit *resilience.AdaptiveLimit
	slots chan struct{}
	calls sync.WaitGroup

	mu      sync.Mutex
	served  int
	latency time.Duration // the sum of all that were served
}

func newServer() *server {
	return &server{
		limit: resilience.NewAdaptiveLimit(resilience.AdaptiveLimitConfig{}),
		slots: make(chan struct{}, 10),
	}
}

// load makes so many calls a second for a time, and returns what became of
// them: the mean latency, and how many were served and refused.
func (s *server) load(perSecond, seconds int, takes time.Duration) (latency time.Duration, served, refused int) {
	s.mu.Lock()
	s.served, s.latency = 0, 0
	s.mu.Unlock()
	for range perSecond * seconds {
		time.Sleep(time.Second / time.Duration(perSecond))
		synctest.Wait() // for what ends in this moment
		if !s.limit.TryAcquire() {
			refused++
			continue
		}
		s.calls.Go(func() {
			start := time.Now()
			s.slots <- struct{}{}
			time.Sleep(takes)
			<-s.slots
			s.limit.Success(time.Since(start))
			s.mu.Lock()
			defer s.mu.Unlock()
			s.served++
			s.latency += time.Since(start)
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latency / time.Duration(max(s.served, 1)), s.served, refused
}

// 16 calls a second need 8 of the server's 10 slots. Then each takes twice as
// long for a minute, in which 10 a second can be served: without a limit 360
// would have piled up, and the last have waited for 36 s.
func TestAdaptiveLimitThroughASlowdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		latency, _, refused := s.load(16, 300, 500*ms)
		assert.Equal(t, []any{500 * ms, 0, 20}, []any{latency, refused, s.limit.MaxInFlight()}, "not half of it is in use")

		s.load(16, 30, time.Second)
		latency, served, refused := s.load(16, 30, time.Second)
		assert.Less(t, latency, 1400*ms)
		assert.Equal(t, 300, served)
		assert.InDelta(t, 180, refused, 5)
		assert.Equal(t, 14, s.limit.MaxInFlight(), "ten are worked on, four wait")

		s.load(16, 10, 500*ms)
		latency, _, refused = s.load(16, 60, 500*ms)
		assert.Equal(t, []any{500 * ms, 0}, []any{latency, refused})
		s.calls.Wait()
	})
}

// Its known weakness: the latency of lasting overload becomes what it takes
// for normal. A minute of twice what the server can do is borne well. In twenty,
// nothing but Max holds it.
func TestAdaptiveLimitInLastingOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.load(16, 300, 500*ms)
		s.load(40, 50, 500*ms)
		latency, served, _ := s.load(40, 10, 500*ms)
		assert.Less(t, latency, 1100*ms)
		assert.Equal(t, []int{200, 22}, []int{served, s.limit.MaxInFlight()})

		s.load(40, 1200, 500*ms)
		latency, served, _ = s.load(40, 10, 500*ms)
		assert.InDelta(t, 10, latency.Seconds(), 0.1)
		assert.Equal(t, []int{200, 200}, []int{served, s.limit.MaxInFlight()})

		s.load(16, 60, 500*ms)
		latency, _, refused := s.load(16, 60, 500*ms)
		assert.Equal(t, []any{500 * ms, 0}, []any{latency, refused}, "but it recovers with the load")
		s.calls.Wait()
	})
}

func TestAdaptiveLimitConcurrently(t *testing.T) {
	a := resilience.NewAdaptiveLimit(resilience.AdaptiveLimitConfig{Interval: 10 * ms, Queue: 8, MaxWait: ms})
	var wg sync.WaitGroup
	for g := range 32 {
		wg.Go(func() {
			for i := range 500 {
				if a.Acquire(t.Context()) != nil {
					continue
				}
				switch (g + i) % 10 {
				case 0:
					a.Drop()
				case 1:
					a.Release()
				default:
					a.Success(time.Duration(i) * time.Microsecond)
				}
			}
		})
	}
	wg.Wait()
	assert.Equal(t, []int{0, 0}, []int{a.InFlight(), a.Waiting()})
	assert.GreaterOrEqual(t, a.MaxInFlight(), 4)
}

func TestAdaptiveLimitAllocatesNothing(t *testing.T) {
	a := resilience.NewAdaptiveLimit(resilience.AdaptiveLimitConfig{})
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if a.Acquire(t.Context()) == nil {
			a.Success(ms)
		}
	}))
}

func BenchmarkAdaptiveLimit(b *testing.B) {
	a := resilience.NewAdaptiveLimit(resilience.AdaptiveLimitConfig{})
	b.ReportAllocs()
	for b.Loop() {
		if a.TryAcquire() {
			a.Success(ms)
		}
	}
}
