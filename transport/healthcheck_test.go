package transport_test

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/namesake-go/namesake/transport"
	"github.com/namesake-go/namesake/transport/fault"
)

// A ward is a mesh whose copies can fall ill without telling those who call.
type ward struct {
	*mesh
	rec    *record
	checks sync.Map // the number of a copy -> how it answers checks, an http.HandlerFunc
	mu     sync.Mutex
	events []checked
}

// A checked is what a hook says of a check.
type checked struct {
	addr    string
	at      time.Time
	latency time.Duration
	status  int
	err     error
	healthy bool
}

// inWard runs f, with n copies, in each way or in the first only.
func inWard(t *testing.T, n int, every bool, f func(t *testing.T, w *ward), cfg transport.HealthCheckConfig, opts ...transport.Option) {
	t.Helper()
	list := modes()[:1]
	if every {
		list = ways()
	}
	for _, mode := range list {
		t.Run(mode.name, func(t *testing.T) {
			w := &ward{rec: new(record)}
			hooks := w.rec.hooks()
			reasoned := func(what string) func(transport.EndpointEvent) {
				return func(e transport.EndpointEvent) {
					w.rec.add(strings.TrimSpace(what + " " + e.Endpoint.Addr() + " " + string(e.Reason)))
				}
			}
			hooks.EndpointAdded, hooks.EndpointRemoved = reasoned("added"), reasoned("removed")
			hooks.EndpointEjected, hooks.EndpointRestored = reasoned("ejected"), reasoned("restored")
			hooks.HealthCheck = func(e transport.HealthCheckEvent) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.events = append(w.events, checked{e.Endpoint.Addr(), time.Now(), e.Latency, e.Status, e.Err, e.Healthy})
			}
			cfg := cfg
			if mode.secure {
				cfg.Scheme = "https"
			}
			opts := append([]transport.Option{
				transport.WithPolicy(steady), transport.WithHooks(hooks), transport.WithHealthCheck(cfg),
			}, opts...)
			mode.run(t, func(t *testing.T, m *mesh) {
				w.mesh = m
				for _, addr := range addrs(n) {
					w.copy(addr)
				}
				f(t, w)
			}, opts)
		})
	}
}

// copy starts a copy.
func (w *ward) copy(addr string) *http.Server {
	return w.serve(addr, func(rw http.ResponseWriter, r *http.Request) {
		if check, ok := w.checks.Load(addr); ok && r.URL.Path == "/readyz" {
			check.(http.HandlerFunc)(rw, r)
			return
		}
		_, _ = io.WriteString(rw, addr)
	})
}

func (w *ward) ill(addr string, check http.HandlerFunc) { w.checks.Store(addr, check) }
func (w *ward) well(addr string)                        { w.checks.Delete(addr) }

// begin registers copies and has them watched.
func (w *ward) begin(addrs ...string) {
	w.t.Helper()
	w.registry.Set("orders", discovery.Addrs(addrs...)...)
	_, _, err := w.get("http://orders/")
	require.NoError(w.t, err)
	synctest.Wait()
}

// of returns the checks of a copy so far.
func (w *ward) of(addr string) []checked {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.events), func(c checked) bool { return c.addr != addr })
}

// next waits for n more checks of a copy and returns them.
func (w *ward) next(addr string, n int) []checked {
	w.t.Helper()
	before := len(w.of(addr))
	for range n * 140 { // an interval of 11 s, and a timeout
		if list := w.of(addr); len(list) >= before+n {
			return list[before:]
		}
		time.Sleep(100 * time.Millisecond) // far below an interval, so that there is one more at most
	}
	require.Fail(w.t, "no checks")
	return nil
}

// shares makes calls, all of which must succeed, and says who got some.
func (w *ward) shares(calls int) []string {
	w.t.Helper()
	seen := make(map[string]bool)
	for range calls {
		status, addr, err := w.get("http://orders/")
		require.NoError(w.t, err)
		require.Equal(w.t, http.StatusOK, status)
		seen[addr] = true
	}
	var list []string
	for addr := range seen {
		list = append(list, addr)
	}
	slices.Sort(list)
	return list
}

const (
	leastInterval = 9 * time.Second // 10 s, and 10 % of jitter
	mostInterval  = 11 * time.Second
)

// A copy that fails three checks in a row is ejected, two that pass bring it
// back, and nothing less does either. Calls do not suffer meanwhile.
func TestHealthChecks(t *testing.T) {
	const sick = "10.0.0.1:80"
	for name, test := range map[string]struct {
		check   http.HandlerFunc
		status  int
		latency time.Duration
	}{
		"is not ready": {answer(http.StatusServiceUnavailable, ""), http.StatusServiceUnavailable, 0},
		"redirects": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/fine", http.StatusFound) },
			http.StatusFound, 0},
		"hangs": {hangs, 0, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inWard(t, 3, true, func(t *testing.T, w *ward) {
				w.begin(addrs(3)...)
				assert.Equal(t, []string{"added 10.0.0.1:80", "added 10.0.0.2:80", "added 10.0.0.3:80"}, w.rec.take())
				for _, c := range w.next(sick, 2) {
					assert.Equal(t, checked{addr: sick, at: c.at, status: http.StatusOK, healthy: true}, c)
				}

				w.ill(sick, test.check)
				failed := w.next(sick, 2)
				w.well(sick)
				w.next(sick, 1)
				assert.Empty(t, w.rec.take(), "two are not enough")
				w.ill(sick, test.check)
				failed = append(failed, w.next(sick, 3)...)
				for i, c := range failed {
					require.Error(t, c.err)
					assert.Equal(t, i == 4, !c.healthy)
					assert.Equal(t, test.status, c.status)
					assert.Equal(t, test.latency, c.latency)
					if i > 2 || i == 1 {
						gap := c.at.Sub(failed[i-1].at) - test.latency
						assert.GreaterOrEqual(t, gap, leastInterval)
						assert.LessOrEqual(t, gap, mostInterval)
					}
				}
				if test.status == 0 {
					require.ErrorIs(t, failed[0].err, context.DeadlineExceeded)
				}
				assert.Equal(t, []string{"ejected 10.0.0.1:80 health check failed"}, w.rec.take())
				assert.Equal(t, []string{"10.0.0.2:80", "10.0.0.3:80"}, w.shares(30))

				w.well(sick)
				assert.False(t, w.next(sick, 1)[0].healthy)
				w.ill(sick, test.check)
				w.next(sick, 1)
				w.well(sick)
				w.next(sick, 1)
				assert.Empty(t, w.rec.take(), "one is not enough")
				assert.Equal(t, []string{"10.0.0.2:80", "10.0.0.3:80"}, w.shares(30))
				assert.True(t, w.next(sick, 1)[0].healthy)
				assert.Equal(t, []string{"restored 10.0.0.1:80 recovered"}, w.rec.take())
				assert.Equal(t, addrs(3), w.shares(30))
				for _, c := range slices.Concat(w.of("10.0.0.2:80"), w.of("10.0.0.3:80")) {
					assert.True(t, c.healthy)
				}
			}, transport.HealthCheckConfig{})
		})
	}
}

// The moments are exact: not before the third answer, and with it.
func TestHealthCheckMoments(t *testing.T) {
	const sick = "10.0.0.1:80"
	var ejected, restored time.Time
	inWard(t, 2, false, func(t *testing.T, w *ward) {
		start := time.Now()
		w.ill(sick, func(rw http.ResponseWriter, _ *http.Request) {
			time.Sleep(300 * time.Millisecond)
			rw.WriteHeader(http.StatusInternalServerError)
		})
		w.begin(addrs(2)...)
		failed := w.next(sick, 3)
		assert.Less(t, failed[0].at.Sub(start)-300*time.Millisecond, 10*time.Second, "somewhere in the first interval")
		assert.Equal(t, failed[2].at, ejected)
		w.well(sick)
		passed := w.next(sick, 2)
		assert.Equal(t, passed[1].at, restored)
	}, transport.HealthCheckConfig{}, transport.WithHooks(transport.Hooks{
		EndpointEjected:  func(transport.EndpointEvent) { ejected = time.Now() },
		EndpointRestored: func(transport.EndpointEvent) { restored = time.Now() },
	}))
}

// Thresholds, interval, timeout, path and statuses are what they are set to.
func TestHealthCheckConfig(t *testing.T) {
	const sick = "10.0.0.1:80"
	inWard(t, 2, true, func(t *testing.T, w *ward) {
		var targets sync.Map
		l := "10.0.0.3:80"
		w.serve(l, func(rw http.ResponseWriter, r *http.Request) {
			targets.Store(fmt.Sprint(r.Method, " ", r.RequestURI, " ", r.Host, " ", r.UserAgent(), " ", r.ContentLength), true)
			rw.WriteHeader(http.StatusTeapot)
		})
		w.begin(addrs(3)...)
		for _, c := range w.next(l, 3) {
			assert.True(t, c.healthy)
			assert.Equal(t, http.StatusTeapot, c.status)
		}
		var got []string
		targets.Range(func(k, _ any) bool { got = append(got, k.(string)); return true })
		if slices.Contains(got, "GET / orders Go-http-client/1.1 0") || slices.Contains(got, "GET / orders Go-http-client/2.0 0") {
			got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "GET / ") }) // begin's call
		}
		assert.Equal(t, []string{"GET /health?deep=1 orders namesake-health-check 0"}, got)
		list := w.of(sick)
		for i, c := range list {
			assert.Equal(t, http.StatusOK, c.status)
			require.Error(t, c.err)
			assert.Equal(t, i < 1, c.healthy)
			if i > 0 {
				assert.GreaterOrEqual(t, c.at.Sub(list[i-1].at), 900*time.Millisecond)
				assert.LessOrEqual(t, c.at.Sub(list[i-1].at), 1100*time.Millisecond)
			}
		}
	}, transport.HealthCheckConfig{
		Path: "health?deep=1", Interval: time.Second, UnhealthyThreshold: 2,
		Expect: func(status int) bool { return status == http.StatusTeapot },
	})
}

// When most copies fail their checks, the fault is more likely in the checks:
// all are used.
func TestHealthChecksInPanic(t *testing.T) {
	inWard(t, 4, true, func(t *testing.T, w *ward) {
		w.begin(addrs(4)...)
		w.rec.take()
		for i, addr := range addrs(4)[:3] {
			w.ill(addr, answer(http.StatusInternalServerError, ""))
			w.next(addr, 3)
			if i < 2 {
				assert.Equal(t, []string{"ejected " + addr + " health check failed"}, w.rec.take())
				assert.Equal(t, addrs(4)[i+1:], w.shares(40))
			}
		}
		assert.Equal(t, []string{"restored 10.0.0.1:80 too few left", "restored 10.0.0.2:80 too few left"}, w.rec.take())
		assert.Equal(t, addrs(4), w.shares(40))
		w.ill("10.0.0.4:80", hangs)
		w.next("10.0.0.4:80", 3)
		assert.Empty(t, w.rec.take())
		assert.Equal(t, addrs(4), w.shares(40), "nobody is left, and calls go on")

		w.well("10.0.0.4:80")
		w.next("10.0.0.4:80", 2)
		assert.Empty(t, w.rec.take())
		w.well("10.0.0.1:80")
		w.next("10.0.0.1:80", 2)
		assert.Equal(t, []string{"ejected 10.0.0.2:80 health check failed", "ejected 10.0.0.3:80 health check failed"}, w.rec.take())
		assert.Equal(t, []string{"10.0.0.1:80", "10.0.0.4:80"}, w.shares(40))
	}, transport.HealthCheckConfig{})
}

// Checks are no attempts: neither load, nor outcomes, nor anything for hooks.
func TestHealthChecksAreNoAttempts(t *testing.T) {
	var attempts atomic.Int64
	var endpoint atomic.Pointer[balancer.Endpoint]
	inWard(t, 1, true, func(t *testing.T, w *ward) {
		w.ill("10.0.0.1:80", hangs)
		w.begin("10.0.0.1:80")
		attempts.Store(0)
		for range 300 { // 30 s in all
			time.Sleep(100 * time.Millisecond)
			assert.Zero(t, endpoint.Load().InFlight())
		}
		assert.GreaterOrEqual(t, len(w.of("10.0.0.1:80")), 2)
		assert.Zero(t, attempts.Load())
		for _, e := range w.rec.take() {
			assert.NotContains(t, e, "open", "the breaker hears nothing")
		}
	}, transport.HealthCheckConfig{}, transport.WithHooks(transport.Hooks{
		Pick:    func(e transport.PickEvent) { attempts.Add(1); endpoint.Store(e.Endpoint) },
		Attempt: func(transport.AttemptEvent) { attempts.Add(1) },
		Call:    func(transport.CallEvent) { attempts.Add(1) },
		End:     func(transport.EndEvent) { attempts.Add(1) },
	}))
}

// A copy is available if both its breaker and its checks say so.
func TestHealthChecksAndBreakers(t *testing.T) {
	var faults fault.Injector
	inWard(t, 3, false, func(t *testing.T, w *ward) {
		const sick = "10.0.0.1:80"
		w.begin(addrs(3)...)
		w.rec.take()
		faults.Set(fault.Rule{Addr: sick, Fault: fault.Refuse()}) // checks too
		for range 30 {
			_, _, err := w.get("http://orders/")
			require.NoError(t, err)
		}
		assert.Equal(t, []string{"closed to open 10.0.0.1:80", "ejected 10.0.0.1:80 breaker open"}, w.rec.take())
		w.next(sick, 3)
		faults.Set()
		assert.Equal(t, []string{"open to half-open 10.0.0.1:80"}, w.rec.take())
		assert.Equal(t, []string{"10.0.0.2:80", "10.0.0.3:80"}, w.shares(30), "a trial would be a waste")
		w.next(sick, 2)
		assert.Empty(t, w.rec.take(), "its breaker knows nothing yet")
		assert.Equal(t, addrs(3), w.shares(30))
		assert.Equal(t, []string{"trial 10.0.0.1:80", "half-open to closed 10.0.0.1:80", "restored 10.0.0.1:80 recovered"}, w.rec.take())
	}, transport.HealthCheckConfig{}, transport.WithEndpointBase(faults.EndpointBase))
}

// A base that errs is no reason to err, too.
func TestHealthCheckOverABadBase(t *testing.T) {
	for name, base := range map[string]roundTripFunc{
		"nothing": func(*http.Request) (*http.Response, error) { return nil, nil },
		"both": func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: http.NoBody}, errors.New("both")
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWard(t, 0, false, func(t *testing.T, w *ward) {
				w.registry.Set("orders", discovery.Addrs(addrs(1)...)...)
				_, _, err := w.get("http://orders/")
				require.Error(t, err)
				for _, c := range w.next("10.0.0.1:80", 2) {
					require.Error(t, c.err)
					assert.Zero(t, c.status)
				}
			}, transport.HealthCheckConfig{}, transport.WithBase(base))
		})
	}
}
