package transport_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
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

func TestCallsSpreadOverTheCopies(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		for _, addr := range addrs(3) {
			m.serve(addr, say(addr))
		}
		m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
		got := map[string]int{}
		for range 30 {
			status, body, err := m.get("http://orders/v1/orders/42")
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status)
			got[body]++
			settle()
		}
		for _, addr := range addrs(3) {
			assert.Equal(t, 10, got[addr], addr)
			assert.Equal(t, 1, m.net.Dials(addr), "one connection does for calls one after the other")
		}
	}, transport.WithPolicy(balancer.RoundRobin))
}

// What the endpoint sees, and what the caller gets back, bears the service's
// name, never the endpoint's address (S8, S9).
func TestTheNameStays(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", answer(http.StatusServiceUnavailable, ""))
		m.serve("10.0.0.2:80", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Seen-Host", r.Host)
			w.Header().Set("Location", "/next")
		})
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)

		req := m.request(http.MethodGet, "http://orders/x?y=1", "")
		resp, err := m.rt.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, "orders", resp.Header.Get("Seen-Host"))
		assert.Same(t, req, resp.Request)
		location, err := resp.Location()
		require.NoError(t, err)
		assert.Equal(t, m.url("http://orders/next"), location.String())
		assert.Equal(t, "orders", req.URL.Host)
		assert.Equal(t, "orders", req.Host)

		req = m.request(http.MethodGet, "http://orders/", "")
		req.Host = "" // as in a request that was not made by NewRequest
		resp, err = m.rt.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, "orders", resp.Header.Get("Seen-Host"))
		assert.Empty(t, req.Host)

		req = m.request(http.MethodGet, "http://orders/", "")
		req.Host = "tenant.example"
		resp, err = m.rt.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, "tenant.example", resp.Header.Get("Seen-Host"))
		assert.Equal(t, "tenant.example", req.Host)
	}, transport.WithPolicy(inOrder))
}

// Cookies and redirects are http.Client's business and work with logical
// names (S15, S18).
func TestCookiesAndRedirects(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		for _, addr := range addrs(2) {
			m.serve(addr, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/first" {
					http.SetCookie(w, &http.Cookie{Name: "session", Value: "s1"})
					http.Redirect(w, r, "/second", http.StatusFound)
					return
				}
				cookie, err := r.Cookie("session")
				if err != nil {
					http.Error(w, "no cookie", http.StatusBadRequest)
					return
				}
				_, _ = io.WriteString(w, addr+" "+cookie.Value+" "+r.Header.Get("Authorization"))
			})
		}
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		m.client.Jar = jar

		seen := map[string]bool{}
		for range 40 { // the hops of one call are balanced one by one
			req := m.request(http.MethodGet, "http://orders/first", "")
			req.Header.Set("Authorization", "Bearer token")
			resp, err := m.client.Do(req)
			require.NoError(t, err)
			data, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			addr, rest, _ := strings.Cut(string(data), " ")
			seen[addr] = true
			assert.Equal(t, "s1 Bearer token", rest)
			assert.Equal(t, m.url("http://orders/second"), resp.Request.URL.String())
		}
		assert.Len(t, seen, 2)
	}, transport.WithPolicy(balancer.Random))
}

// S12, S13: names are canonical, unknown ones are refused, nothing is dialed.
func TestNames(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", say("orders"))
		m.serve("10.0.0.2:80", say("orders admin"))
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		m.registry.Set("orders:8080", discovery.Addrs("10.0.0.2:80")...)

		for _, url := range []string{"http://orders/", "http://ORDERS/", "http://orders./", "http://orders:80/", "http://orders:/", "http://Orders.:80/"} {
			_, body, err := m.get(url)
			require.NoError(t, err, url)
			assert.Equal(t, "orders", body, url)
		}
		for range 2 { // the second time, the name is known
			_, body, err := m.get("http://orders:8080/")
			require.NoError(t, err)
			assert.Equal(t, "orders admin", body)
		}
		m.serve("10.0.0.3:80", say("bücher"))
		m.registry.Set("xn--bcher-kva", discovery.Addrs("10.0.0.3:80")...)
		for _, url := range []string{"http://bücher/", "http://BÜCHER./", "http://xn--bcher-kva/"} {
			_, body, err := m.get(url)
			require.NoError(t, err, url)
			assert.Equal(t, "bücher", body, url)
		}
		for _, url := range []string{"http://other/", "http://10.0.0.9:80/", "http://localhost/", "http://[::1]/", "http://orders:443/"} {
			_, _, err := m.get(url)
			failed, ok := errors.AsType[*transport.Error](err)
			require.True(t, ok, "%s: %v", url, err)
			assert.ErrorIs(t, failed, balancer.ErrNoEndpoints, url)
			assert.Zero(t, failed.Attempts)
			assert.Empty(t, failed.Addr)
		}
		for _, url := range []string{"http:///x", "http:orders/x", "ftp://orders/"} {
			req := newRequest(t, http.MethodPost, "http://x/", "")
			body := &trackBody{Reader: strings.NewReader("x")}
			var err error
			req.URL, err = req.URL.Parse(url)
			require.NoError(t, err)
			if url == "http:///x" {
				req.URL.Host = ""
			}
			req.Body = body
			_, err = m.rt.RoundTrip(req) //nolint:bodyclose // fails
			_, ok := errors.AsType[*transport.Error](err)
			assert.True(t, ok, "%s: %v", url, err)
			assert.Equal(t, 1, body.closed(), url)
		}
		for addr, want := range map[string]int{"localhost:80": 0, "other:80": 0, "orders:443": 0, "10.0.0.2:80": 1} {
			assert.Equal(t, want, m.net.Dials(addr), addr)
		}
	})
}

func TestUnknownServiceOfARegistryThatKnows(t *testing.T) {
	rt := transport.New(discovery.Static{"orders": discovery.Addrs("10.0.0.1:80")}, transport.WithLogger(nil))
	defer rt.Close()
	_, err := rt.RoundTrip(newRequest(t, http.MethodGet, "http://other/", "")) //nolint:bodyclose // fails
	failed, ok := errors.AsType[*transport.Error](err)
	require.True(t, ok)
	require.ErrorIs(t, err, discovery.ErrUnknownService)
	assert.Equal(t, "other", failed.Service)
	assert.Contains(t, err.Error(), "other")
}

// S72: calls wait for the registry's first answer, but not past their deadline,
// nor past a bounded time of the transport's own.
func TestWaitingForTheFirstAnswer(t *testing.T) {
	silent := discovery.WatcherFunc(func(ctx context.Context, _ string) iterSeq {
		return func(func([]discovery.Instance, error) bool) { <-ctx.Done() }
	})
	synctest.Test(t, func(t *testing.T) {
		rt := transport.New(silent, transport.WithLogger(nil))
		defer rt.Close()

		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		body := &trackBody{Reader: strings.NewReader("x")}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://orders/", body)
		require.NoError(t, err)
		start := time.Now()
		_, err = rt.RoundTrip(req) //nolint:bodyclose // fails
		assert.Equal(t, 50*time.Millisecond, time.Since(start))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, transport.ErrNoAnswer)
		failed, _ := errors.AsType[*transport.Error](err)
		assert.True(t, failed.Timeout())
		assert.Equal(t, 1, body.closed())

		start = time.Now()
		_, err = rt.RoundTrip(newRequest(t, http.MethodGet, "http://orders/", "")) //nolint:bodyclose // fails
		require.ErrorIs(t, err, transport.ErrNoAnswer)
		assert.Equal(t, transport.DefaultRegistryTimeout, time.Since(start))

		go func() {
			time.Sleep(time.Second)
			rt.Close()
		}()
		start = time.Now()
		_, err = rt.RoundTrip(newRequest(t, http.MethodGet, "http://orders/", "")) //nolint:bodyclose // fails
		require.ErrorIs(t, err, transport.ErrClosed)
		assert.Equal(t, time.Second, time.Since(start))
	})
}

func TestTheFirstAnswerReleasesWaitingCalls(t *testing.T) {
	var first chan []discovery.Instance
	late := discovery.WatcherFunc(func(ctx context.Context, _ string) iterSeq {
		return func(yield func([]discovery.Instance, error) bool) {
			if !yield(nil, errors.New("registry: connection refused")) {
				return
			}
			select {
			case set := <-first:
				if yield(set, nil) {
					<-ctx.Done()
				}
			case <-ctx.Done():
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		first = make(chan []discovery.Instance) // in the bubble, where a wait for it is a wait
		rt := transport.New(late, transport.WithLogger(nil), transport.WithBase(roundTripFunc(func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: req}, nil
		})))
		defer rt.Close()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := rt.RoundTrip(newRequest(t, http.MethodGet, "http://orders/", "").WithContext(ctx)) //nolint:bodyclose // fails
		require.ErrorContains(t, err, "registry: connection refused", "the cause is not hidden")

		go func() {
			time.Sleep(3 * time.Second)
			first <- discovery.Addrs("10.0.0.1:80")
		}()
		start := time.Now()
		resp, err := rt.RoundTrip(newRequest(t, http.MethodGet, "http://orders/", ""))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, 3*time.Second, time.Since(start))
	})
}

func TestCanceledWhileWaiting(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", hangs)
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		reason := errors.New("the user left")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			time.Sleep(time.Second)
			cancel(reason)
		}()
		_, err := m.rt.RoundTrip(m.request(http.MethodGet, "http://orders/", "").WithContext(ctx)) //nolint:bodyclose // fails
		failed, ok := errors.AsType[*transport.Error](err)
		require.True(t, ok)
		require.ErrorIs(t, err, reason)
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, 1, failed.Attempts)
		assert.False(t, failed.Timeout())
	}, transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: 1}),
		transport.WithHooks(transport.Hooks{
			Attempt:         func(e transport.AttemptEvent) { assert.Equal(t, balancer.Ignored, e.Outcome) },
			EndpointEjected: func(transport.EndpointEvent) { t.Error("ejected for the caller's cancel") },
		}))
}

// http.Client's own timeout reaches through, while waiting for the header and
// in the body (S68, S69).
func TestClientTimeout(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/body" {
				_, _ = io.WriteString(w, "beginning")
				_ = http.NewResponseController(w).Flush()
			}
			<-r.Context().Done()
			panic(http.ErrAbortHandler) // not an end that looks good
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		m.client.Timeout = time.Second
		for _, path := range []string{"/header", "/body"} {
			start := time.Now()
			_, _, err := m.get("http://orders" + path)
			require.Error(t, err, path)
			var timeout interface{ Timeout() bool }
			require.ErrorAs(t, err, &timeout, path)
			assert.True(t, timeout.Timeout(), path)
			require.ErrorIs(t, err, context.DeadlineExceeded, path)
			assert.Equal(t, time.Second, time.Since(start), path)
		}
	})
}

func TestServiceTimeoutCoversTheBody(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		for _, addr := range addrs(2) {
			m.serve(addr, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, "beginning")
				_ = http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
					panic(http.ErrAbortHandler)
				case <-time.After(3 * time.Second):
				}
			})
		}
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		m.registry.Set("reports", discovery.Addrs("10.0.0.2:80")...)
		start := time.Now()
		_, body, err := m.get("http://orders/")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, "beginning", body)
		assert.Equal(t, 2*time.Second, time.Since(start))
		_, _, err = m.get("http://reports/")
		require.NoError(t, err, "ForService prevails")
	}, transport.ForService("reports", transport.WithTimeout(time.Minute)), transport.WithTimeout(2*time.Second))
}

// S62: the attempt's timeout ends with the header.
func TestAttemptTimeout(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", hangs)
		m.serve("10.0.0.2:80", func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(10 * time.Millisecond)
			for range 20 {
				_, _ = io.WriteString(w, "x")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(100 * time.Millisecond)
			}
		})
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		start := time.Now()
		_, body, err := m.get("http://orders/")
		require.NoError(t, err)
		assert.Len(t, body, 20)
		assert.Equal(t, 50*time.Millisecond+10*time.Millisecond+2*time.Second, time.Since(start))
	}, transport.WithAttemptTimeout(50*time.Millisecond), transport.WithPolicy(inOrder))
}

func TestAttemptTimeoutOfTheLastAttempt(t *testing.T) {
	var outcomes []balancer.Outcome
	inEveryWay(t, func(t *testing.T, m *mesh) {
		outcomes = nil
		m.serve("10.0.0.1:80", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		_, _, err := m.do(http.MethodPost, "http://orders/", strings.NewReader("x"))
		failed, ok := errors.AsType[*transport.Error](err)
		require.True(t, ok)
		assert.True(t, failed.Timeout())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, context.Canceled)
		assert.Equal(t, 1, failed.Attempts, "a POST may have been processed")
		assert.Equal(t, []balancer.Outcome{balancer.Failure}, outcomes)
	}, transport.WithAttemptTimeout(50*time.Millisecond), transport.WithHooks(transport.Hooks{
		Attempt: func(e transport.AttemptEvent) { outcomes = append(outcomes, e.Outcome) },
	}))
}

// S7
func TestCloseIdleConnections(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		for _, addr := range addrs(2) {
			m.serve(addr, say(addr))
		}
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		for range 4 {
			_, _, err := m.get("http://orders/")
			require.NoError(t, err)
		}
		m.client.CloseIdleConnections()
		synctest.Wait()
		for range 2 {
			_, _, err := m.get("http://orders/")
			require.NoError(t, err)
		}
		for _, addr := range addrs(2) {
			assert.Equal(t, 2, m.net.Dials(addr))
		}
	}, transport.WithPolicy(balancer.RoundRobin))
}

// After Close nothing is left, calls fail, and what is in flight may finish
// (S81, S83).
func TestClose(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		release := make(chan struct{})
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "begin ")
			_ = http.NewResponseController(w).Flush()
			<-release
			_, _ = io.WriteString(w, "end")
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		resp, err := m.client.Get(m.url("http://orders/"))
		require.NoError(t, err)

		m.rt.Close()
		m.rt.Close() // twice does no harm
		for _, url := range []string{"http://orders/", "http://new/"} {
			body := &trackBody{Reader: strings.NewReader("x")}
			req := m.request(http.MethodPost, url, "")
			req.Body = body
			_, err = m.rt.RoundTrip(req) //nolint:bodyclose // fails
			require.ErrorIs(t, err, transport.ErrClosed)
			assert.Equal(t, 1, body.closed())
		}

		close(release)
		data, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Equal(t, "begin end", string(data))
		require.NoError(t, resp.Body.Close())
		// The bubble ends with an error if a connection or goroutine is left.
	})
}

func TestNewDoesNothing(t *testing.T) {
	watched := false
	rt := transport.New(discovery.WatcherFunc(func(context.Context, string) iterSeq {
		watched = true
		return func(func([]discovery.Instance, error) bool) {}
	}))
	rt.Close()
	assert.False(t, watched)
	assert.Panics(t, func() { transport.New(nil) })
}
