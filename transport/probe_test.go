package transport_test

import (
	"net/http"
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

// asking is a policy that probes all endpoints at each pick, and hands them out.
func asking(all *[]*balancer.Endpoint) balancer.Policy {
	return func(set balancer.Set) balancer.Picker {
		*all = set.All
		first := inOrder(set)
		return balancer.PickerFunc(func(info balancer.PickInfo) (*balancer.Endpoint, error) {
			for _, e := range set.Available {
				e.Service().Probe(e)
			}
			return first.Pick(info)
		})
	}
}

// loaded answers probes with a report, and calls with the copy's name.
func loaded(name, report string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == transport.DefaultProbePath {
			w.Header().Set("Endpoint-Load-Metrics", report)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		say(name)(w, r)
	}
}

func TestProbes(t *testing.T) {
	var endpoints []*balancer.Endpoint
	attempts := 0
	inEveryWay(t, func(t *testing.T, m *mesh) {
		attempts = 0
		var hosts, paths atomic.Pointer[string]
		for _, addr := range addrs(2) {
			answers := loaded(addr, "TEXT named_metrics.rif=3,named_metrics.latency_ms=5")
			m.serve(addr, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == transport.DefaultProbePath {
					hosts.Store(&r.Host)
					method := r.Method + " " + r.URL.String()
					paths.Store(&method)
				}
				answers(w, r)
			})
		}
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		for range 5 {
			_, text, err := m.get("http://orders/")
			require.NoError(t, err)
			assert.Equal(t, "10.0.0.1:80", text)
			time.Sleep(time.Second)
		}
		assert.Equal(t, "orders", *hosts.Load())
		assert.Equal(t, "GET /.well-known/load", *paths.Load())
		assert.Equal(t, 5, attempts, "probes are none")
		for _, e := range endpoints {
			r := e.LastReport()
			require.NotNil(t, r)
			assert.Equal(t, balancer.Report{
				At: r.At, InFlight: 3, HasInFlight: true, Latency: 5 * time.Millisecond, Probed: true,
			}, *r)
			assert.Zero(t, e.InFlight())
		}
		if m.mode.over != overUsersBase {
			assert.Equal(t, 1, m.net.Dials("10.0.0.2:80"), "one connection serves all probes")
			assert.LessOrEqual(t, m.net.Dials("10.0.0.1:80"), 2)
		}
	}, transport.WithPolicy(asking(&endpoints)), transport.WithProbes(transport.ProbeConfig{}),
		transport.WithHooks(transport.Hooks{Attempt: func(transport.AttemptEvent) { attempts++ }}))
}

// Where the registry says what an endpoint speaks, it is asked in that; and the
// name of a service may have a port.
func TestProbesOfOtherNamesAndPaths(t *testing.T) {
	var endpoints []*balancer.Endpoint
	var asked []string
	base := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		if req.URL.Path != "/" {
			asked = append(asked, req.Method+" "+req.URL.String()+" of "+req.Host)
		}
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}}, nil
	})
	synctest.Test(t, func(t *testing.T) {
		m := discovery.Static{
			"orders:9090": {{Addr: "10.0.0.1:80", Scheme: "https"}},
			"orders":      discovery.Addrs("10.0.0.2:80"),
		}
		rt := transport.New(m, transport.WithBase(base), transport.WithLogger(nil), transport.WithPolicy(asking(&endpoints)),
			transport.WithProbes(transport.ProbeConfig{Path: "load?brief=1"}))
		defer rt.Close()
		for _, url := range []string{"http://orders:9090/", "http://orders/", "https://orders/"} {
			resp, err := rt.RoundTrip(newRequest(t, http.MethodGet, url, ""))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			synctest.Wait()
		}
		assert.Equal(t, []string{
			"GET https://10.0.0.1:80/load?brief=1 of orders:9090",
			"GET http://10.0.0.2:80/load?brief=1 of orders",
			"GET https://10.0.0.2:80/load?brief=1 of orders",
		}, asked)
	})
}

// Of each endpoint one probe is under way at most, of a service as many as are
// allowed; the rest are dropped, and no call waits for any.
func TestProbesAreBounded(t *testing.T) {
	var endpoints []*balancer.Endpoint
	var now, most, all atomic.Int64
	inMesh(t, func(t *testing.T, m *mesh) {
		for _, addr := range addrs(5) {
			m.serve(addr, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/load" {
					return
				}
				all.Add(1)
				most.Store(max(most.Load(), now.Add(1)))
				<-r.Context().Done()
				now.Add(-1)
			})
		}
		m.registry.Set("orders", discovery.Addrs(addrs(5)...)...)
		start := time.Now()
		for range 100 {
			_, _, err := m.get("http://orders/")
			require.NoError(t, err)
		}
		assert.Zero(t, time.Since(start), "no call has waited")
		synctest.Wait()
		assert.Equal(t, int64(3), all.Load())
		time.Sleep(20 * time.Millisecond) // the timeout
		synctest.Wait()
		assert.Zero(t, now.Load())
		for range 10 {
			_, _, err := m.get("http://orders/")
			require.NoError(t, err)
		}
		synctest.Wait()
		assert.Equal(t, int64(6), all.Load())
		assert.Equal(t, int64(3), most.Load())
	}, transport.WithPolicy(asking(&endpoints)),
		transport.WithProbes(transport.ProbeConfig{Path: "/load", Timeout: 20 * time.Millisecond, MaxInFlight: 3}))
}

// A probe that fails takes back what was known, and blames nobody.
func TestProbesThatFail(t *testing.T) {
	var endpoints []*balancer.Endpoint
	var fail atomic.Pointer[http.HandlerFunc]
	inMesh(t, func(t *testing.T, m *mesh) {
		good := loaded("a", "TEXT named_metrics.rif=3")
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, r *http.Request) {
			if f := fail.Load(); f != nil && r.URL.Path == transport.DefaultProbePath {
				(*f)(w, r)
				return
			}
			good(w, r)
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		call := func() {
			t.Helper()
			status, _, err := m.get("http://orders/")
			require.NoError(t, err)
			assert.Equal(t, http.StatusOK, status)
			time.Sleep(time.Second)
		}
		for name, f := range map[string]http.HandlerFunc{
			"not found": func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Endpoint-Load-Metrics", "TEXT named_metrics.rif=3")
				w.WriteHeader(http.StatusNotFound)
			},
			"no report": func(http.ResponseWriter, *http.Request) {},
			"nonsense": func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Endpoint-Load-Metrics", "TEXT named_metrics.rif=x")
			},
			"hangs":  hangs,
			"breaks": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		} {
			fail.Store(nil)
			call()
			require.NotNil(t, endpoints[0].LastReport(), name)
			fail.Store(&f)
			for range 10 {
				call()
			}
			assert.Nil(t, endpoints[0].LastReport(), name)
			assert.Equal(t, 1.0, endpoints[0].Penalty(), name)
		}
	}, transport.WithPolicy(asking(&endpoints)), transport.WithProbes(transport.ProbeConfig{}),
		transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: 1}),
		transport.WithHooks(transport.Hooks{BreakerChanged: func(transport.BreakerEvent) { t.Error("a breaker has heard of probes") }}))
}

// Probes that hang use up connections, which is not held against calls.
func TestProbesThatHangDoNotFailCalls(t *testing.T) {
	var endpoints []*balancer.Endpoint
	inMesh(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == transport.DefaultProbePath {
				hangs(w, r)
			}
			time.Sleep(2 * time.Second)
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		for range 100 {
			go func() {
				status, _, err := m.get("http://orders/")
				assert.NoError(t, err)
				assert.Equal(t, http.StatusOK, status)
			}()
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
	}, transport.WithPolicy(asking(&endpoints)), transport.WithProbes(transport.ProbeConfig{Timeout: 10 * time.Millisecond}))
}

// Close ends probes, and a bubble does not end while there are goroutines.
func TestCloseEndsProbes(t *testing.T) {
	var endpoints []*balancer.Endpoint
	inEveryMode(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", loaded("a", "TEXT named_metrics.rif=3"))
		m.hang("10.0.0.2:80")
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		_, _, err := m.get("http://orders/")
		require.NoError(t, err)
		start := time.Now()
		m.rt.Close()
		assert.Zero(t, time.Since(start))
		assert.True(t, endpoints[0].Service().Probe(endpoints[0]), "and nothing comes of it")
	}, transport.WithPolicy(asking(&endpoints)), transport.WithProbes(transport.ProbeConfig{Timeout: time.Hour}))
}

// The connection of a probe that ends after its endpoint has left the set does
// not stay behind.
func TestProbesOfAnEndpointThatLeaves(t *testing.T) {
	var endpoints []*balancer.Endpoint
	inEveryMode(t, func(t *testing.T, m *mesh) {
		answers := loaded("a", "TEXT named_metrics.rif=3")
		for _, addr := range addrs(2) {
			m.serve(addr, func(w http.ResponseWriter, r *http.Request) {
				if addr == "10.0.0.2:80" {
					time.Sleep(5 * time.Second)
				}
				answers(w, r)
			})
		}
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		_, _, err := m.get("http://orders/")
		require.NoError(t, err)
		synctest.Wait()
		left := endpoints[1]
		assert.Equal(t, 1, m.net.Open("10.0.0.2:80"))
		m.registry.Set("orders", discovery.Addrs(addrs(1)...)...)
		time.Sleep(7 * time.Second)
		assert.NotNil(t, left.LastReport())
		assert.Zero(t, m.net.Open("10.0.0.2:80"))
		left.Service().Probe(left)
		synctest.Wait()
		assert.Zero(t, m.net.Open("10.0.0.2:80"), "nobody asks it any more")
	}, transport.WithPolicy(asking(&endpoints)), transport.WithProbes(transport.ProbeConfig{Timeout: time.Minute}))
}
