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
	"github.com/namesake-go/namesake/internal/race"
	"github.com/namesake-go/namesake/resilience"
	"github.com/namesake-go/namesake/transport"
)

const hedgeAfter = 20 * time.Millisecond

func hedging(opts ...transport.Option) []transport.Option {
	return append([]transport.Option{
		transport.WithPolicy(inOrder), transport.WithHedging(resilience.HedgeDelayConfig{Fixed: hedgeAfter}),
	}, opts...)
}

// attempts keeps what hooks say of attempts.
type attempts struct {
	mu   sync.Mutex
	list []transport.AttemptEvent
}

func (a *attempts) option() transport.Option {
	return transport.WithHooks(transport.Hooks{Attempt: func(e transport.AttemptEvent) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.list = append(a.list, e)
	}})
}

func (a *attempts) take() []transport.AttemptEvent {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list
	a.list = nil
	return list
}

// S77: the first endpoint is late, the second answers. What comes first counts,
// the other is canceled and blamed for nothing, and nothing is left.
func TestHedge(t *testing.T) {
	var seen attempts
	inEveryWay(t, func(t *testing.T, m *mesh) {
		seen.take()
		canceled := make(chan time.Time, 1)
		m.serve("10.0.0.1:80", func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			canceled <- time.Now()
			panic(http.ErrAbortHandler)
		})
		m.serve("10.0.0.2:80", say("second"))
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		start := time.Now()
		resp, err := m.rt.RoundTrip(m.request(http.MethodGet, "http://orders/", ""))
		require.NoError(t, err)
		assert.Equal(t, hedgeAfter, time.Since(start))
		time.Sleep(time.Second)
		assert.Equal(t, hedgeAfter, (<-canceled).Sub(start))
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Equal(t, "second", string(text))
		require.NoError(t, resp.Body.Close())
		synctest.Wait()

		events := seen.take()
		require.Len(t, events, 2)
		won, lost := events[0], events[1]
		if lost.Hedge {
			won, lost = lost, won
		}
		assert.Equal(t, balancer.Success, won.Outcome)
		assert.Equal(t, 2, won.Attempt)
		assert.Equal(t, "10.0.0.2:80", won.Endpoint.Addr())
		assert.True(t, won.Hedge)
		assert.Equal(t, balancer.Ignored, lost.Outcome)
		assert.Equal(t, hedgeAfter, lost.Latency)
		assert.Zero(t, won.Endpoint.InFlight())
		assert.Zero(t, lost.Endpoint.InFlight())
	}, hedging(seen.option())...)
}

// The first answer stands although the hedge is under way.
func TestHedgeThatLoses(t *testing.T) {
	var seen attempts
	var calls []transport.CallEvent
	inEveryWay(t, func(t *testing.T, m *mesh) {
		seen.take()
		calls = nil
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(2 * hedgeAfter)
			_, _ = io.WriteString(w, "first")
		})
		m.serve("10.0.0.2:80", hangs)
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		start := time.Now()
		_, body, err := m.get("http://orders/")
		require.NoError(t, err)
		assert.Equal(t, "first", body)
		assert.Equal(t, 2*hedgeAfter, time.Since(start))
		synctest.Wait()
		require.Len(t, calls, 1)
		assert.Equal(t, 2, calls[0].Attempts)
		assert.Equal(t, "10.0.0.1:80", calls[0].Endpoint.Addr())
		for _, e := range seen.take() {
			assert.Equal(t, e.Hedge, e.Outcome == balancer.Ignored)
			assert.Zero(t, e.Endpoint.InFlight())
		}
	}, hedging(seen.option(), transport.WithHooks(transport.Hooks{
		Call: func(e transport.CallEvent) { calls = append(calls, e) },
	}))...)
}

// What is answered in time is not hedged, and leaves no context behind.
func TestNoHedgeInTime(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(hedgeAfter / 2)
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Second) // the body may take as long as it likes
			_, _ = io.WriteString(w, "first")
		})
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		_, body, err := m.get("http://orders/")
		require.NoError(t, err)
		assert.Equal(t, "first", body)
		assert.Zero(t, m.net.Dials("10.0.0.2:80"))
	}, hedging()...)
}

// What fails while the hedge is under way leaves the call to it.
func TestHedgeOfAFailure(t *testing.T) {
	for name, c := range map[string]struct {
		first, second, third http.HandlerFunc
		body                 string
		status               int
		attempts             int
		after                time.Duration
	}{
		"the hedge is well": {
			first: lateAnswer(2*hedgeAfter, 503), second: lateAnswer(3*hedgeAfter, 200), third: say("third"),
			status: 200, attempts: 2, after: 4 * hedgeAfter,
		},
		"both fail": {
			first: lateAnswer(2*hedgeAfter, 503), second: lateAnswer(2*hedgeAfter, 503), third: say("third"),
			status: 200, body: "third", attempts: 3, after: 3 * hedgeAfter,
		},
		"the hedge fails first": {
			first: lateAnswer(3*hedgeAfter, 200), second: lateAnswer(0, 503), third: say("third"),
			status: 200, attempts: 2, after: 3 * hedgeAfter,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var calls []transport.CallEvent
			inMesh(t, func(t *testing.T, m *mesh) {
				m.serve("10.0.0.1:80", c.first)
				m.serve("10.0.0.2:80", c.second)
				m.serve("10.0.0.3:80", c.third)
				m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
				start := time.Now()
				status, body, err := m.get("http://orders/")
				require.NoError(t, err)
				assert.Equal(t, c.status, status)
				assert.Equal(t, c.body, body)
				require.Len(t, calls, 1)
				assert.Equal(t, c.attempts, calls[0].Attempts)
				// A third attempt may wait, up to its backoff.
				assert.InDelta(t, c.after, time.Since(start), float64(50*time.Millisecond)*float64(c.attempts-2)+1)
			}, hedging(transport.WithHooks(transport.Hooks{
				Call: func(e transport.CallEvent) { calls = append(calls, e) },
			}))...)
		})
	}
}

func lateAnswer(d time.Duration, status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(d)
		w.WriteHeader(status)
	}
}

// S74: a thousand lost attempts do not open a breaker.
func TestHedgesBlameNobody(t *testing.T) {
	opened := false
	inMesh(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", hangs)
		m.serve("10.0.0.2:80", say("second"))
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		for range 1000 {
			_, body, err := m.get("http://orders/")
			require.NoError(t, err)
			require.Equal(t, "second", body)
		}
		synctest.Wait()
		assert.False(t, opened)
	}, hedging(transport.WithBudget(resilience.BudgetConfig{Ratio: 1}),
		transport.WithHooks(transport.Hooks{BreakerChanged: func(transport.BreakerEvent) { opened = true }}))...)
}

// S78: what cannot be repeated without harm is not hedged.
func TestNeverHedged(t *testing.T) {
	trailers := func(m *mesh) *http.Request {
		req := m.request(http.MethodPut, "http://orders/", "x")
		req.Trailer = http.Header{"X-End": nil}
		return req
	}
	for name, c := range map[string]struct {
		request func(m *mesh) *http.Request
		hedged  bool
	}{
		"a GET": {func(m *mesh) *http.Request { return m.request(http.MethodGet, "http://orders/", "") }, true},
		"a PUT": {func(m *mesh) *http.Request { return m.request(http.MethodPut, "http://orders/", "x") }, true},
		"a POST with a key": {func(m *mesh) *http.Request {
			req := m.request(http.MethodPost, "http://orders/", "x")
			req.Header.Set("Idempotency-Key", "1")
			return req
		}, true},
		"a POST":   {func(m *mesh) *http.Request { return m.request(http.MethodPost, "http://orders/", "x") }, false},
		"trailers": {trailers, false},
		"a stream": {func(m *mesh) *http.Request {
			req := m.request(http.MethodPut, "http://orders/", "")
			req.Body = io.NopCloser(strings.NewReader("x"))
			return req
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			inEveryMode(t, func(t *testing.T, m *mesh) {
				answer := func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					time.Sleep(2 * hedgeAfter)
				}
				m.serve("10.0.0.1:80", answer)
				m.serve("10.0.0.2:80", answer)
				m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
				resp, err := m.rt.RoundTrip(c.request(m))
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Equal(t, c.hedged, m.net.Dials("10.0.0.2:80") > 0)
			}, hedging()...)
		})
	}
}

// Where all calls are late, hedges are as many as the budget allows: a fifth of
// the calls, and what the floor gives.
func TestHedgesStayWithinTheBudget(t *testing.T) {
	var seen attempts
	inMesh(t, func(t *testing.T, m *mesh) {
		slow := func(http.ResponseWriter, *http.Request) { time.Sleep(2 * hedgeAfter) }
		m.serve("10.0.0.1:80", slow)
		m.serve("10.0.0.2:80", slow)
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		for range 500 { // in 20 s
			_, _, err := m.get("http://orders/")
			require.NoError(t, err)
		}
		hedges := 0
		for _, e := range seen.take() {
			if e.Hedge {
				hedges++
			}
		}
		assert.GreaterOrEqual(t, hedges, 60)
		assert.LessOrEqual(t, hedges, 500/5)
	}, hedging(transport.WithBudget(resilience.BudgetConfig{MinPerSecond: -1}), seen.option())...)
}

// By itself the delay is what 19 of 20 calls take at most.
func TestHedgeDelayFollowsTheService(t *testing.T) {
	var seen attempts
	inMesh(t, func(t *testing.T, m *mesh) {
		var n atomic.Int64
		m.serve("10.0.0.1:80", func(http.ResponseWriter, *http.Request) {
			if n.Add(1)%50 == 0 {
				time.Sleep(time.Second)
			}
			time.Sleep(10 * time.Millisecond)
		})
		m.serve("10.0.0.2:80", say("second"))
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		for i := range 300 {
			start := time.Now()
			_, body, err := m.get("http://orders/")
			require.NoError(t, err)
			switch took := time.Since(start); {
			case body == "second":
				assert.Greater(t, i, 100)
				assert.InDelta(t, 10*time.Millisecond, took, float64(time.Millisecond))
			case i > 200:
				assert.Equal(t, 10*time.Millisecond, took)
			}
		}
		hedges := 0
		for _, e := range seen.take() {
			if e.Hedge {
				hedges++
			}
		}
		assert.Equal(t, 4, hedges, "of the calls after the hundredth, one in fifty")
	}, transport.WithPolicy(inOrder), transport.WithHedging(resilience.HedgeDelayConfig{}), seen.option())
}

// A caller who gives up gives up both.
func TestHedgeOfACallerWhoGivesUp(t *testing.T) {
	inEveryMode(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", hangs)
		m.serve("10.0.0.2:80", hangs)
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		ctx, cancel := context.WithTimeoutCause(t.Context(), 3*hedgeAfter, errors.New("enough"))
		defer cancel()
		start := time.Now()
		resp, err := m.rt.RoundTrip(m.request(http.MethodGet, "http://orders/", "").WithContext(ctx))
		if err == nil {
			_ = resp.Body.Close()
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, "enough")
		assert.Equal(t, 3*hedgeAfter, time.Since(start))
	}, hedging()...)
}

// Close does not wait for what hangs.
func TestHedgeAndClose(t *testing.T) {
	inEveryMode(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", hangs)
		m.serve("10.0.0.2:80", hangs)
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { assert.ErrorIs(t, m.hold(ctx), context.Canceled) })
		time.Sleep(2 * hedgeAfter)
		start := time.Now()
		m.rt.Close()
		assert.Zero(t, time.Since(start))
		time.Sleep(time.Minute)
		cancel()
		all.Wait()
	}, hedging()...)
}

// With hedging on, a call that is not late costs a copy of the request, two
// contexts and what belongs to the hedge.
func TestHedgingAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	count := func(opts ...transport.Option) float64 {
		rt := newTransport(t, discovery.Addrs(rawServer(t, "hello")), opts...)
		req := newRequest(t, http.MethodGet, "http://orders/", "")
		buf := make([]byte, 64)
		roundTrip(t, rt, req, buf)
		return testing.AllocsPerRun(200, func() { roundTrip(t, rt, req, buf) })
	}
	plain := count()
	hedged := count(transport.WithHedging(resilience.HedgeDelayConfig{Fixed: time.Hour}))
	t.Logf("plain %.0f, hedged %.0f", plain, hedged)
	assert.LessOrEqual(t, hedged-plain, 10.)
}
