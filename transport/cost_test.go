package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/internal/race"
	"github.com/namesake-go/namesake/transport"
)

// rawServer answers every request on loopback with the same bytes, and
// allocates nothing while it does, so that what is counted is the client's.
func rawServer(tb testing.TB, body string) (addr string) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = l.Close() })
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				r := bufio.NewReader(conn)
				for {
					for { // a GET ends with an empty line
						line, err := r.ReadSlice('\n')
						if err != nil {
							return
						}
						if len(line) <= 2 {
							break
						}
					}
					if _, err := conn.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func newTransport(tb testing.TB, set []discovery.Instance, opts ...transport.Option) *transport.Transport {
	tb.Helper()
	rt := transport.New(discovery.Static{"orders": set}, append([]transport.Option{transport.WithLogger(nil)}, opts...)...)
	tb.Cleanup(rt.Close)
	return rt
}

// roundTrip makes one call and reads the whole answer into buf.
func roundTrip(tb testing.TB, rt http.RoundTripper, req *http.Request, buf []byte) {
	resp, err := rt.RoundTrip(req)
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := resp.Body.Read(buf); err != nil {
			break
		}
	}
	_ = resp.Body.Close()
}

// S19: a call costs no allocation more than the bare http.Transport,
// one with a body, whatever the number of headers and endpoints, with retries,
// budget and breakers on.
func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	noop := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: http.NoBody, Request: req}, nil
	})
	full := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("hello")), Request: req}, nil
	})
	for name, c := range map[string]struct {
		body    string
		headers int
		set     int // endpoints, all at one address
		opts    []transport.Option
		bare    http.RoundTripper
		want    float64
	}{
		"empty response":             {want: 0, set: 1},
		"response with a body":       {body: "hello", want: 1, set: 1},
		"8 headers":                  {body: "hello", headers: 8, want: 1, set: 10},
		"a user's base":              {opts: []transport.Option{transport.WithBase(noop)}, bare: noop, want: 1, set: 10},
		"a user's base, with a body": {opts: []transport.Option{transport.WithBase(full)}, bare: full, want: 2, set: 10},
		"hooks": {body: "hello", want: 1, set: 10, opts: []transport.Option{transport.WithHooks(transport.Hooks{
			Pick: func(transport.PickEvent) {}, Attempt: func(transport.AttemptEvent) {}, Call: func(transport.CallEvent) {},
		})}},
		"a key and a class": {headers: 8, body: "hello", want: 1, set: 10, opts: []transport.Option{
			transport.WithPolicy(balancer.RingHash(balancer.RingHashConfig{})),
			transport.WithKey(transport.HeaderKey("x-header-3")), transport.WithClass(func(*http.Request) string { return "some" }),
		}},
		"outlier ejection": {body: "hello", want: 1, set: 10, opts: []transport.Option{
			transport.WithOutlierEjection(transport.OutlierEjectionConfig{}),
		}},
		"a timeout per attempt": {body: "hello", want: 10, set: 10, opts: []transport.Option{transport.WithAttemptTimeout(time.Minute)}},
		"a timeout per call":    {body: "hello", want: 10, set: 10, opts: []transport.Option{transport.WithTimeout(time.Minute)}},
	} {
		t.Run(name, func(t *testing.T) {
			addr := rawServer(t, c.body)
			set := make([]discovery.Instance, c.set)
			for i := range set {
				set[i] = discovery.Instance{ID: strconv.Itoa(i), Addr: addr}
			}
			bare := c.bare
			if bare == nil {
				pool := new(http.Transport)
				defer pool.CloseIdleConnections()
				bare = pool
			}
			count := func(rt http.RoundTripper, url string) float64 {
				req := newRequest(t, http.MethodGet, url, "")
				for i := range c.headers {
					req.Header.Set("X-Header-"+strconv.Itoa(i), strings.Repeat("v", 20))
				}
				buf := make([]byte, 512)
				for range 50 * c.set { // every endpoint has a connection
					roundTrip(t, rt, req, buf)
				}
				return testing.AllocsPerRun(500, func() { roundTrip(t, rt, req, buf) })
			}
			floor := count(bare, "http://"+addr+"/")
			got := count(newTransport(t, set, c.opts...), "http://orders/")
			t.Logf("bare %v, namesake %v", floor, got)
			assert.LessOrEqual(t, got, floor+c.want)
		})
	}
}

// S20: what a call costs more than a bare one depends neither on the number of
// its headers nor on that of the endpoints.
func TestAllocationsDoNotGrow(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	addr := rawServer(t, "hello")
	bare := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	defer bare.CloseIdleConnections()
	// One pool does for all, or a thousand connections would have to be made.
	shared := transport.WithEndpointBase(func(discovery.Instance, http.RoundTripper) http.RoundTripper { return bare })
	for name, policy := range map[string]balancer.Policy{"peak EWMA": balancer.PeakEWMA, "round robin": balancer.RoundRobin} {
		t.Run(name, func(t *testing.T) {
			buf := make([]byte, 512)
			for _, headers := range []int{0, 8} {
				req := newRequest(t, http.MethodGet, "http://orders/", "")
				for i := range headers {
					req.Header.Set("X-Header-"+strconv.Itoa(i), strings.Repeat("v", 20))
				}
				count := func(rt http.RoundTripper) float64 {
					for range 50 {
						roundTrip(t, rt, req, buf)
					}
					// The least of three: on a machine with much to do, a connection
					// may not be idle again in time, and another is made.
					least := math.Inf(1)
					for range 3 {
						least = min(least, testing.AllocsPerRun(200, func() { roundTrip(t, rt, req, buf) }))
					}
					return least
				}
				floor := count(bare)
				for _, endpoints := range []int{1, 1000} {
					set := make([]discovery.Instance, endpoints)
					for i := range set {
						set[i] = discovery.Instance{ID: strconv.Itoa(i), Addr: addr}
					}
					rt := newTransport(t, set, shared, transport.WithPolicy(policy))
					assert.Equal(t, floor+1, count(rt), "%d headers, %d endpoints", headers, endpoints) //nolint:testifylint // whole numbers
				}
			}
		})
	}
}

// S22: an attempt's timeout starts no goroutine.
func TestTimeoutsStartNoGoroutine(t *testing.T) {
	const calls = 100
	count := func(opts ...transport.Option) (n int) {
		release := make(chan struct{})
		inMesh(t, func(t *testing.T, m *mesh) {
			release = make(chan struct{})
			m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
			var all sync.WaitGroup
			for range calls {
				all.Go(func() {
					_, _, err := m.get("http://orders/")
					assert.NoError(t, err)
				})
			}
			synctest.Wait()
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			n = bytes.Count(stacks, []byte(", synctest bubble ")) // not those that earlier tests left behind
			close(release)
			all.Wait()
		}, append(opts, transport.WithBase(roundTripFunc(func(*http.Request) (*http.Response, error) {
			<-release
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		})))...)
		return n
	}
	without := count()
	require.Greater(t, without, calls)
	assert.Equal(t, without, count(transport.WithAttemptTimeout(time.Minute)))
	assert.Equal(t, without, count(transport.WithTimeout(time.Minute)))
}

// BenchmarkRoundTrip compares with the bare http.Transport, over sockets. HTTP/2
// includes the server's side, which is net/http's.
func BenchmarkRoundTrip(b *testing.B) {
	addr := rawServer(b, "hello")
	compare(b, "http", addr, new(http.Transport))
	for name, secure := range map[string]bool{"HTTP2": true, "h2c": false} {
		b.Run(name, func(b *testing.B) {
			server := httptest.NewUnstartedServer(say("hello"))
			defer server.Close()
			protocols := new(http.Protocols)
			var cfg *tls.Config
			scheme := "http"
			if secure {
				scheme = "https"
				protocols.SetHTTP2(true)
				server.EnableHTTP2 = true
				server.StartTLS()
				cfg = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "example.com", MinVersion: tls.VersionTLS13}
				cfg.RootCAs.AddCert(server.Certificate())
			} else {
				protocols.SetUnencryptedHTTP2(true)
				server.Config.Protocols = protocols
				server.Start()
			}
			compare(b, scheme, server.Listener.Addr().String(), &http.Transport{Protocols: protocols, TLSClientConfig: cfg.Clone()},
				transport.WithProtocols(*protocols), transport.WithTLS(cfg))
		})
	}
}

// compare measures a GET of a few bytes over bare and over a Transport.
func compare(b *testing.B, scheme, addr string, bare *http.Transport, opts ...transport.Option) {
	defer bare.CloseIdleConnections()
	for _, c := range []struct {
		name, host string
		rt         http.RoundTripper
	}{
		{"bare", addr, bare},
		{"namesake", "orders", newTransport(b, discovery.Addrs(addr), opts...)},
	} {
		b.Run(c.name, func(b *testing.B) {
			req := newRequest(b, http.MethodGet, scheme+"://"+c.host+"/", "")
			buf := make([]byte, 512)
			roundTrip(b, c.rt, req, buf)
			b.ReportAllocs()
			for b.Loop() {
				roundTrip(b, c.rt, req, buf)
			}
		})
	}
}

// BenchmarkOverhead measures what the library itself costs, over a base that
// does nothing, beside a plain call of that base: in the place of the pools,
// which get the caller's request as it is, and as a base of the user's, which
// gets a copy.
func BenchmarkOverhead(b *testing.B) {
	resp := &http.Response{StatusCode: 200}
	base := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp.Body, resp.Request = http.NoBody, req
		return resp, nil
	})
	set := make([]discovery.Instance, 10)
	for i := range set {
		set[i] = discovery.Instance{ID: strconv.Itoa(i), Addr: "10.0.0.1:80"}
	}
	for _, c := range []struct {
		name string
		rt   http.RoundTripper
	}{
		{"bare", base},
		{"namesake", newTransport(b, set, transport.WithEndpointBase(func(discovery.Instance, http.RoundTripper) http.RoundTripper { return base }))},
		{"WithBase", newTransport(b, set, transport.WithBase(base))},
	} {
		b.Run(c.name, func(b *testing.B) {
			req := newRequest(b, http.MethodGet, "http://orders/", "")
			b.ReportAllocs()
			for b.Loop() {
				resp, err := c.rt.RoundTrip(req)
				if err != nil {
					b.Fatal(err)
				}
				_ = resp.Body.Close()
			}
		})
	}
}
