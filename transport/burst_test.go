package transport_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
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

// S23: bursts find the connections of the burst before.
func TestBursts(t *testing.T) {
	inEveryMode(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", func(http.ResponseWriter, *http.Request) { time.Sleep(time.Millisecond) })
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		for range 20 {
			var calls sync.WaitGroup
			for range 50 {
				calls.Go(func() {
					_, _, err := m.get("http://orders/")
					assert.NoError(t, err)
				})
			}
			calls.Wait()
			synctest.Wait()
		}
		assert.LessOrEqual(t, m.net.Dials("10.0.0.1:80"), 60)
	})
}

// BenchmarkBurst makes 50 calls at once, again and again, and counts the
// connections that each burst costs.
func BenchmarkBurst(b *testing.B) {
	const burst = 50
	var dials atomic.Int64
	dialer := new(net.Dialer)
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials.Add(1)
		return dialer.DialContext(ctx, network, addr)
	}
	// No answer before the whole burst is there: so many calls are under way
	// at once on any machine.
	var mu sync.Mutex
	arrived, all := 0, make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		wait := all
		if arrived++; arrived == burst {
			arrived, all = 0, make(chan struct{})
			close(wait)
		}
		mu.Unlock()
		<-wait
		_, _ = io.WriteString(w, "hello")
	}))
	defer server.Close()
	addr := server.Listener.Addr().String()
	bare := http.DefaultTransport.(*http.Transport).Clone()
	bare.DialContext = dial
	defer bare.CloseIdleConnections()
	for _, c := range []struct {
		name, url string
		rt        http.RoundTripper
	}{
		{"bare", "http://" + addr + "/", bare},
		{"namesake", "http://orders/", newTransport(b, discovery.Addrs(addr), transport.WithDialContext(dial))},
	} {
		b.Run(c.name, func(b *testing.B) {
			dials.Store(0)
			bursts := 0
			for b.Loop() {
				bursts++
				var calls sync.WaitGroup
				for range burst {
					calls.Go(func() {
						req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, c.url, nil)
						if err != nil {
							b.Error(err)
							return
						}
						roundTrip(b, c.rt, req, make([]byte, 64))
					})
				}
				calls.Wait()
			}
			b.ReportMetric(float64(dials.Load())/float64(bursts), "dials/op")
		})
	}
}

// S24: the idle connections of an endpoint that is removed close within a
// second, and nobody else's.
func TestIdleConnectionsOfARemovedEndpoint(t *testing.T) {
	inEveryMode(t, func(t *testing.T, m *mesh) {
		list := addrs(3)
		for _, addr := range list {
			m.serve(addr, func(http.ResponseWriter, *http.Request) { time.Sleep(time.Millisecond) })
		}
		m.registry.Set("orders", discovery.Addrs(list...)...)
		var calls sync.WaitGroup
		for range 12 {
			calls.Go(func() {
				_, _, err := m.get("http://orders/")
				assert.NoError(t, err)
			})
		}
		calls.Wait()
		synctest.Wait()
		open := func() (n [3]int) {
			for i, addr := range list {
				n[i] = m.net.Open(addr)
			}
			return n
		}
		before := open()
		if m.mode.protocols.HTTP1() {
			require.Equal(t, [3]int{4, 4, 4}, before)
		}
		m.registry.Set("orders", discovery.Addrs(list[0], list[2])...)
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, [3]int{before[0], 0, before[2]}, open())
	}, transport.WithPolicy(balancer.RoundRobin))
}

// S29: a client that gives up idle connections before the server does loses no
// call to a connection that the server is closing.
func TestIdleTimeoutBelowTheServers(t *testing.T) {
	const serverIdle = 50 * time.Millisecond
	inEveryMode(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) },
			func(s *http.Server) { s.IdleTimeout = serverIdle })
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		gaps := rand.New(rand.NewPCG(1, 2))
		for range 200 {
			status, _, err := m.do(http.MethodPost, "http://orders/", io.MultiReader())
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status)
			gap := serverIdle // when the server closes the connection in this moment
			if gaps.IntN(2) == 0 {
				gap = time.Duration(gaps.Int64N(int64(100 * time.Millisecond)))
			}
			time.Sleep(gap)
		}
		assert.Greater(t, m.net.Dials("10.0.0.1:80"), 100, "most gaps are longer than either waits")
	}, transport.WithPool(transport.PoolConfig{IdleTimeout: 30 * time.Millisecond}))
}

// S30: of an answer that is not passed on, no more is read than is worth it.
func TestDiscardedGiant(t *testing.T) {
	inEveryMode(t, func(t *testing.T, m *mesh) {
		var mu sync.Mutex
		written := 0
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1073741824")
			w.WriteHeader(http.StatusServiceUnavailable)
			for piece := make([]byte, 4<<10); ; {
				n, err := w.Write(piece)
				if err != nil {
					return
				}
				mu.Lock()
				written += n
				mu.Unlock()
			}
		})
		m.serve("10.0.0.2:80", say("ok"))
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		start := time.Now()
		status, _, err := m.get("http://orders/")
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, status)
		assert.Zero(t, time.Since(start))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		limit := 128 << 10 // 16 KiB, and what buffers on the way hold
		if !m.mode.protocols.HTTP1() {
			limit = 5 << 20 // the window that net/http opens beforehand
		}
		assert.LessOrEqual(t, written, limit)
	}, transport.WithPolicy(inOrder), transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: -1}))
}
