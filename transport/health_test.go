package transport_test

import (
	"io"
	"net/http"
	"slices"
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

// A record collects what hooks say, as "what key".
type record struct {
	mu     sync.Mutex
	events []string
	picks  map[string]int
}

func (r *record) add(event string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event)
}

func (r *record) hooks() transport.Hooks {
	r.picks = make(map[string]int)
	endpoint := func(what string) func(transport.EndpointEvent) {
		return func(e transport.EndpointEvent) { r.add(what + " " + e.Endpoint.Key()) }
	}
	return transport.Hooks{
		EndpointAdded:    endpoint("added"),
		EndpointRemoved:  endpoint("removed"),
		EndpointEjected:  endpoint("ejected"),
		EndpointRestored: endpoint("restored"),
		BreakerChanged: func(e transport.BreakerEvent) {
			r.add(e.From.String() + " to " + e.To.String() + " " + e.Endpoint.Key())
		},
		RegistryError: func(e transport.RegistryEvent) { r.add("registry: " + e.Err.Error()) },
		Pick: func(e transport.PickEvent) {
			if e.Trial {
				r.add("trial " + e.Endpoint.Key())
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.picks[e.Endpoint.Key()]++
		},
	}
}

// all returns the events so far, once everything in the bubble has settled.
func (r *record) all() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// take returns the events since it was called last.
func (r *record) take() []string {
	events := r.all()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = nil
	return events
}

// takePicks returns the picks of each endpoint since it was called last.
func (r *record) takePicks() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	picks := r.picks
	r.picks = make(map[string]int)
	return picks
}

// The life of an endpoint that fails: five failures in a row eject it, after
// some five seconds the next call that can be repeated is its trial, a failed
// trial doubles the pause, a good one brings it back.
func TestEjectionAndReturn(t *testing.T) {
	var rec record
	var sick atomic.Bool
	inEveryWay(t, func(t *testing.T, m *mesh) {
		rec.take()
		sick.Store(false)
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, _ *http.Request) {
			if sick.Load() {
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		m.serve("10.0.0.2:80", say(""))
		m.serve("10.0.0.3:80", say(""))
		m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
		call := func(method string, n int) (failed int) {
			for range n {
				status, _, err := m.do(method, "http://orders/", nil)
				require.NoError(t, err)
				if status != http.StatusOK {
					failed++
				}
			}
			return failed
		}
		require.Zero(t, call(http.MethodGet, 30))
		assert.Equal(t, []string{"added 10.0.0.1:80", "added 10.0.0.2:80", "added 10.0.0.3:80"}, rec.take())

		rec.takePicks()
		sick.Store(true)
		assert.Equal(t, 5, call(http.MethodGet, 60), "a 500 is the caller's to see")
		assert.Equal(t, map[string]int{"10.0.0.1:80": 5, "10.0.0.2:80": 28, "10.0.0.3:80": 27}, rec.takePicks())
		assert.Equal(t, []string{"closed to open 10.0.0.1:80", "ejected 10.0.0.1:80"}, rec.take())

		time.Sleep(5500 * time.Millisecond) // 5 s, and 10 % of jitter
		assert.Equal(t, []string{"open to half-open 10.0.0.1:80"}, rec.take())
		assert.Zero(t, call(http.MethodPost, 10), "a call that cannot be repeated is not risked at first")
		assert.Empty(t, rec.take())
		assert.Equal(t, 1, call(http.MethodGet, 10))
		assert.Equal(t, []string{"trial 10.0.0.1:80", "half-open to open 10.0.0.1:80"}, rec.take())

		time.Sleep(8900 * time.Millisecond)
		assert.Empty(t, rec.take(), "twice as long, and 10 % of jitter")
		time.Sleep(3100 * time.Millisecond)
		assert.Equal(t, []string{"open to half-open 10.0.0.1:80"}, rec.take())
		sick.Store(false)
		assert.Zero(t, call(http.MethodPost, 1), "any call will do when it has waited for a second")
		assert.Equal(t, []string{"trial 10.0.0.1:80", "half-open to closed 10.0.0.1:80", "restored 10.0.0.1:80"}, rec.take())
		rec.takePicks()
		assert.Zero(t, call(http.MethodPost, 30))
		for addr, n := range rec.takePicks() {
			assert.InDelta(t, 10, n, 1, addr)
		}
	}, transport.WithPolicy(steady), transport.WithHooks(rec.hooks()))
}

// steady is a round robin that begins at the first endpoint, with state on the
// endpoints, so that counts in tests are exact.
func steady(set balancer.Set) balancer.Picker {
	return balancer.PickerFunc(func(info balancer.PickInfo) (*balancer.Endpoint, error) {
		var best *balancer.Endpoint
		for _, e := range set.Available {
			if !slices.Contains(info.Tried, e) && (best == nil || picked.Of(e).Load() < picked.Of(best).Load()) {
				best = e
			}
		}
		if best == nil {
			best = set.Available[0]
		}
		// A rest does not entitle to a burst.
		least := picked.Of(best).Add(1) - 1
		for _, e := range set.All {
			if n := picked.Of(e); n.Load() < least {
				n.Store(least)
			}
		}
		return best, nil
	})
}

var picked = balancer.NewKey[atomic.Int64]()

// Never more than half of a set is left out: when most of it looks sick, all
// of it is used (S76).
func TestPanic(t *testing.T) {
	var rec record
	inMesh(t, func(t *testing.T, m *mesh) {
		for _, addr := range addrs(4) {
			m.serve(addr, answer(http.StatusInternalServerError, addr))
		}
		m.registry.Set("orders", discovery.Addrs(addrs(4)...)...)
		for range 100 {
			status, _, err := m.get("http://orders/")
			require.NoError(t, err)
			require.Equal(t, http.StatusInternalServerError, status)
		}
		assert.Equal(t, []string{
			"added 10.0.0.1:80", "added 10.0.0.2:80", "added 10.0.0.3:80", "added 10.0.0.4:80",
			"closed to open 10.0.0.1:80", "ejected 10.0.0.1:80",
			"closed to open 10.0.0.2:80", "ejected 10.0.0.2:80",
			"closed to open 10.0.0.3:80", "restored 10.0.0.1:80", "restored 10.0.0.2:80",
			"closed to open 10.0.0.4:80",
		}, rec.all())
		picks := rec.takePicks()
		for _, addr := range addrs(4) {
			assert.Greater(t, picks[addr], 20, addr)
		}
	}, transport.WithPolicy(steady), transport.WithHooks(rec.hooks()))
}

// When everything was down and comes back, the first success is seen at once,
// not when a breaker feels like it; and breakers close although endpoints are
// used in spite of them.
func TestRecoveryFromTotalOutage(t *testing.T) {
	var sick atomic.Bool
	var rec record
	inMesh(t, func(t *testing.T, m *mesh) {
		for _, addr := range addrs(3) {
			m.serve(addr, func(w http.ResponseWriter, _ *http.Request) {
				if sick.Load() {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			})
		}
		m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
		sick.Store(true)
		for range 100 {
			status, _, err := m.get("http://orders/")
			require.NoError(t, err)
			require.Equal(t, http.StatusServiceUnavailable, status)
		}
		sick.Store(false)
		for range 100 {
			status, _, err := m.get("http://orders/")
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status)
		}
		time.Sleep(time.Minute)
		for range 10 {
			_, _, err := m.get("http://orders/")
			require.NoError(t, err)
		}
		closed := 0
		for _, e := range rec.all() {
			if strings.HasPrefix(e, "half-open to closed") {
				closed++
			}
		}
		assert.Equal(t, 3, closed)
	}, transport.WithHooks(rec.hooks()), transport.WithPolicy(steady))
}

// S71: what counts against an endpoint is what it did.
func TestTruncatedBodyIsAFailure(t *testing.T) {
	var rec record
	inEveryWay(t, func(t *testing.T, m *mesh) {
		rec.take()
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "short")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})
		m.serve("10.0.0.2:80", say("ok"))
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		for range 12 {
			_, _, _ = m.get("http://orders/")
		}
		assert.Contains(t, rec.all(), "ejected 10.0.0.1:80")
	}, transport.WithPolicy(steady), transport.WithHooks(rec.hooks()))
}

// What a caller throws away unread is nobody's failure.
func TestClosingEarlyIsNoFailure(t *testing.T) {
	var rec record
	inEveryWay(t, func(t *testing.T, m *mesh) {
		rec.take()
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "begin")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		for range 10 {
			resp, err := m.client.Get(m.url("http://orders/")) //nolint:bodyclose // by the other goroutine
			require.NoError(t, err)
			go func() {
				time.Sleep(time.Millisecond)
				_ = resp.Body.Close() // while the other goroutine reads
			}()
			_, _ = io.ReadAll(resp.Body)
			synctest.Wait()
		}
		assert.Equal(t, []string{"added 10.0.0.1:80"}, rec.take())
	}, transport.WithHooks(rec.hooks()), transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: 1}))
}
