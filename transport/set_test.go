package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
)

// Who stays in the set keeps its endpoint: its connections, its load, its
// breaker. Who changes its address is somebody else.
func TestWhoStaysKeepsItsEndpoint(t *testing.T) {
	endpoints := map[string]*balancer.Endpoint{}
	inEveryWay(t, func(t *testing.T, m *mesh) {
		for _, addr := range addrs(4) {
			m.serve(addr, say(addr))
		}
		m.registry.Set("orders",
			discovery.Instance{ID: "a", Addr: "10.0.0.1:80"},
			discovery.Instance{ID: "b", Addr: "10.0.0.2:80"})
		call := func() {
			for range 8 {
				_, _, err := m.get("http://orders/")
				require.NoError(t, err)
				settle()
			}
		}
		call()
		first := map[string]*balancer.Endpoint{"a": endpoints["a"], "b": endpoints["b"]}

		m.registry.Set("orders",
			discovery.Instance{ID: "a", Addr: "10.0.0.1:80", Weight: 7, Zone: "z"},
			discovery.Instance{ID: "b", Addr: "10.0.0.3:80"},
			discovery.Instance{ID: "c", Addr: "10.0.0.4:80"})
		synctest.Wait()
		call()
		assert.Same(t, first["a"], endpoints["a"])
		assert.Equal(t, uint32(7), endpoints["a"].Weight())
		assert.NotSame(t, first["b"], endpoints["b"])
		assert.Equal(t, map[string]int{"10.0.0.1:80": 1, "10.0.0.2:80": 1, "10.0.0.3:80": 1, "10.0.0.4:80": 1},
			map[string]int{"10.0.0.1:80": m.net.Dials("10.0.0.1:80"), "10.0.0.2:80": m.net.Dials("10.0.0.2:80"),
				"10.0.0.3:80": m.net.Dials("10.0.0.3:80"), "10.0.0.4:80": m.net.Dials("10.0.0.4:80")})
	}, transport.WithPolicy(balancer.RoundRobin), transport.WithHooks(transport.Hooks{
		Pick: func(e transport.PickEvent) { endpoints[e.Endpoint.Key()] = e.Endpoint },
	}))
}

// S24, S25: a removed endpoint gets no new calls, those in flight there finish,
// and then its connections close; the others' stay.
func TestRemovedEndpointDrains(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		release := make(chan struct{})
		var mu sync.Mutex
		done := 0
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, _ *http.Request) {
			<-release
			_, _ = io.WriteString(w, "old")
		})
		m.serve("10.0.0.2:80", say("new"))
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)

		var calls sync.WaitGroup
		for range 10 {
			calls.Go(func() {
				_, body, err := m.get("http://orders/")
				assert.NoError(t, err)
				assert.Equal(t, "old", body)
				mu.Lock()
				done++
				mu.Unlock()
			})
		}
		synctest.Wait()
		assert.Equal(t, 10, m.net.Dials("10.0.0.1:80"))
		assert.Equal(t, 10, m.net.Open("10.0.0.1:80"))

		m.registry.Set("orders", discovery.Addrs("10.0.0.2:80")...)
		synctest.Wait()
		for range 5 {
			_, body, err := m.get("http://orders/")
			require.NoError(t, err)
			assert.Equal(t, "new", body)
		}
		assert.Equal(t, 10, m.net.Open("10.0.0.1:80"), "busy ones stay")
		close(release)
		calls.Wait()
		synctest.Wait()
		assert.Equal(t, 10, done)
		assert.Equal(t, 10, m.net.Dials("10.0.0.1:80"))
		assert.Zero(t, m.net.Open("10.0.0.1:80"))
		assert.Equal(t, 1, m.net.Open("10.0.0.2:80"))
	})
}

// The registry's last answer stands while it cannot be asked or errs; an empty
// set is believed only after a grace period.
func TestEmptySets(t *testing.T) {
	var rec record
	inMesh(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", say("one"))
		m.serve("10.0.0.2:80", say("two"))
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		get := func() (string, error) {
			_, body, err := m.get("http://orders/")
			return body, err
		}
		body, err := get()
		require.NoError(t, err)
		assert.Equal(t, "one", body)

		m.registry.Fail(errors.New("gone fishing on the Styx"))
		synctest.Wait()
		_, err = get()
		require.NoError(t, err)
		m.registry.Fail(nil)

		m.registry.Set("orders")
		synctest.Wait()
		time.Sleep(59 * time.Second)
		_, err = get()
		require.NoError(t, err, "the empty set is not believed yet")

		m.registry.Set("orders", discovery.Addrs("10.0.0.2:80")...)
		synctest.Wait()
		body, err = get()
		require.NoError(t, err)
		assert.Equal(t, "two", body, "it was not true")

		m.registry.Set("orders")
		synctest.Wait()
		time.Sleep(59 * time.Second)
		_, err = get()
		require.NoError(t, err, "the grace period began anew")
		time.Sleep(time.Second)
		synctest.Wait()
		_, err = get()
		require.ErrorIs(t, err, balancer.ErrNoEndpoints)

		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		synctest.Wait()
		_, err = get()
		require.NoError(t, err)
		assert.Equal(t, []string{
			"added 10.0.0.1:80",
			"registry: gone fishing on the Styx",
			"registry: transport: the registry lists no endpoints any more",
			"added 10.0.0.2:80", "removed 10.0.0.1:80",
			"registry: transport: the registry lists no endpoints any more",
			"removed 10.0.0.2:80", "added 10.0.0.1:80",
		}, rec.all())
	}, transport.WithHooks(rec.hooks()))
}

func TestEmptyGraceOff(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", say("one"))
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		_, _, err := m.get("http://orders/")
		require.NoError(t, err)
		m.registry.Set("orders")
		synctest.Wait()
		_, _, err = m.get("http://orders/")
		require.ErrorIs(t, err, balancer.ErrNoEndpoints)
	}, transport.WithEmptyGrace(-1))
}

// Instances that cannot be called are left out and named; a set of nothing but
// those does not replace a good one.
func TestInvalidInstances(t *testing.T) {
	sets := make(chan []discovery.Instance, 10)
	watcher := discovery.WatcherFunc(func(ctx context.Context, _ string) iterSeq {
		return func(yield func([]discovery.Instance, error) bool) {
			for {
				select {
				case set := <-sets:
					if !yield(set, nil) {
						return
					}
				case <-ctx.Done():
					return
				}
			}
		}
	})
	var faults []string
	var called []string
	base := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		called = append(called, req.URL.Host)
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})
	rt := transport.New(watcher, transport.WithBase(base), transport.WithLogger(nil), transport.WithPolicy(inOrder),
		transport.WithHooks(transport.Hooks{RegistryError: func(e transport.RegistryEvent) { faults = append(faults, e.Err.Error()) }}))
	sets <- []discovery.Instance{
		{ID: "a", Addr: "not an address"},
		{ID: "b", Addr: "10.0.0.1:80"},
		{ID: "b", Addr: "10.0.0.2:80"},
		{ID: "c", Addr: "10.0.0.3:80", Scheme: "gopher"},
	}
	resp, err := rt.RoundTrip(newRequest(t, http.MethodGet, "http://orders/", ""))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	sets <- []discovery.Instance{{Addr: "10.0.0.9:0"}}
	sets <- []discovery.Instance{{Addr: "nonsense"}}
	sets <- nil // an empty set, to know when the one before has been seen
	for len(sets) > 0 {
		resp, err := rt.RoundTrip(newRequest(t, http.MethodGet, "http://orders/", ""))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	rt.Close()
	for _, host := range called {
		require.Equal(t, "10.0.0.1:80", host)
	}
	all := strings.Join(faults, "\n")
	for _, culprit := range []string{`"a"`, `"b"`, "gopher", "10.0.0.9:0", "nonsense"} {
		assert.Contains(t, all, culprit)
	}
}

// Names that nobody knows are forgotten, so that they do not pile up; known
// ones stay, called or not.
func TestForgetting(t *testing.T) {
	watches := map[string]int{}
	var mu sync.Mutex
	inMesh(t, func(t *testing.T, m *mesh) {
		rt := transport.New(discovery.WatcherFunc(func(ctx context.Context, service string) iterSeq {
			mu.Lock()
			watches[service]++
			mu.Unlock()
			return m.registry.Watch(ctx, service)
		}), transport.WithLogger(nil), transport.WithDialContext(m.net.DialContext))
		defer rt.Close()
		m.serve("10.0.0.1:80", say(""))
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		call := func(name string) error {
			resp, err := rt.RoundTrip(newRequest(t, http.MethodGet, "http://"+name+"/", ""))
			if err == nil {
				_ = resp.Body.Close()
			}
			return err
		}
		require.NoError(t, call("orders"))
		for i := range 999 {
			require.ErrorIs(t, call(fmt.Sprintf("n%d", i)), balancer.ErrNoEndpoints)
		}
		require.ErrorIs(t, call("one-more"), transport.ErrTooManyServices)
		for range 3 {
			time.Sleep(time.Minute + time.Second)
			require.ErrorIs(t, call("n0"), balancer.ErrNoEndpoints)
		}
		require.ErrorIs(t, call("one-more"), balancer.ErrNoEndpoints)
		require.ErrorIs(t, call("n1"), balancer.ErrNoEndpoints)
		require.NoError(t, call("orders"))
		mu.Lock()
		defer mu.Unlock()
		assert.Equal(t, 1, watches["orders"])
		assert.Equal(t, 1, watches["n0"], "still called")
		assert.Equal(t, 2, watches["n1"], "forgotten, and looked up again")
	})
}

// S4, S27: sets change all the time while calls run.
func TestChurn(t *testing.T) {
	inEveryMode(t, func(t *testing.T, m *mesh) {
		for _, addr := range addrs(6) {
			m.serve(addr, say(addr))
		}
		m.registry.Set("orders", discovery.Addrs(addrs(6)[:3]...)...)
		stop := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
					n := i % 6
					m.registry.Set("orders", discovery.Addrs(addrs(6)[n], addrs(6)[(n+1)%6])...)
				}
			}
		})
		var calls sync.WaitGroup
		for range 32 {
			calls.Go(func() {
				for i := range 40 {
					method := http.MethodGet
					if i%2 == 1 {
						method = http.MethodPost
					}
					status, _, err := m.do(method, "http://orders/", nil)
					if !assert.NoError(t, err) || !assert.Equal(t, http.StatusOK, status) {
						return
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
		calls.Wait()
		close(stop)
		all.Wait()
		m.rt.Close()
		time.Sleep(time.Second) // HTTP/2 connections notice late that they are idle
		synctest.Wait()
		for _, addr := range addrs(6) {
			assert.Zero(t, m.net.Open(addr), addr)
		}
	})
}

// A watcher that ends its sequence, which it must not, is started again.
func TestWatcherThatEnds(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		n := 0
		rt := transport.New(discovery.WatcherFunc(func(context.Context, string) iterSeq {
			n++
			return func(yield func([]discovery.Instance, error) bool) { yield(discovery.Addrs("10.0.0.1:80"), nil) }
		}), transport.WithLogger(nil), transport.WithDialContext(m.net.DialContext))
		m.serve("10.0.0.1:80", say(""))
		resp, err := rt.RoundTrip(newRequest(t, http.MethodGet, "http://orders/", ""))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		time.Sleep(10*time.Second + time.Millisecond)
		rt.Close()
		assert.Equal(t, 11, n)
	})
}
