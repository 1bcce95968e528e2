package resilience_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/resilience"
)

// A journal keeps what onChange was told.
type journal struct {
	mu      sync.Mutex
	changes [][2]resilience.State
	times   []time.Time
}

func (j *journal) note(from, to resilience.State) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.changes = append(j.changes, [2]resilience.State{from, to})
	j.times = append(j.times, time.Now())
}

func (j *journal) read() [][2]resilience.State {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.changes)
}

func fail(b *resilience.Breaker, n int) {
	for range n {
		b.Failure()
	}
}

// await waits for a breaker that is open to want a trial.
func await(t *testing.T, b *resilience.Breaker) resilience.Trial {
	t.Helper()
	require.Equal(t, resilience.Open, b.State())
	for b.State() == resilience.Open {
		time.Sleep(time.Millisecond)
	}
	trial, ok := b.Trial()
	require.True(t, ok)
	return trial
}

func TestBreakerOpensAfterConsecutiveFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		b := resilience.NewBreaker(resilience.BreakerConfig{}, j.note)
		defer b.Close()
		fail(b, 4)
		b.Success()
		fail(b, 4)
		assert.Equal(t, resilience.Closed, b.State(), "a success ends the row")
		b.Failure()
		assert.Equal(t, resilience.Open, b.State())
		assert.Equal(t, [][2]resilience.State{{resilience.Closed, resilience.Open}}, j.read())
		_, ok := b.Trial()
		assert.False(t, ok, "no trial while open")
	})
}

func TestBreakerOpensByRatio(t *testing.T) {
	for _, c := range []struct {
		name                string
		cfg                 resilience.BreakerConfig
		successes, failures int // in this order
		want                resilience.State
	}{
		{"default", resilience.BreakerConfig{ConsecutiveFailures: -1}, 10, 10, resilience.Open},
		{"too few requests", resilience.BreakerConfig{ConsecutiveFailures: -1}, 9, 10, resilience.Closed},
		{"too few failures", resilience.BreakerConfig{ConsecutiveFailures: -1}, 11, 10, resilience.Closed},
		{"ratio of 0.1", resilience.BreakerConfig{ConsecutiveFailures: -1, FailureRatio: 0.1}, 18, 2, resilience.Open},
		{"fewer requests", resilience.BreakerConfig{ConsecutiveFailures: -1, MinRequests: 2}, 1, 1, resilience.Open},
		{"any number of requests", resilience.BreakerConfig{ConsecutiveFailures: -1, MinRequests: -1}, 0, 1, resilience.Open},
		{"off", resilience.BreakerConfig{ConsecutiveFailures: -1, FailureRatio: -1}, 0, 1000, resilience.Closed},
		{"only consecutive", resilience.BreakerConfig{ConsecutiveFailures: 2, FailureRatio: -1}, 0, 2, resilience.Open},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := resilience.NewBreaker(c.cfg, nil)
				defer b.Close()
				for range c.successes {
					b.Success()
				}
				for range c.failures {
					require.Equal(t, resilience.Closed, b.State())
					b.Failure()
				}
				assert.Equal(t, c.want, b.State())
			})
		})
	}
}

func TestBreakerRatioLooksBackOneWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := resilience.NewBreaker(resilience.BreakerConfig{ConsecutiveFailures: -1, FailureRatio: 0.5}, nil)
		defer b.Close()
		fail(b, 19)
		time.Sleep(10 * time.Second)
		b.Failure()
		assert.Equal(t, resilience.Closed, b.State(), "19 failures are forgotten")
		time.Sleep(9 * time.Second)
		fail(b, 18)
		assert.Equal(t, resilience.Closed, b.State())
		b.Failure()
		assert.Equal(t, resilience.Open, b.State(), "one failure is not")
	})
}

func TestBreakerForgetsTheWindowWhenItCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := resilience.NewBreaker(resilience.BreakerConfig{ConsecutiveFailures: -1, OpenFor: time.Second}, nil)
		defer b.Close()
		fail(b, 20)
		await(t, b).Success()
		fail(b, 19)
		assert.Equal(t, resilience.Closed, b.State())
		b.Failure()
		assert.Equal(t, resilience.Open, b.State())
	})
}

// A breaker becomes half-open by itself, 5 s after it opened, give or take 10 %.
func TestBreakerOpenTimeIsJittered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var j journal
		for range 500 {
			b := resilience.NewBreaker(resilience.BreakerConfig{}, j.note)
			defer b.Close()
			fail(b, 5)
		}
		time.Sleep(4500*time.Millisecond - 1)
		synctest.Wait()
		assert.Len(t, j.read(), 500)
		time.Sleep(time.Second + 1)
		synctest.Wait()
		require.Len(t, j.read(), 1000)
		var rests []time.Duration
		for _, at := range j.times[500:] {
			rests = append(rests, at.Sub(start))
		}
		assert.Less(t, slices.Min(rests), 4600*time.Millisecond)
		assert.Greater(t, slices.Max(rests), 5400*time.Millisecond)
	})
}

func TestBreakerOpenTimeGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := resilience.NewBreaker(resilience.BreakerConfig{}, nil)
		defer b.Close()
		fail(b, 5)
		for _, want := range []time.Duration{5, 10, 20, 40, 60, 60} {
			start := time.Now()
			trial := await(t, b)
			assert.InDelta(t, want*time.Second, time.Since(start), float64(want*time.Second/10+time.Millisecond))
			trial.Failure()
		}

		// One success closes it. Failing again soon is no recovery.
		await(t, b).Success()
		require.Equal(t, resilience.Closed, b.State())
		time.Sleep(59 * time.Second)
		fail(b, 5)
		start := time.Now()
		await(t, b).Success()
		assert.InDelta(t, time.Minute, time.Since(start), float64(6*time.Second+time.Millisecond))

		// Staying closed for as long as it was open is.
		time.Sleep(time.Minute)
		fail(b, 5)
		start = time.Now()
		await(t, b).Release()
		assert.InDelta(t, 5*time.Second, time.Since(start), float64(501*time.Millisecond))
	})
}

func TestBreakerTrialDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		b := resilience.NewBreaker(resilience.BreakerConfig{}, j.note)
		defer b.Close()
		fail(b, 5)

		trial := await(t, b)
		_, ok := b.Trial()
		assert.False(t, ok, "one at a time")
		b.Success()
		fail(b, 100)
		assert.Equal(t, resilience.HalfOpen, b.State(), "only the trial counts")

		trial.Release()
		trial.Failure()
		assert.Equal(t, resilience.HalfOpen, b.State(), "only what it says first counts")
		trial, ok = b.Trial()
		assert.True(t, ok, "the place is free again")
		trial.Failure()
		assert.Equal(t, resilience.Open, b.State())

		trial = await(t, b)
		trial.Success()
		trial.Failure()
		assert.Equal(t, resilience.Closed, b.State())
		fail(b, 4)
		assert.Equal(t, resilience.Closed, b.State(), "it starts afresh")
		b.Failure()
		assert.Equal(t, resilience.Open, b.State())

		const closed, open, halfOpen = resilience.Closed, resilience.Open, resilience.HalfOpen
		assert.Equal(t, [][2]resilience.State{
			{closed, open}, {open, halfOpen}, {halfOpen, open}, {open, halfOpen}, {halfOpen, closed}, {closed, open},
		}, j.read())
		assert.Equal(t, uint64(6), b.Generation())
	})
}

func TestBreakerIgnoresTrialsOfThePast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := resilience.NewBreaker(resilience.BreakerConfig{MaxOpenFor: 10 * time.Second}, nil)
		defer b.Close()
		fail(b, 5)
		lost := await(t, b)

		time.Sleep(10*time.Second - 1)
		_, ok := b.Trial()
		assert.False(t, ok)
		time.Sleep(time.Nanosecond)
		second, ok := b.Trial()
		require.True(t, ok, "a trial that never ends must not block the endpoint for ever")
		lost.Success()
		assert.Equal(t, resilience.HalfOpen, b.State())
		lost.Release()
		_, ok = b.Trial()
		assert.False(t, ok, "nor may it free the place of another")
		second.Failure()

		third := await(t, b)
		second.Success()
		assert.Equal(t, resilience.HalfOpen, b.State())
		third.Success()
		second.Failure()
		third.Failure()
		assert.Equal(t, resilience.Closed, b.State())
	})
}

func TestZeroTrialDoesNothing(t *testing.T) {
	var trial resilience.Trial
	assert.NotPanics(t, func() {
		trial.Success()
		trial.Failure()
		trial.Release()
	})
}

func TestBreakerMayBeCalledFromOnChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *resilience.Breaker
		var seen []resilience.State
		b = resilience.NewBreaker(resilience.BreakerConfig{}, func(_, to resilience.State) {
			assert.Equal(t, to, b.State())
			seen = append(seen, to)
			b.Success()
			b.Failure()
			if trial, ok := b.Trial(); ok {
				trial.Success()
				assert.Equal(t, resilience.Closed, b.State())
			}
		})
		defer b.Close()
		fail(b, 5)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		assert.Equal(t, []resilience.State{resilience.Open, resilience.HalfOpen, resilience.Closed}, seen)
	})
}

// Changes are told one at a time and in their order, each from where the last
// one led.
func TestBreakerTellsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var telling atomic.Int32
		last := resilience.Closed
		changes := 0
		b := resilience.NewBreaker(resilience.BreakerConfig{
			ConsecutiveFailures: 1, OpenFor: time.Millisecond, MaxOpenFor: time.Millisecond,
		}, func(from, to resilience.State) {
			assert.Equal(t, int32(1), telling.Add(1))
			assert.Equal(t, last, from)
			last = to
			changes++
			telling.Add(-1)
		})
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 500 {
					switch (g + i) % 3 {
					case 0:
						b.Failure()
					case 1:
						b.Success()
					}
					if trial, ok := b.Trial(); ok {
						if i%2 == 0 {
							trial.Success()
						} else {
							trial.Failure()
						}
					}
					time.Sleep(100 * time.Microsecond)
				}
			})
		}
		wg.Wait()
		b.Close()
		assert.Greater(t, changes, 50)
		assert.Equal(t, uint64(changes), b.Generation())
		assert.Equal(t, last, b.State())
	})
}

func TestBreakerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		b := resilience.NewBreaker(resilience.BreakerConfig{}, j.note)
		fail(b, 5)
		b.Close()
		b.Close()
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, resilience.Open, b.State())
		assert.Len(t, j.read(), 1, "the timer has been stopped")

		closed := resilience.NewBreaker(resilience.BreakerConfig{}, j.note)
		closed.Close()
		fail(closed, 100)
		assert.Equal(t, resilience.Closed, closed.State(), "no timer is started after Close")
		assert.Len(t, j.read(), 1)

		halfOpen := resilience.NewBreaker(resilience.BreakerConfig{}, nil)
		fail(halfOpen, 5)
		trial := await(t, halfOpen)
		halfOpen.Close()
		trial.Failure()
		assert.Equal(t, resilience.HalfOpen, halfOpen.State())
		_, ok := halfOpen.Trial()
		assert.False(t, ok)
	})
}

// A change that comes while an earlier one is told waits for its turn, and is
// not told at all after Close.
func TestBreakerCloseDropsChangesNotYetTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told atomic.Int32
		b := resilience.NewBreaker(resilience.BreakerConfig{OpenFor: time.Second}, func(_, _ resilience.State) {
			told.Add(1)
			time.Sleep(10 * time.Second)
		})
		start := time.Now()
		go fail(b, 5)
		time.Sleep(5 * time.Second)
		assert.Equal(t, resilience.HalfOpen, b.State())
		assert.Equal(t, int32(1), told.Load())
		b.Close()
		assert.Equal(t, 10*time.Second, time.Since(start))
		assert.Equal(t, int32(1), told.Load())
	})
}

func TestBreakerCloseWaitsForOnChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := false
		b := resilience.NewBreaker(resilience.BreakerConfig{}, func(_, _ resilience.State) {
			time.Sleep(time.Minute)
			done = true
		})
		go fail(b, 5)
		synctest.Wait()
		start := time.Now()
		b.Close()
		assert.Equal(t, time.Minute, time.Since(start))
		assert.True(t, done)
	})
}

func TestBreakerOutlivesAPanicInOnChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		b := resilience.NewBreaker(resilience.BreakerConfig{}, func(_, _ resilience.State) {
			told++
			if told == 1 {
				panic("owner's fault")
			}
		})
		assert.Panics(t, func() { fail(b, 5) })
		await(t, b).Success()
		synctest.Wait()
		assert.Equal(t, 3, told)
		b.Close()
	})
}

func TestBreakerAllocatesNothing(t *testing.T) {
	b := resilience.NewBreaker(resilience.BreakerConfig{}, nil)
	defer b.Close()
	b.Failure()
	assert.Zero(t, testing.AllocsPerRun(100, b.Success))
	assert.Zero(t, testing.AllocsPerRun(100, func() { b.State() }))
	assert.Zero(t, testing.AllocsPerRun(100, func() { b.Generation() }))
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = b.Trial() }))
}

func TestStateString(t *testing.T) {
	assert.Equal(t, "closed", resilience.Closed.String())
	assert.Equal(t, "open", resilience.Open.String())
	assert.Equal(t, "half-open", resilience.HalfOpen.String())
	assert.Equal(t, "state 7", resilience.State(7).String())
}

func BenchmarkBreaker(b *testing.B) {
	breaker := resilience.NewBreaker(resilience.BreakerConfig{ConsecutiveFailures: -1, FailureRatio: 1}, nil)
	defer breaker.Close()
	b.Run("State", func(b *testing.B) {
		for b.Loop() {
			breaker.State()
		}
	})
	b.Run("Success", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			breaker.Success()
		}
	})
	b.Run("Success/parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				breaker.Success()
			}
		})
	})
	b.Run("Failure", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			breaker.Failure()
		}
	})
}
