package transport_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
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

// What each way for an attempt to end means for its endpoint: for the breaker,
// which opens here at the first failure, and for the latency, of which 100 ms
// have been measured before. All attempts take 10 ms, unless they say
// otherwise.
func TestOutcomes(t *testing.T) {
	const usual, quick, slow = 100 * time.Millisecond, 10 * time.Millisecond, 300 * time.Millisecond
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(quick)
			if len(header) > 0 {
				w.Header().Set(header[0], header[1])
			}
			w.WriteHeader(code)
		}
	}
	slowStatus := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(slow)
			w.WriteHeader(code)
		}
	}
	hang := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	type effect int
	const (
		same   effect = iota // neither better nor worse, but for what time does
		lower                // the average follows
		higher               // likewise
		raise                // at least as long as this took
	)
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		prepare func(m *mesh, req *http.Request) *http.Request
		end     func(*http.Response)
		opts    []transport.Option
		outcome balancer.Outcome
		opens   bool
		latency effect
	}{
		"200":                          {handler: status(200), outcome: balancer.Success, latency: lower},
		"404":                          {handler: status(404), outcome: balancer.Success, latency: lower},
		"slow 200":                     {handler: slowStatus(200), outcome: balancer.Success, latency: higher},
		"501":                          {handler: status(501), outcome: balancer.Success, latency: lower},
		"505":                          {handler: status(505), outcome: balancer.Success, latency: lower},
		"429":                          {handler: status(429), outcome: balancer.Busy},
		"503 with Retry-After":         {handler: status(503, "Retry-After", "60"), outcome: balancer.Busy},
		"503":                          {handler: status(503), outcome: balancer.Failure, opens: true},
		"500":                          {handler: status(500), outcome: balancer.Failure, opens: true},
		"502":                          {handler: status(502), outcome: balancer.Failure, opens: true},
		"504":                          {handler: status(504), outcome: balancer.Failure, opens: true},
		"slow 500":                     {handler: slowStatus(500), outcome: balancer.Failure, opens: true, latency: raise},
		"a broken connection":          {handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, outcome: balancer.Failure, opens: true},
		"a refused connection":         {handler: nil, outcome: balancer.Failure, opens: true},
		"an attempt that times out":    {handler: hang, outcome: balancer.Failure, opens: true, latency: raise, opts: []transport.Option{transport.WithAttemptTimeout(slow)}},
		"a call that times out":        {handler: hang, outcome: balancer.Ignored, latency: raise, opts: []transport.Option{transport.WithTimeout(slow)}},
		"a caller who cancels":         {handler: hang, prepare: canceledAfter(slow), outcome: balancer.Ignored, latency: raise},
		"a caller who cancels at once": {handler: hang, prepare: canceledAfter(quick), outcome: balancer.Ignored},
		"a body that breaks off": {
			handler: func(w http.ResponseWriter, _ *http.Request) {
				time.Sleep(quick)
				_, _ = io.WriteString(w, "begin")
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			},
			end: func(resp *http.Response) { _, _ = io.Copy(io.Discard, resp.Body) }, outcome: balancer.Success, latency: lower, opens: true,
		},
		"a body that the caller closes": {
			handler: func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(quick)
				_, _ = io.WriteString(w, "begin")
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
				panic(http.ErrAbortHandler)
			},
			outcome: balancer.Success, latency: lower,
		},
		"a request body that fails": {
			handler: func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) },
			prepare: func(_ *mesh, req *http.Request) *http.Request {
				req.Method, req.ContentLength = http.MethodPut, 100
				req.Body = io.NopCloser(io.MultiReader(strings.NewReader("begin"), readerFunc(func([]byte) (int, error) { return 0, errors.New("disk on fire") })))
				return req
			},
			outcome: balancer.Ignored,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var outcomes []balancer.Outcome
			var endpoint *balancer.Endpoint
			opened := false
			inEveryWay(t, func(t *testing.T, m *mesh) {
				outcomes, opened = nil, false
				server := m.serve("10.0.0.1:80", func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/usual" {
						time.Sleep(usual)
						return
					}
					c.handler(w, r)
				})
				m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
				for range 3 {
					_, _, err := m.get("http://orders/usual")
					require.NoError(t, err)
				}
				if c.handler == nil {
					require.NoError(t, server.Close())
					synctest.Wait()
				}
				before := endpoint.Latency()
				require.InDelta(t, usual, before, float64(time.Millisecond))
				outcomes = nil

				req := m.request(http.MethodGet, "http://orders/", "")
				if c.prepare != nil {
					req = c.prepare(m, req)
				}
				resp, err := m.rt.RoundTrip(req)
				if err == nil {
					if c.end != nil {
						c.end(resp)
					}
					require.NoError(t, resp.Body.Close())
				}
				synctest.Wait()
				assert.Equal(t, []balancer.Outcome{c.outcome}, outcomes)
				assert.Equal(t, c.opens, opened)
				switch after := endpoint.Latency(); c.latency {
				case lower:
					assert.Less(t, after, before)
				case higher:
					assert.Greater(t, after, before)
					assert.Less(t, after, slow)
				case raise:
					assert.InDelta(t, slow, after, float64(5*time.Millisecond))
				default:
					assert.InDelta(t, before, after, float64(time.Millisecond))
				}
			}, append(c.opts, transport.WithRetry(resilience.RetryConfig{Attempts: 1}),
				transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: 1}),
				transport.WithHooks(transport.Hooks{
					Pick:           func(e transport.PickEvent) { endpoint = e.Endpoint },
					Attempt:        func(e transport.AttemptEvent) { outcomes = append(outcomes, e.Outcome) },
					BreakerChanged: func(e transport.BreakerEvent) { opened = opened || e.To == resilience.Open },
				}))...)
		})
	}
}

func canceledAfter(d time.Duration) func(*mesh, *http.Request) *http.Request {
	return func(m *mesh, req *http.Request) *http.Request {
		ctx, cancel := context.WithCancel(m.t.Context())
		time.AfterFunc(d, cancel)
		return req.WithContext(ctx)
	}
}

// S73: a caller who leaves, for a reason of its own, is told that reason and is
// nobody's failure, wherever the call was.
func TestCancelWithACause(t *testing.T) {
	reason := errors.New("the user left")
	for name, c := range map[string]struct {
		addr    string
		handler http.HandlerFunc
		body    bool // the cause shows while it is read
		upload  bool
	}{
		"connecting":        {addr: "10.0.0.9:80"},
		"before the header": {handler: hangs},
		"in the body": {body: true, handler: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "begin")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}},
		"in an upload": {upload: true, handler: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			hangs(w, r)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inEveryWay(t, func(t *testing.T, m *mesh) {
				addr := "10.0.0.1:80"
				if c.handler != nil {
					m.serve(addr, c.handler)
				} else {
					addr = c.addr
					m.hang(addr)
				}
				m.registry.Set("orders", discovery.Addrs(addr)...)
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(100*time.Millisecond, func() { cancel(reason) })
				req := m.request(http.MethodPut, "http://orders/", "").WithContext(ctx)
				if c.upload {
					r, w := io.Pipe()
					// Over HTTP/1, net/http waits until the body has been read.
					context.AfterFunc(ctx, func() { _ = w.CloseWithError(ctx.Err()) })
					req.Body = r
				}
				start := time.Now()
				resp, err := m.rt.RoundTrip(req)
				if c.body {
					require.NoError(t, err)
					_, err = io.ReadAll(resp.Body)
					require.NoError(t, resp.Body.Close())
				}
				require.ErrorIs(t, err, reason)
				require.ErrorIs(t, err, context.Canceled)
				assert.Equal(t, 100*time.Millisecond, time.Since(start))
				time.Sleep(5 * time.Second) // a dial that goes on ends by itself
			}, transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: 1}),
				transport.WithHooks(transport.Hooks{
					Attempt:        func(e transport.AttemptEvent) { assert.NotEqual(t, balancer.Failure, e.Outcome) },
					BreakerChanged: func(transport.BreakerEvent) { t.Error("blamed for the caller's cancel") },
				}))
		})
	}
}

// S70: the cause is there to be asked for, and so are the service, the endpoint
// and the number of attempts.
func TestCausesOfErrors(t *testing.T) {
	dialFails := func(err error) transport.Option {
		return transport.WithDialContext(func(context.Context, string, string) (net.Conn, error) { return nil, err })
	}
	as := func(target any) func(*testing.T, error) {
		return func(t *testing.T, err error) { assert.ErrorAs(t, err, target) }
	}
	for name, c := range map[string]struct {
		opts  []transport.Option
		check func(*testing.T, error)
		serve bool
		tls   bool // only where there is TLS
	}{
		"refused": {check: func(t *testing.T, err error) {
			assert.ErrorIs(t, err, syscall.ECONNREFUSED)
			assert.ErrorAs(t, err, new(*net.OpError))
		}},
		"no such host": {check: as(new(*net.DNSError)), opts: []transport.Option{
			dialFails(&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}}),
		}},
		"unreachable": {check: func(t *testing.T, err error) { assert.ErrorIs(t, err, syscall.EHOSTUNREACH) }, opts: []transport.Option{
			dialFails(&net.OpError{Op: "dial", Net: "tcp", Err: syscall.EHOSTUNREACH}),
		}},
		"a certificate that does not fit": {check: as(new(*tls.CertificateVerificationError)), serve: true, tls: true, opts: []transport.Option{
			transport.WithTLS(&tls.Config{ServerName: "else.internal", MinVersion: tls.VersionTLS13}),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inEveryMode(t, func(t *testing.T, m *mesh) {
				if c.tls && !m.mode.secure {
					return
				}
				if c.serve {
					for _, addr := range addrs(3) {
						m.serve(addr, say(""))
					}
				}
				m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
				_, _, err := m.do(http.MethodPost, "http://orders/", strings.NewReader("x"))
				require.Error(t, err)
				c.check(t, err)
				failed, ok := errors.AsType[*transport.Error](err)
				require.True(t, ok)
				assert.Equal(t, "orders", failed.Service)
				assert.Equal(t, "10.0.0.3:80", failed.Addr)
				assert.Equal(t, 3, failed.Attempts, "nothing was sent")
				assert.Len(t, failed.Earlier, 2)
				for _, earlier := range failed.Earlier {
					c.check(t, earlier)
				}
			}, append(c.opts, transport.WithPolicy(inOrder))...)
		})
	}
}
