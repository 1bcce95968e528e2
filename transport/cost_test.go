package transport_test

import (
	"bufio"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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

// S19 to S21: a call costs no allocation more than the bare http.Transport,
// one with a body, whatever the number of headers and endpoints, with retries,
// budget and breakers on.
func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	noop := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: http.NoBody, Request: req}, nil
	})
	for name, c := range map[string]struct {
		body    string
		headers int
		set     int // endpoints, all at one address
		opts    []transport.Option
		bare    http.RoundTripper
		want    float64
	}{
		"empty response":       {want: 0, set: 1},
		"response with a body": {body: "hello", want: 1, set: 1},
		"8 headers":            {body: "hello", headers: 8, want: 1, set: 10},
		"a user's base":        {opts: []transport.Option{transport.WithBase(noop)}, bare: noop, want: 1, set: 10},
		"hooks": {body: "hello", want: 1, set: 10, opts: []transport.Option{transport.WithHooks(transport.Hooks{
			Pick: func(transport.PickEvent) {}, Attempt: func(transport.AttemptEvent) {}, Call: func(transport.CallEvent) {},
		})}},
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

func BenchmarkRoundTrip(b *testing.B) {
	addr := rawServer(b, "hello")
	for _, c := range []struct {
		name, url string
		rt        http.RoundTripper
	}{
		{"bare", "http://" + addr + "/", &http.Transport{MaxIdleConnsPerHost: 128}},
		{"namesake", "http://orders/", newTransport(b, discovery.Addrs(addr))},
	} {
		b.Run(c.name, func(b *testing.B) {
			req := newRequest(b, http.MethodGet, c.url, "")
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
// does nothing, beside a plain call of that base.
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
		{"namesake", newTransport(b, set, transport.WithBase(base))},
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
