package transport_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/resilience"
	"github.com/namesake-go/namesake/transport"
)

// open makes a call and leaves its body to the test.
func (m *mesh) open(ctx context.Context) (*http.Response, error) {
	return m.rt.RoundTrip(m.request(http.MethodGet, "http://orders/", "").WithContext(ctx))
}

// hold makes a call and leaves its body open.
func (m *mesh) hold(ctx context.Context) error {
	_, err := m.open(ctx) //nolint:bodyclose // as a careless caller would
	return err
}

func noRetry() transport.Option { return transport.WithRetry(resilience.RetryConfig{Attempts: 1}) }

// A call is in flight until its body has been read, closed or abandoned.
func TestLimit(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		abandoned, err := m.open(ctx)
		require.NoError(t, err)
		closed, err := m.open(t.Context())
		require.NoError(t, err)
		for range 3 {
			err = m.hold(t.Context())
			require.ErrorIs(t, err, resilience.ErrLimitReached)
		}
		var failed *transport.Error
		require.ErrorAs(t, err, &failed)
		assert.Zero(t, failed.Attempts)

		require.NoError(t, closed.Body.Close())
		read, err := m.open(t.Context())
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, read.Body)
		require.NoError(t, err)
		defer func() { _ = read.Body.Close() }() // it has ended before
		err = m.hold(t.Context())
		require.NoError(t, err, "what has been read has ended")
		err = m.hold(t.Context())
		require.ErrorIs(t, err, resilience.ErrLimitReached)
		cancel()
		time.Sleep(2 * time.Second)
		err = m.hold(t.Context())
		require.NoError(t, err, "so has what was abandoned")
		require.NoError(t, abandoned.Body.Close())
	}, transport.WithLimit(resilience.LimitConfig{MaxInFlight: 2}))
}

// Calls that fail, and those without a body, end at once.
func TestLimitIsGivenBack(t *testing.T) {
	inEveryMode(t, func(t *testing.T, m *mesh) {
		n := 0
		m.serve("10.0.0.1:80", func(http.ResponseWriter, *http.Request) {
			if n++; n%2 == 0 {
				panic(http.ErrAbortHandler)
			}
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		for i := range 20 {
			_, _, err := m.do(http.MethodPost, "http://orders/", nil)
			assert.Equal(t, i%2 == 1, err != nil, i)
		}
	}, transport.WithLimit(resilience.LimitConfig{MaxInFlight: 1}), transport.WithAdaptiveLimit(resilience.AdaptiveLimitConfig{Min: 1, Max: 1}),
		transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: -1, FailureRatio: -1}))
}

// What waits for its turn waits no longer than its deadline.
func TestLimitWithAQueue(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", func(http.ResponseWriter, *http.Request) { time.Sleep(50 * time.Millisecond) })
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		var ok, refused atomic.Int64
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				switch _, _, err := m.get("http://orders/"); {
				case err == nil:
					ok.Add(1)
				case errors.Is(err, resilience.ErrQueueFull):
					refused.Add(1)
				}
			})
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 0)
		defer cancel()
		err := m.hold(ctx)
		assert.Error(t, err)
		all.Wait()
		assert.Equal(t, int64(2), ok.Load())
		assert.Equal(t, int64(2), refused.Load())
	}, transport.WithLimit(resilience.LimitConfig{MaxInFlight: 1, Queue: 1}))
}

// A service that is overloaded by a burst gets no more at a time than it works
// on: the bound comes down, and latency with it.
func TestAdaptiveLimit(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		slots := make(chan struct{}, 5)
		var most, now atomic.Int64
		m.serve("10.0.0.1:80", func(http.ResponseWriter, *http.Request) {
			n := now.Add(1)
			defer now.Add(-1)
			most.Store(max(most.Load(), n))
			slots <- struct{}{}
			defer func() { <-slots }()
			time.Sleep(10 * time.Millisecond)
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		defer stop()
		var all sync.WaitGroup
		var refused atomic.Int64
		for range 50 {
			all.Go(func() {
				for ctx.Err() == nil {
					if _, _, err := m.get("http://orders/"); errors.Is(err, resilience.ErrLimitReached) {
						refused.Add(1)
						time.Sleep(5 * time.Millisecond)
					}
				}
			})
		}
		all.Wait()
		assert.LessOrEqual(t, most.Load(), int64(25))
		assert.Positive(t, refused.Load())
	}, transport.WithAdaptiveLimit(resilience.AdaptiveLimitConfig{Max: 25}), noRetry())
}

// An endpoint with as many attempts as it may have gets no more; calls go to
// the others, and fail when all have as many.
func TestEndpointLimit(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		release := make(chan struct{})
		hold := func(http.ResponseWriter, *http.Request) { <-release }
		m.serve("10.0.0.1:80", hold)
		m.serve("10.0.0.2:80", hold)
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				resp, err := m.open(t.Context())
				if assert.NoError(t, err) {
					assert.NoError(t, resp.Body.Close())
				}
			})
			synctest.Wait()
		}
		for range 3 {
			err := m.hold(t.Context())
			require.ErrorIs(t, err, resilience.ErrLimitReached)
		}
		close(release)
		all.Wait()
		_, _, err := m.get("http://orders/")
		require.NoError(t, err)
	}, transport.WithPolicy(inOrder), transport.WithEndpointLimit(2))
}

func TestRateLimit(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", say("x"))
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		start := time.Now()
		for range 11 {
			_, _, err := m.get("http://orders/")
			require.NoError(t, err)
		}
		assert.Equal(t, time.Second, time.Since(start), "one at once, and ten a second")
		var refused atomic.Int64
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if _, _, err := m.get("http://orders/"); errors.Is(err, resilience.ErrRateLimited) {
					refused.Add(1)
				}
			})
		}
		all.Wait()
		assert.Equal(t, int64(9), refused.Load(), "one may wait for 100 ms")
	}, transport.WithRateLimit(resilience.RateLimitConfig{PerSecond: 10, Burst: 1}))
}

// A service that refuses half of its calls for overload gets at most twice what
// it accepts.
func TestThrottle(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		var served, accepted atomic.Int64
		second := time.Now()
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, _ *http.Request) {
			served.Add(1)
			if time.Since(second) >= time.Second {
				second = time.Now()
				accepted.Store(0)
			}
			if accepted.Add(1) > 4 { // a second
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		var throttled int64
		call := func(n int) {
			for range n {
				if _, _, err := m.get("http://orders/"); errors.Is(err, resilience.ErrThrottled) {
					throttled++
				}
				time.Sleep(40 * time.Millisecond) // 25 a second
			}
		}
		call(25 * 180)
		before, refused := served.Load(), throttled
		call(25 * 60)
		perSecond := float64(served.Load()-before) / 60
		assert.InDelta(t, 8.5, perSecond, 1.5, "twice what it accepts, and one")
		assert.Greater(t, throttled-refused, int64(60*14))
	}, transport.WithThrottle(resilience.ThrottleConfig{}), noRetry())
}

// The service's breaker counts calls, and lets one at a time through while it
// is half-open.
func TestServiceBreaker(t *testing.T) {
	var changes []resilience.State
	inMesh(t, func(t *testing.T, m *mesh) {
		changes = nil
		sick := true
		served := 0
		handler := func(w http.ResponseWriter, _ *http.Request) {
			served++
			if sick {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}
		m.serve("10.0.0.1:80", handler)
		m.serve("10.0.0.2:80", handler)
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		for range 5 {
			status, _, err := m.get("http://orders/")
			require.NoError(t, err, "a response is never turned into an error")
			require.Equal(t, 500, status)
		}
		for range 10 {
			_, _, err := m.get("http://orders/")
			require.ErrorIs(t, err, resilience.ErrBreakerOpen)
		}
		assert.Equal(t, 5, served)
		time.Sleep(6 * time.Second)
		status, _, err := m.get("http://orders/")
		require.NoError(t, err)
		assert.Equal(t, 500, status, "a trial")
		_, _, err = m.get("http://orders/")
		require.ErrorIs(t, err, resilience.ErrBreakerOpen)
		sick = false
		time.Sleep(12 * time.Second)
		status, _, err = m.get("http://orders/")
		require.NoError(t, err)
		assert.Equal(t, 200, status)
		_, _, err = m.get("http://orders/")
		require.NoError(t, err)
		assert.Equal(t, []resilience.State{
			resilience.Open, resilience.HalfOpen, resilience.Open, resilience.HalfOpen, resilience.Closed,
		}, changes)
	}, transport.WithServiceBreaker(resilience.BreakerConfig{}),
		transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: -1, FailureRatio: -1}),
		transport.WithHooks(transport.Hooks{BreakerChanged: func(e transport.BreakerEvent) {
			if e.Endpoint == nil {
				changes = append(changes, e.To)
			}
		}}))
}

// Quick headers with bodies that break off are no success: not for the
// breaker, and not for the limit, which would grow.
func TestGuardsHearOfBrokenBodies(t *testing.T) {
	inEveryMode(t, func(t *testing.T, m *mesh) {
		served := 0
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, _ *http.Request) {
			served++
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		for range 5 {
			resp, err := m.open(t.Context())
			require.NoError(t, err)
			_, err = io.ReadAll(resp.Body)
			require.Error(t, err)
			require.NoError(t, resp.Body.Close())
		}
		for range 10 {
			_, _, err := m.get("http://orders/")
			require.ErrorIs(t, err, resilience.ErrBreakerOpen)
		}
		assert.Equal(t, 5, served)
	}, transport.WithServiceBreaker(resilience.BreakerConfig{}), transport.WithAdaptiveLimit(resilience.AdaptiveLimitConfig{}),
		transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: -1, FailureRatio: -1}))
}

func TestFallback(t *testing.T) {
	cached := func(_ *http.Request, err error) (*http.Response, error) {
		if !errors.Is(err, balancer.ErrNoEndpoints) && !errors.Is(err, discovery.ErrUnknownService) {
			return nil, err
		}
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("cached"))}, nil
	}
	inEveryWay(t, func(t *testing.T, m *mesh) {
		_, body, err := m.get("http://orders/")
		require.NoError(t, err)
		assert.Equal(t, "cached", body)
		m.serve("10.0.0.1:80", answer(503, "no"))
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		time.Sleep(time.Second)
		status, body, err := m.get("http://orders/")
		require.NoError(t, err)
		assert.Equal(t, 503, status)
		assert.Equal(t, "no", body, "responses are responses")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err = m.hold(ctx)
		require.ErrorIs(t, err, context.Canceled, "the fallback's own error")
	}, transport.WithFallback(cached))
}

// What a call's context says of repeating it prevails over its method.
func TestRepeatable(t *testing.T) {
	for name, c := range map[string]struct {
		method string
		ctx    func(context.Context) context.Context
		sends  int
	}{
		"POST":                {http.MethodPost, func(ctx context.Context) context.Context { return ctx }, 1},
		"a repeatable POST":   {http.MethodPost, transport.Repeatable, 2},
		"PUT":                 {http.MethodPut, func(ctx context.Context) context.Context { return ctx }, 2},
		"an unrepeatable PUT": {http.MethodPut, transport.Unrepeatable, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inEveryMode(t, func(t *testing.T, m *mesh) {
				served := 0
				m.serve("10.0.0.1:80", func(w http.ResponseWriter, _ *http.Request) {
					served++
					w.WriteHeader(http.StatusBadGateway)
				})
				m.serve("10.0.0.2:80", func(http.ResponseWriter, *http.Request) { served++ })
				m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
				resp, err := m.rt.RoundTrip(m.request(c.method, "http://orders/", "x").WithContext(c.ctx(t.Context())))
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Equal(t, c.sends, served)
			}, transport.WithPolicy(inOrder))
		})
	}
}

// A response that the service's condition names is repeated as a 502 is.
func TestRetryIf(t *testing.T) {
	inEveryMode(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", answer(http.StatusNotFound, "not yet"))
		m.serve("10.0.0.2:80", say("here"))
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		_, body, err := m.get("http://orders/")
		require.NoError(t, err)
		assert.Equal(t, "here", body)
		status, _, err := m.do(http.MethodPost, "http://orders/", nil)
		require.NoError(t, err)
		assert.Equal(t, http.StatusNotFound, status)
	}, transport.WithPolicy(inOrder), transport.WithRetryIf(func(r *http.Response) bool { return r.StatusCode == http.StatusNotFound }))
}

// All services share one budget, beside their own.
func TestTotalBudget(t *testing.T) {
	var seen attempts
	inMesh(t, func(t *testing.T, m *mesh) {
		for i, service := range []string{"orders", "stock"} {
			addr := addrs(2)[i]
			m.serve(addr, answer(http.StatusBadGateway, ""))
			m.registry.Set(service, discovery.Addrs(addr)...)
		}
		for range 50 {
			for _, service := range []string{"orders", "stock"} {
				_, _, err := m.get("http://" + service + "/")
				require.NoError(t, err)
			}
		}
		assert.Len(t, seen.take(), 100+10, "a tenth of a hundred")
	}, transport.WithTotalBudget(resilience.BudgetConfig{Ratio: 0.1, MinPerSecond: -1, Window: time.Hour}),
		transport.WithRetry(resilience.RetryConfig{BaseDelay: -1}),
		transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: -1, FailureRatio: -1}), seen.option())
}
