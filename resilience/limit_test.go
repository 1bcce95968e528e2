package resilience_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/resilience"
)

const ms = time.Millisecond

func newLimit(maxInFlight, queue int, maxWait time.Duration) *resilience.Limit {
	return resilience.NewLimit(resilience.LimitConfig{MaxInFlight: maxInFlight, Queue: queue, MaxWait: maxWait})
}

func assertLimit(t *testing.T, l *resilience.Limit, inFlight, waiting int) {
	t.Helper()
	assert.Equal(t, []int{inFlight, waiting}, []int{l.InFlight(), l.Waiting()}, "in flight, waiting")
}

func TestLimitWithoutQueue(t *testing.T) {
	l := newLimit(2, 0, 0)
	require.NoError(t, l.Acquire(t.Context()))
	require.True(t, l.TryAcquire())
	assert.ErrorIs(t, l.Acquire(t.Context()), resilience.ErrLimitReached)
	assert.False(t, l.TryAcquire())
	assertLimit(t, l, 2, 0)
	l.Release()
	assert.True(t, l.TryAcquire())
	l.Release()
	l.Release()
	l.Release() // one too many
	assertLimit(t, l, 0, 0)
	assert.True(t, l.TryAcquire())
	assert.True(t, l.TryAcquire())
	assert.False(t, l.TryAcquire(), "it makes no room")
}

func TestLimitConfigBounds(t *testing.T) {
	assert.Equal(t, 1024, newLimit(0, 0, 0).MaxInFlight())
	assert.Equal(t, 1, newLimit(-5, -5, -5).MaxInFlight())
	huge := newLimit(1<<40, 1<<40, 0)
	assert.True(t, huge.TryAcquire())
	huge.SetLimit(0)
	assert.Equal(t, 1, huge.MaxInFlight())
	assert.False(t, huge.TryAcquire())
}

func TestLimitQueueIsFIFO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimit(1, 3, time.Second)
		require.True(t, l.TryAcquire())
		order := make(chan int, 3)
		for i := range 3 {
			go func() {
				if assert.NoError(t, l.Acquire(t.Context())) {
					order <- i
				}
			}()
			synctest.Wait()
		}
		assertLimit(t, l, 1, 3)
		assert.ErrorIs(t, l.Acquire(t.Context()), resilience.ErrQueueFull)
		l.Release()
		assert.False(t, l.TryAcquire(), "nobody overtakes")
		for i := range 3 {
			synctest.Wait()
			require.Equal(t, i, <-order)
			l.Release()
		}
		assertLimit(t, l, 0, 0)
	})
}

func TestLimitQueueIsBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimit(1, 10, 0)
		require.True(t, l.TryAcquire())
		start := time.Now()
		assert.ErrorIs(t, l.Acquire(t.Context()), resilience.ErrQueueTimeout)
		assert.Equal(t, 100*ms, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), 30*ms)
		defer cancel()
		start = time.Now()
		assert.ErrorIs(t, l.Acquire(ctx), context.DeadlineExceeded)
		assert.Equal(t, 30*ms, time.Since(start))
		assert.ErrorIs(t, l.Acquire(ctx), context.DeadlineExceeded)
		l.Release()
		assert.NoError(t, l.Acquire(ctx), "where there is room nobody asks")
		assertLimit(t, l, 1, 0)
	})
}

// Once calls have been waiting for 100 ms without a break, none waits for more
// than 5 ms. The break ends that.
func TestLimitStandingQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimit(1, 100, 100*ms)
		require.True(t, l.TryAcquire())
		start := time.Now()
		arrive := func(at, wait time.Duration) {
			time.Sleep(at - time.Since(start))
			go func() {
				began := time.Now()
				assert.ErrorIs(t, l.Acquire(t.Context()), resilience.ErrQueueTimeout)
				assert.Equal(t, wait, time.Since(began), "arrived after %v", at)
			}()
		}
		arrive(0, 100*ms)
		arrive(50*ms, 100*ms)
		arrive(99*ms, 100*ms)
		arrive(101*ms, 5*ms)
		arrive(198*ms, 5*ms)
		arrive(201*ms, 5*ms) // the last but one has gone at 199 ms, 198's stays until 203
		arrive(205*ms, 5*ms)
		arrive(211*ms, 100*ms) // all were gone at 210 ms
		time.Sleep(time.Second)
		assertLimit(t, l, 1, 0)
	})
}

func TestLimitSetLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimit(1, 10, time.Second)
		require.True(t, l.TryAcquire())
		for range 5 {
			go func() { assert.NoError(t, l.Acquire(t.Context())) }()
		}
		synctest.Wait()
		assertLimit(t, l, 1, 5)
		l.SetLimit(4)
		synctest.Wait()
		assertLimit(t, l, 4, 2)
		l.SetLimit(2)
		l.Release()
		l.Release()
		synctest.Wait()
		assertLimit(t, l, 2, 2)
		l.Release()
		synctest.Wait()
		assertLimit(t, l, 2, 1)
		l.SetLimit(10)
		synctest.Wait()
		assertLimit(t, l, 3, 0)
	})
}

// A call's context ends, or its time in the queue, in the very moment in which
// its turn comes: either it is let through, or the next is.
func TestLimitTurnAndEndAtOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		ctx  func(context.Context) (context.Context, context.CancelFunc)
	}{
		{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 10*ms)
		}},
		{"canceled", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(10*ms, cancel)
			return ctx, cancel
		}},
		{"queue", context.WithCancel},
	} {
		t.Run(c.name, func(t *testing.T) {
			through, ended := 0, 0
			for range 300 {
				synctest.Test(t, func(t *testing.T) {
					l := newLimit(1, 2, 10*ms)
					require.True(t, l.TryAcquire())
					first, cancel := c.ctx(t.Context())
					defer cancel()
					var err error
					var wg sync.WaitGroup
					wg.Go(func() {
						if err = l.Acquire(first); err == nil {
							l.Release()
						}
					})
					time.Sleep(time.Duration(rand.N(2)) * ms)
					wg.Go(func() {
						time.Sleep(5 * ms)
						if assert.NoError(t, l.Acquire(t.Context())) {
							l.Release()
						}
					})
					time.AfterFunc(9*ms, func() { go func() { time.Sleep(ms); l.Release() }() })
					wg.Wait()
					time.Sleep(20 * ms)
					assertLimit(t, l, 0, 0)
					if err == nil {
						through++
					} else {
						ended++
					}
				})
			}
			assert.Positive(t, through, "of 300, both happens")
			assert.Positive(t, ended)
		})
	}
}

// The same, with both there before the call looks.
func TestLimitTurnThenCanceled(t *testing.T) {
	through, ended := 0, 0
	for i := range 300 {
		synctest.Test(t, func(t *testing.T) {
			l := newLimit(1, 2, time.Second)
			require.True(t, l.TryAcquire())
			ctx, cancel := context.WithCancel(t.Context())
			result := make(chan error)
			go func() { result <- l.Acquire(ctx) }()
			synctest.Wait()
			next := make(chan error)
			go func() { next <- l.Acquire(t.Context()) }()
			synctest.Wait()
			if i%2 == 0 {
				l.Release()
				cancel()
			} else {
				cancel()
				l.Release()
			}
			if err := <-result; err == nil {
				through++
				l.Release()
			} else {
				ended++
				assert.ErrorIs(t, err, context.Canceled)
			}
			assert.NoError(t, <-next)
			assertLimit(t, l, 1, 0)
		})
	}
	assert.Positive(t, through, "of 300, both happens")
	assert.Positive(t, ended)
}

// Whoever acquires, releases, gives up and changes the limit: there are never
// more in flight than may be, nobody waits in vain, nothing is left over.
func TestLimitConcurrently(t *testing.T) {
	const most = 8
	l := newLimit(most, 16, 200*time.Microsecond)
	var inFlight, through, refused atomic.Int64
	stop := make(chan struct{})
	var setter sync.WaitGroup
	setter.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				l.SetLimit(1 + n%most)
			}
		}
	})
	var wg sync.WaitGroup
	for g := range 32 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(g))) //nolint:gosec // for variety only
			for range 150 {
				ctx, cancel := context.WithCancel(t.Context())
				switch r.IntN(4) {
				case 0:
					time.AfterFunc(time.Duration(r.IntN(300))*time.Microsecond, cancel)
				case 1:
					cancel()
				}
				if l.Acquire(ctx) == nil {
					if inFlight.Add(1) > most {
						t.Error("too many in flight")
					}
					through.Add(1)
					for range r.IntN(2000) {
						_ = r.Uint64()
					}
					inFlight.Add(-1)
					l.Release()
				} else {
					refused.Add(1)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	close(stop)
	setter.Wait()
	assertLimit(t, l, 0, 0)
	assert.Equal(t, int64(32*150), through.Load()+refused.Load())
	l.SetLimit(most)
	for range most {
		assert.True(t, l.TryAcquire())
	}
	assert.False(t, l.TryAcquire())
}

// A plain model of a limit, against which random steps are compared.
type limitModel struct {
	limit, maxQueue, inFlight int
	queue                     []int
}

func (m *limitModel) grant() (granted []int) {
	for len(m.queue) > 0 && m.inFlight < m.limit {
		granted = append(granted, m.queue[0])
		m.queue = m.queue[1:]
		m.inFlight++
	}
	return granted
}

func TestLimitAgainstAModel(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // reproducible
			m := limitModel{limit: 3, maxQueue: 4}
			l := newLimit(m.limit, m.maxQueue, time.Hour)
			cancels := make(map[int]context.CancelFunc)
			done := make(chan int, 100)
			var got, want []int
			for id := range 300 {
				switch r.IntN(5) {
				case 0, 1:
					ctx, cancel := context.WithCancel(t.Context())
					cancels[id] = cancel
					go func() {
						switch err := l.Acquire(ctx); {
						case err == nil:
							done <- id
						case errors.Is(err, resilience.ErrQueueFull):
							done <- -id
						default:
							assert.ErrorIs(t, err, context.Canceled)
						}
					}()
					switch {
					case len(m.queue) == 0 && m.inFlight < m.limit:
						m.inFlight++
						want = append(want, id)
					case len(m.queue) < m.maxQueue:
						m.queue = append(m.queue, id)
					default:
						want = append(want, -id)
					}
				case 2, 3:
					l.Release()
					m.inFlight = max(m.inFlight-1, 0)
				case 4:
					if n := len(m.queue); n > 0 && r.IntN(2) == 0 {
						i := r.IntN(n)
						cancels[m.queue[i]]()
						m.queue = append(m.queue[:i:i], m.queue[i+1:]...)
					} else {
						m.limit = 1 + r.IntN(5)
						l.SetLimit(m.limit)
					}
				}
				granted := m.grant()
				want = append(want, granted...)
				synctest.Wait()
				var now []int
				for len(done) > 0 {
					now = append(now, <-done)
				}
				if len(granted) > 1 { // woken at once, they report in any order
					require.ElementsMatch(t, granted, now)
					now = granted
				}
				got = append(got, now...)
				require.Equal(t, want, got, "seed %d, step %d", seed, id)
				require.Equal(t, []int{m.inFlight, len(m.queue)}, []int{l.InFlight(), l.Waiting()})
			}
			for _, cancel := range cancels {
				cancel()
			}
		})
	}
}

func TestLimitAllocatesNothing(t *testing.T) {
	l := newLimit(2, 0, 0)
	full := newLimit(1, 0, 0)
	require.True(t, full.TryAcquire())
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if l.Acquire(t.Context()) == nil {
			l.Release()
		}
		_ = full.Acquire(t.Context())
	}))
}

func BenchmarkLimit(b *testing.B) {
	l := newLimit(0, 0, 0)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if l.TryAcquire() {
				l.Release()
			}
		}
	})
}
