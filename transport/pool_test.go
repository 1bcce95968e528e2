package transport_test

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
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

// S32: one service speaks HTTP/2 without TLS, another HTTP/1.1.
func TestProtocols(t *testing.T) {
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	inMesh(t, func(t *testing.T, m *mesh) {
		proto := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto+" "+r.Host) }
		var both http.Protocols
		both.SetHTTP1(true)
		both.SetUnencryptedHTTP2(true)
		for _, addr := range addrs(2) {
			l, err := m.net.Listen(addr)
			require.NoError(t, err)
			s := &http.Server{Handler: http.HandlerFunc(proto), Protocols: &both}
			go func() { _ = s.Serve(l) }()
			m.servers = append(m.servers, s)
		}
		m.registry.Set("modern", discovery.Addrs("10.0.0.1:80")...)
		m.registry.Set("classic", discovery.Addrs("10.0.0.2:80")...)
		for range 3 {
			_, body, err := m.get("http://modern/")
			require.NoError(t, err)
			assert.Equal(t, "HTTP/2.0 modern", body)
			settle()
			_, body, err = m.get("http://classic/")
			require.NoError(t, err)
			assert.Equal(t, "HTTP/1.1 classic", body)
		}
		assert.Equal(t, 1, m.net.Dials("10.0.0.1:80"))
	}, transport.ForService("modern", transport.WithProtocols(h2c)))
}

// S33: a peer that falls silent without a word is found dead, and its calls go
// elsewhere.
func TestSilentPeer(t *testing.T) {
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	inMesh(t, func(t *testing.T, m *mesh) {
		for _, addr := range addrs(2) {
			l, err := m.net.Listen(addr)
			require.NoError(t, err)
			s := &http.Server{Handler: say(addr), Protocols: &h2c}
			go func() { _ = s.Serve(l) }()
			m.servers = append(m.servers, s)
		}
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		for range 4 {
			_, _, err := m.get("http://orders/")
			require.NoError(t, err)
		}
		m.net.Silence("10.0.0.1:80")
		failed := 0
		start := time.Now()
		for time.Since(start) < 2*time.Minute {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			resp, err := m.client.Do(newRequest(t, http.MethodGet, "http://orders/", "").WithContext(ctx))
			if err != nil {
				failed++
				assert.Less(t, time.Since(start), 30*time.Second, "the connection is known to be dead by now")
			} else {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			cancel()
			time.Sleep(100 * time.Millisecond)
		}
		t.Logf("%d calls failed", failed)
		assert.GreaterOrEqual(t, m.net.Dials("10.0.0.1:80"), 2, "and another one was made")
		assert.Equal(t, 1, m.net.Open("10.0.0.1:80"))
	}, transport.WithPolicy(balancer.RoundRobin), transport.WithProtocols(h2c))
}

// Connections are given up at their maximum age, without disturbing calls.
func TestMaxAge(t *testing.T) {
	inEveryMode(t, func(t *testing.T, m *mesh) {
		release := make(chan struct{})
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				_ = http.NewResponseController(w).Flush()
				<-release
			}
			_, _ = io.WriteString(w, "ok")
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		resp, err := m.client.Get(m.url("http://orders/slow"))
		require.NoError(t, err)
		for range 80 {
			_, _, err := m.get("http://orders/")
			require.NoError(t, err)
			time.Sleep(time.Second)
		}
		dials := m.net.Dials("10.0.0.1:80")
		assert.GreaterOrEqual(t, dials, 1+7)
		assert.LessOrEqual(t, dials, 1+10)
		close(release)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, "ok", string(text))
		m.rt.Close()
		time.Sleep(transport.DefaultIdleTimeout)
		synctest.Wait()
		assert.Zero(t, m.net.Open("10.0.0.1:80"))
	}, transport.WithPool(transport.PoolConfig{MaxAge: 10 * time.Second}))
}

// An endpoint that joins gets calls when its connections are made, the first
// of a set at once.
func TestWarmUp(t *testing.T) {
	var rec record
	inMesh(t, func(t *testing.T, m *mesh) {
		for _, addr := range addrs(2) {
			m.serve(addr, say(addr))
		}
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		_, _, err := m.get("http://orders/")
		require.NoError(t, err)
		synctest.Wait()
		assert.GreaterOrEqual(t, m.net.Open("10.0.0.1:80"), 3)

		l, err := m.net.Listen("10.0.0.3:80") // nobody accepts: it cannot be warmed up
		require.NoError(t, err)
		defer func() { _ = l.Close() }()
		m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
		synctest.Wait()
		assert.Equal(t, 3, m.net.Dials("10.0.0.2:80"))
		rec.takePicks()
		for range 30 {
			_, _, err := m.get("http://orders/")
			require.NoError(t, err)
		}
		picks := rec.takePicks()
		assert.Equal(t, 15, picks["10.0.0.2:80"])
		assert.Zero(t, picks["10.0.0.3:80"])
		assert.Equal(t, 3, m.net.Dials("10.0.0.2:80"), "the first calls find connections")

		time.Sleep(transport.DefaultDialTimeout)
		synctest.Wait()
		for range 6 {
			_, _, err := m.get("http://orders/")
			require.NoError(t, err)
		}
		assert.NotZero(t, rec.takePicks()["10.0.0.3:80"], "it is not held back for longer than it takes")
	}, transport.WithPolicy(balancer.RoundRobin), transport.WithHooks(rec.hooks()), transport.WithPool(transport.PoolConfig{Warm: 3}))
}

func TestWarmUpOverTLS(t *testing.T) {
	for proto, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		t.Run(proto, func(t *testing.T) {
			s, _ := secureServer(t, http2)
			var mu sync.Mutex
			handshakes := 0
			cfg := &tls.Config{RootCAs: roots(s), ServerName: "example.com", MinVersion: tls.VersionTLS12,
				VerifyConnection: func(tls.ConnectionState) error {
					mu.Lock()
					defer mu.Unlock()
					handshakes++
					return nil
				}}
			rt := newTransport(t, []discovery.Instance{{Addr: s.Listener.Addr().String(), Scheme: "https"}},
				transport.WithTLS(cfg), transport.WithPool(transport.PoolConfig{Warm: 1}))
			for range 3 {
				resp, err := (&http.Client{Transport: rt}).Get("https://orders/")
				require.NoError(t, err)
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Equal(t, proto+" orders example.com", string(text))
			}
			mu.Lock()
			defer mu.Unlock()
			assert.LessOrEqual(t, handshakes, 2, "one in advance, and one if the first call came before it was done")
		})
	}
}

// Connections of endpoints without calls give way when there are too many.
func TestMaxConns(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		var all sync.WaitGroup
		for _, addr := range addrs(4) {
			m.serve(addr, func(w http.ResponseWriter, _ *http.Request) {
				time.Sleep(time.Millisecond)
				_, _ = io.WriteString(w, addr)
			})
			m.registry.Set("service-"+addr[7:8], discovery.Addrs(addr)...)
		}
		for _, name := range []string{"service-1", "service-2", "service-3", "service-4"} {
			for range 5 {
				all.Go(func() {
					_, _, err := m.get("http://" + name + "/")
					assert.NoError(t, err)
				})
			}
			all.Wait()
			open := 0
			for _, addr := range addrs(4) {
				open += m.net.Open(addr)
			}
			assert.LessOrEqual(t, open, 10+4, "room is made at the next connection")
		}
		assert.Equal(t, 5, m.net.Open("10.0.0.4:80"))
	}, transport.WithPool(transport.PoolConfig{MaxConns: 10}))
}

// S28, P3: calls that give up leave no dials behind for longer than one may
// take.
func TestDialsEnd(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.hang("10.0.0.1:80")
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			_, err := m.client.Do(newRequest(t, http.MethodGet, "http://orders/", "").WithContext(ctx)) //nolint:bodyclose // fails
			require.ErrorIs(t, err, context.DeadlineExceeded)
			cancel()
			require.LessOrEqual(t, m.net.Dialing("10.0.0.1:80"), transport.DefaultMaxDials)
		}
		assert.Equal(t, transport.DefaultMaxDials, m.net.Dialing("10.0.0.1:80"))
		time.Sleep(transport.DefaultDialTimeout)
		synctest.Wait()
		assert.Zero(t, m.net.Dialing("10.0.0.1:80"), "those that waited for their turn have given up as well")
	})
}

// The base for one endpoint is made from its pool, and sees the caller's own
// request.
func TestEndpointBase(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	inEveryMode(t, func(t *testing.T, m *mesh) {
		seen = nil
		for _, addr := range addrs(2) {
			m.serve(addr, say(addr))
		}
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		req := m.request(http.MethodGet, "http://orders/", "")
		for range 4 {
			resp, err := m.rt.RoundTrip(req)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, resp.Body)
			require.NoError(t, resp.Body.Close())
			assert.Same(t, req, resp.Request)
		}
		settle()
		m.client.CloseIdleConnections()
		synctest.Wait()
		assert.Zero(t, m.net.Open("10.0.0.1:80"), "CloseIdleConnections reaches the pool")
		assert.Equal(t, []string{"10.0.0.1:80 orders", "10.0.0.2:80 orders", "10.0.0.1:80 orders", "10.0.0.2:80 orders"}, seen)
	}, transport.WithPolicy(steady), transport.WithEndpointBase(func(in discovery.Instance, pool http.RoundTripper) http.RoundTripper {
		return &tracing{pool, func(req *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, in.Addr+" "+req.URL.Host)
		}}
	}))
}

type tracing struct {
	http.RoundTripper
	trace func(*http.Request)
}

func (b *tracing) RoundTrip(req *http.Request) (*http.Response, error) {
	b.trace(req)
	return b.RoundTripper.RoundTrip(req)
}

func (b *tracing) CloseIdleConnections() {
	b.RoundTripper.(interface{ CloseIdleConnections() }).CloseIdleConnections()
}

// S14: only what is listed passes through.
func TestPassThrough(t *testing.T) {
	var passed []string
	outside := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		passed = append(passed, req.URL.String())
		return &http.Response{StatusCode: 200, Body: http.NoBody, Request: req}, nil
	})
	inMesh(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", say(""))
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		for url, passes := range map[string]bool{
			"https://api.example.com/x":        true,
			"http://API.example.com.:8080/":    true,
			"http://a.b.example.org/":          true,
			"http://example.org/":              false,
			"http://badexample.org/":           false,
			"http://api.example.com.evil.com/": false,
			"http://10.1.1.1/":                 true,
			"http://10.1.1.12/":                false,
			"http://169.254.169.254/":          false,
			"http://localhost/":                false,
			"http://[::1]/":                    false,
			"http://plain/":                    true,
			"http://orders2/":                  false,
		} {
			passed = nil
			_, _, err := m.get(url)
			if passes {
				require.NoError(t, err, url)
				assert.Len(t, passed, 1, url)
			} else {
				require.ErrorIs(t, err, balancer.ErrNoEndpoints, url)
				assert.Empty(t, passed, url)
			}
		}
		_, _, err := m.get("http://orders/")
		require.NoError(t, err)
	}, transport.WithPassThrough(outside, "api.example.com", ".example.org"), transport.WithPassThrough(outside, "10.1.1.1", "Plain"))
}

// S16: a redirect to an endpoint's own address is refused, or kept inside.
func TestRedirectToAnEndpointsAddress(t *testing.T) {
	for name, opts := range map[string][]transport.Option{"refused": nil, "kept inside": {transport.WithEndpointRedirects()}} {
		t.Run(name, func(t *testing.T) {
			inMesh(t, func(t *testing.T, m *mesh) {
				for _, addr := range addrs(2) {
					m.serve(addr, func(w http.ResponseWriter, r *http.Request) {
						if r.URL.Path == "/first" {
							w.Header().Set("Location", "http://"+addr+"/second")
							w.WriteHeader(http.StatusTemporaryRedirect)
							return
						}
						body, _ := io.ReadAll(r.Body)
						_, _ = io.WriteString(w, r.Host+" "+string(body)+r.Header.Get("Authorization"))
					})
				}
				m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
				req := newRequest(t, http.MethodPost, "http://orders/first", "the body")
				req.Header.Set("Authorization", "Bearer token")
				resp, err := m.client.Do(req)
				if opts == nil {
					require.ErrorIs(t, err, transport.ErrEndpointAddress)
					return
				}
				require.NoError(t, err)
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Equal(t, "orders the body", string(text), "http.Client removed the credentials")
				assert.Contains(t, []string{"10.0.0.1", "10.0.0.2", "10.0.0.1:80", "10.0.0.2:80"}, resp.Request.URL.Host)
			}, opts...)
		})
	}
}

// The time that is left goes along: of the call, or of the attempt if that is
// less, and less at each attempt.
func TestDeadlineHeader(t *testing.T) {
	var got []string
	inEveryWay(t, func(t *testing.T, m *mesh) {
		got = nil
		for _, addr := range addrs(2) {
			m.serve(addr, func(w http.ResponseWriter, r *http.Request) {
				got = append(got, r.Header.Get(transport.DefaultDeadlineHeader))
				time.Sleep(200 * time.Millisecond)
				if addr == "10.0.0.1:80" {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			})
		}
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		m.registry.Set("hurried", discovery.Addrs("10.0.0.2:80")...)
		_, _, err := m.get("http://orders/")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		for _, url := range []string{"http://orders/", "http://hurried/"} {
			req := m.request(http.MethodGet, url, "").WithContext(ctx)
			resp, err := m.client.Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Empty(t, req.Header, "the caller's header is not written to")
		}
		assert.Equal(t, []string{"", "", "2000", "1800", "500"}, got)
	}, transport.WithPolicy(inOrder), transport.WithDeadlineHeader(""), transport.ForService("hurried", transport.WithAttemptTimeout(500*time.Millisecond)))
}

// S61: callers whose context ends and who walk away leave nothing in flight.
func TestAbandonedBodies(t *testing.T) {
	var gauge inFlight
	var mu sync.Mutex
	ends := 0
	hooks := gauge.hooks()
	hooks.End = func(e transport.EndEvent) {
		mu.Lock()
		defer mu.Unlock()
		ends++
	}
	inEveryMode(t, func(t *testing.T, m *mesh) {
		ends = 0
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "begin")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		ctx, cancel := context.WithCancel(t.Context())
		var kept []*http.Response
		for range 100 {
			resp, err := m.client.Do(m.request(http.MethodGet, "http://orders/", "").WithContext(ctx)) //nolint:bodyclose // the test's subject
			require.NoError(t, err)
			kept = append(kept, resp) //nolint:bodyclose // the test's subject
		}
		time.Sleep(10 * time.Second)
		assert.Equal(t, int64(100), gauge.now(), "slow, but alive")
		cancel()
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Zero(t, gauge.now())
		for _, resp := range kept { // S84: late closes hit nobody else
			_ = resp.Body.Close()
		}
		assert.Zero(t, gauge.now())
		mu.Lock()
		defer mu.Unlock()
		assert.Equal(t, 100, ends)
	}, transport.WithHooks(hooks))
}
