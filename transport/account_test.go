package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
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

// What the caller did wrong is neither repeated nor held against an endpoint,
// also where only net/http, or the wire, notices.
func TestTheCallersFaultFoundLate(t *testing.T) {
	for name, prepare := range map[string]func(*http.Request){
		"a scheme of another kind": func(req *http.Request) { req.URL.Scheme = "ftp" },
		"an invalid trailer":       func(req *http.Request) { req.Trailer = http.Header{"a b": nil} },
		"a raw query with a line break": func(req *http.Request) {
			req.URL.RawQuery = "a=b\nc"
		},
		"an opaque URL with a line break": func(req *http.Request) { req.URL.Opaque = "/a\nb" },
		"a Host that is no name":          func(req *http.Request) { req.Host = "xn--\u00e4\u200b" },
		"a length without a body": func(req *http.Request) {
			req.Body, req.ContentLength = nil, 5
		},
		"a body shorter than its length": func(req *http.Request) {
			req.Body, req.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("begin"))), 100
		},
	} {
		t.Run(name, func(t *testing.T) {
			inMesh(t, func(t *testing.T, m *mesh) {
				for _, addr := range addrs(2) {
					m.serve(addr, say(addr))
				}
				m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
				_, _, err := m.get("http://orders/") // the name is known from here on
				require.NoError(t, err)
				req := newRequest(t, http.MethodPut, "http://orders/", "")
				prepare(req)
				_, err = m.rt.RoundTrip(req) //nolint:bodyclose // fails
				failed, ok := errors.AsType[*transport.Error](err)
				require.True(t, ok, "%v", err)
				assert.LessOrEqual(t, failed.Attempts, 1, "%v", err)
			}, transport.WithPolicy(inOrder), transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: 1}),
				transport.WithHooks(transport.Hooks{
					BreakerChanged: func(transport.BreakerEvent) { t.Error("blamed for the caller's fault") },
				}))
		})
	}
}

// An https call passes over the copies that speak plain HTTP. They cost it
// neither attempts nor budget, and do not draw calls because nothing is ever
// measured of them.
func TestPlaintextCopiesAmongOthers(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.registry.Set("orders",
			discovery.Instance{Addr: "10.0.0.1:443", Scheme: "https"}, discovery.Instance{Addr: "10.0.0.2:80", Scheme: "http"})
		failed := 0
		for range 1000 {
			if _, _, err := m.get("https://orders/"); err != nil {
				failed++
			}
		}
		assert.Zero(t, failed, "of 1000 calls")
	}, transport.WithBase(roundTripFunc(func(*http.Request) (*http.Response, error) {
		time.Sleep(time.Millisecond)
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})))
}

// Request.Cancel, by which http.Client.Timeout works over any transport but
// net/http's own, is the caller giving up, while the body is read too.
func TestRequestCancelWhileReadingIsNoFailure(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		req := newRequest(t, http.MethodGet, "http://orders/", "")
		stop := make(chan struct{})
		req.Cancel = stop // as http.Client does
		resp, err := m.rt.RoundTrip(req)
		require.NoError(t, err)
		time.AfterFunc(time.Second, func() { close(stop) })
		_, err = io.ReadAll(resp.Body)
		require.Error(t, err)
		require.NoError(t, resp.Body.Close())
	}, transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: 1}), transport.WithHooks(transport.Hooks{
		BreakerChanged: func(transport.BreakerEvent) { t.Error("blamed for the caller's leaving") },
	}))
}

// A 503's Retry-After speaks for the copy that sent it, also if that copy was
// on trial and is none of those that the policy chooses from.
func TestATrialThatFailsDoesNotDelayTheCall(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		busy := false
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, _ *http.Request) {
			if busy {
				w.Header().Set("Retry-After", "5")
			}
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		m.serve("10.0.0.2:80", say("two"))
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		for range 6 {
			_, _, err := m.get("http://orders/")
			require.NoError(t, err)
		}
		time.Sleep(7 * time.Second) // half-open by now
		busy = true
		start := time.Now()
		_, body, err := m.get("http://orders/")
		require.NoError(t, err)
		assert.Equal(t, "two", body)
		assert.Zero(t, time.Since(start))
	}, transport.WithPolicy(inOrder))
}

// A half-open copy that hangs costs now and then a call, not every call of a
// client that makes one after the other.
func TestACopyThatHangsOnTrial(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		hang := false
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, r *http.Request) {
			if hang {
				<-r.Context().Done()
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		m.serve("10.0.0.2:80", say("two"))
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		for range 6 {
			_, _, err := m.get("http://orders/")
			require.NoError(t, err)
		}
		hang = true
		calls, failed := 0, 0
		for start := time.Now(); time.Since(start) < 5*time.Minute; time.Sleep(10 * time.Millisecond) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			resp, err := m.client.Do(newRequest(t, http.MethodGet, "http://orders/", "").WithContext(ctx))
			calls++
			if err != nil {
				failed++
			} else {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			cancel()
		}
		// Pauses of 5, 10, 20, 40, 60, 60, 60 s.
		assert.LessOrEqual(t, failed, 10, "of %d calls", calls)
	}, transport.WithPolicy(inOrder))
}

// Error.Attempts is what was sent.
func TestAttemptsThatWereNotMadeAreNotCounted(t *testing.T) {
	sent, picks, attempts := 0, 0, 0
	inMesh(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, _ *http.Request) {
			sent++
			w.Header().Set("Retry-After", "5")
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		for range 2 { // canceled during the backoff, then before the first attempt
			before := sent
			_, err := m.rt.RoundTrip(newRequest(t, http.MethodGet, "http://orders/", "").WithContext(ctx)) //nolint:bodyclose // fails
			failed, ok := errors.AsType[*transport.Error](err)
			require.True(t, ok)
			assert.Equal(t, sent-before, failed.Attempts, "%v", err)
			assert.Equal(t, picks, attempts, "each Pick is followed by an Attempt")
		}
	}, transport.WithHooks(transport.Hooks{
		Pick:    func(transport.PickEvent) { picks++ },
		Attempt: func(transport.AttemptEvent) { attempts++ },
	}))
}

// An answer that comes as its attempt's timeout runs out is either in time or
// too late, but never a response whose body cannot be read.
func TestAnswerAtTheAttemptsTimeout(t *testing.T) {
	calls := 0
	inMesh(t, func(t *testing.T, m *mesh) {
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		_, body, err := m.get("http://orders/")
		require.NoError(t, err)
		assert.Equal(t, "whole", body)
	}, transport.WithAttemptTimeout(50*time.Millisecond), transport.WithBase(roundTripFunc(func(req *http.Request) (*http.Response, error) {
		if calls++; calls == 1 {
			time.Sleep(50 * time.Millisecond)
			synctest.Wait() // the timer has fired
		}
		ctx := req.Context()
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(io.MultiReader(readerFunc(func([]byte) (int, error) {
			if ctx.Err() != nil { // as net/http's bodies do
				return 0, context.Cause(ctx)
			}
			return 0, io.EOF
		}), strings.NewReader("whole")))}, nil
	})))
}

// A policy that panics fails the call that made it build a picker, and locks
// up nothing.
func TestPanickingPolicy(t *testing.T) {
	built := 0
	policy := func(set balancer.Set) balancer.Picker {
		if built++; built == 2 {
			panic("a policy's bug")
		}
		return inOrder(set)
	}
	m := &mesh{t: t}
	m.serve("10.0.0.1:80", answer(http.StatusInternalServerError, ""))
	m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
	rt := transport.New(&m.registry, transport.WithLogger(nil), transport.WithDialContext(m.net.DialContext),
		transport.WithPolicy(policy), transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: 1}))
	require.Panics(t, func() { _, _ = rt.RoundTrip(newRequest(t, http.MethodGet, "http://orders/", "")) }) //nolint:bodyclose // panics
	closed := make(chan struct{})
	go func() {
		rt.CloseIdleConnections()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
		t.Fatal("a lock is held forever")
	}
	rt.Close()
	for _, s := range m.servers {
		_ = s.Close()
	}
}

// User code that panics on the way of a call leaves no attempt in flight.
func TestPanicsLeaveNothingInFlight(t *testing.T) {
	for name, opt := range map[string]func(func()) transport.Option{
		"hook": func(f func()) transport.Option {
			return transport.WithHooks(transport.Hooks{Pick: func(transport.PickEvent) { f() }})
		},
		"base": func(f func()) transport.Option {
			return transport.WithBase(roundTripFunc(func(*http.Request) (*http.Response, error) { f(); return nil, nil }))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var gauge inFlight
			inMesh(t, func(t *testing.T, m *mesh) {
				m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
				require.Panics(t, func() { _, _, _ = m.get("http://orders/") })
				assert.Zero(t, gauge.now())
			}, transport.WithHooks(gauge.hooks()), opt(func() { panic("a user's bug") }))
		})
	}
}

// Whatever a dialer fails with, there was no connection.
func TestEveryDialErrorIsRepeated(t *testing.T) {
	var dials atomic.Int32
	inMesh(t, func(t *testing.T, m *mesh) {
		m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
		_, _, err := m.do(http.MethodPost, "http://orders/", strings.NewReader("x"))
		require.Error(t, err)
		assert.Equal(t, int32(3), dials.Load())
	}, transport.WithDialContext(func(ctx context.Context, _, _ string) (net.Conn, error) {
		if dials.Add(1) == 1 {
			return nil, errors.New("the tunnel is down")
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}))
}

// One attempt is one failure, though its 500 breaks off as well.
func TestABrokenOff500IsOneFailure(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "x")
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		_, _, err := m.get("http://orders/")
		require.Error(t, err)
	}, transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: 2}), transport.WithHooks(transport.Hooks{
		BreakerChanged: func(transport.BreakerEvent) { t.Error("counted twice") },
	}))
}

// A call that waits for the registry keeps its name from being forgotten.
func TestWaitingCallsAreNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var watches atomic.Int32
		rt := transport.New(discovery.WatcherFunc(func(ctx context.Context, _ string) iterSeq {
			watches.Add(1)
			return func(func([]discovery.Instance, error) bool) { <-ctx.Done() }
		}), transport.WithLogger(nil), transport.WithRegistryTimeout(5*time.Minute))
		defer rt.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		_, err := rt.RoundTrip(newRequest(t, http.MethodGet, "http://orders/", "").WithContext(ctx)) //nolint:bodyclose // fails
		require.ErrorIs(t, err, transport.ErrNoAnswer)
		assert.Equal(t, 5*time.Minute, time.Since(start))
		assert.Equal(t, int32(1), watches.Load())
	})
}

// The body of an upgraded connection can close its sending direction, as
// net/http's can.
func TestUpgradedConnectionsCloseWrite(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "echo")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.Copy(conn, rw)
	}))
	defer s.Close()
	rt := newTransport(t, discovery.Addrs(s.Listener.Addr().String()))
	req := newRequest(t, http.MethodGet, "http://orders/", "")
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	resp, err := rt.RoundTrip(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	_, err = io.WriteString(resp.Body.(io.Writer), "hello")
	require.NoError(t, err)
	require.NoError(t, resp.Body.(interface{ CloseWrite() error }).CloseWrite())
	got, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(got))
}
