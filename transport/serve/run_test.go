package serve_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/internal/memnet"
	"github.com/namesake-go/namesake/transport/serve"
)

// The whole life of a copy, with the defaults.
func TestSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var health serve.Health
		mux := http.NewServeMux()
		mux.Handle("/livez", health.Live())
		mux.Handle("/readyz", health.Ready())
		mux.Handle("/", hello)
		status := func(w *world, path string) int {
			code, _, err := w.get(t, path)
			require.NoError(t, err)
			return code
		}
		var log bytes.Buffer
		w := begin(t, func(m *discovery.Memory) discovery.Registrar {
			return hooked{
				Registrar: m,
				register:  func(context.Context) error { time.Sleep(2 * time.Second); return nil },
				withdraw:  func(context.Context) error { time.Sleep(time.Second); return nil },
			}
		}, mux, serve.Config{
			Health:   &health,
			Instance: discovery.Instance{Zone: "eu-1a", Weight: 3},
			Ready:    func(context.Context) error { time.Sleep(4 * time.Second); return nil },
			Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
					return slog.Attr{}
				}
				return a
			}})),
		})

		w.at(5 * time.Second) // ready since 4 s, announced at 6 s
		assert.Equal(t, http.StatusOK, status(w, "/livez"))
		assert.Equal(t, http.StatusServiceUnavailable, status(w, "/readyz"), "the registry does not know it yet")
		assert.Empty(t, w.copies(t))

		w.at(6 * time.Second)
		assert.Equal(t, http.StatusOK, status(w, "/readyz"))
		assert.Equal(t, []discovery.Instance{{Addr: addr, Scheme: "http", Zone: "eu-1a", Weight: 3}}, w.copies(t))

		w.at(20 * time.Second)
		w.stop()
		synctest.Wait()
		assert.Equal(t, http.StatusServiceUnavailable, status(w, "/readyz"))
		assert.Equal(t, http.StatusOK, status(w, "/livez"))
		assert.Len(t, w.copies(t), 1)

		w.at(21 * time.Second)
		assert.Empty(t, w.copies(t))
		w.at(26*time.Second - 1)
		code, closes, err := w.get(t, "/")
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, code)
		assert.False(t, closes, "a lame duck answers as ever")
		assert.Equal(t, 1, w.network.Dials(addr), "one connection has served all")

		w.at(26 * time.Second)
		code, closes, err = w.get(t, "/")
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, code)
		assert.True(t, closes, "then it asks for its connections back")
		_, _, err = w.get(t, "/")
		op, ok := errors.AsType[*net.OpError](err)
		require.True(t, ok, "%v", err)
		assert.Equal(t, "dial", op.Op, "which any call may be repeated after")

		require.NoError(t, <-w.result)
		assert.Equal(t, 31*time.Second, w.ended)
		assert.Equal(t, `msg="copy listens and gets ready" service=orders addr=orders-1:80
msg="copy is announced" service=orders addr=orders-1:80
msg="copy withdraws" service=orders addr=orders-1:80
msg="copy is a lame duck" service=orders addr=orders-1:80 for=5s
msg="copy drains" service=orders addr=orders-1:80 for=5s
msg="copy shuts down" service=orders addr=orders-1:80
msg="copy has stopped" service=orders addr=orders-1:80
`, log.String())
	})
}

// What the documentation promises to supervisors that kill after 30 s.
func TestDefaultsFitIntoAGracePeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, func(m *discovery.Memory) discovery.Registrar {
			return hooked{Registrar: m, withdraw: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		}, slowly, serve.Config{})
		go func() { _, _, _ = w.get(t, "/1h") }()
		synctest.Wait()
		w.stop()
		err := <-w.result
		assert.Equal(t, 28*time.Second, w.ended)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, "serve: orders: context deadline exceeded\ncalls were broken off after 15s")
	})
}

// Calls in flight finish, however long the lame duck is.
func TestCallsInFlightFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, nil, slowly, serve.Config{LameDuck: time.Second, Drain: time.Second / 2, ShutdownTimeout: 5 * time.Second})
		w.at(time.Second)
		go w.stop()
		code, closes, err := w.get(t, "/6s") // until 7 s; shut down from 2.5 s to 7.5 s
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, code)
		assert.True(t, closes)
		assert.Equal(t, 7*time.Second, time.Since(w.start))
		require.NoError(t, <-w.result)
		assert.LessOrEqual(t, w.ended, 7500*time.Millisecond, "net/http looks twice a second")
	})
}

func TestNegativeBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, nil, slowly, serve.Config{LameDuck: -1, Drain: -1, ShutdownTimeout: -1})
		failed := make(chan error, 1)
		go func() { _, _, err := w.get(t, "/1h"); failed <- err }()
		w.at(time.Second)
		w.stop()
		require.EqualError(t, <-w.result, "serve: orders: calls were broken off after 0s")
		assert.Equal(t, time.Second, w.ended)
		require.ErrorIs(t, <-failed, io.EOF)
	})
}

// A connection that is used while the copy drains is given up by its caller. Of
// the others, none is closed before the end.
func TestConnectionsAreAskedBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, nil, slowly, serve.Config{LameDuck: 3 * time.Second, Drain: 7 * time.Second})
		done := make(chan bool)
		for range 2 {
			go func() { _, _, err := w.get(t, "/1s"); done <- err == nil }()
		}
		for range 2 {
			assert.True(t, <-done)
		}
		assert.Equal(t, 2, w.network.Open(addr))
		w.stop()
		w.at(5 * time.Second)
		assert.Equal(t, 2, w.network.Open(addr), "idle, and perhaps about to be used")
		resp, err := w.client.Post("http://"+addr+"/0s", "text/plain", strings.NewReader("not to be repeated"))
		require.NoError(t, err)
		_ = resp.Body.Close()
		synctest.Wait()
		assert.Equal(t, 1, w.network.Open(addr))
		w.at(11*time.Second - 1)
		assert.Equal(t, 1, w.network.Open(addr))
		require.NoError(t, <-w.result)
		synctest.Wait()
		assert.Zero(t, w.network.Open(addr))
		assert.Equal(t, 2, w.network.Dials(addr))
	})
}

// A connection that was accepted before the listener was closed brings its
// first request afterwards.
func TestLastConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, nil, hello, serve.Config{LameDuck: time.Second})
		w.stop()
		w.at(time.Second - 1)
		conn, err := w.network.DialContext(t.Context(), "tcp", addr)
		require.NoError(t, err)
		w.at(1400 * time.Millisecond)
		_, err = w.network.DialContext(t.Context(), "tcp", addr)
		require.Error(t, err)
		answer := make(chan string)
		go func() {
			text, _ := io.ReadAll(conn)
			answer <- string(text)
		}()
		_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: orders\r\nContent-Length: 0\r\n\r\n")
		require.NoError(t, err)
		text := <-answer
		assert.Contains(t, text, "HTTP/1.1 200 OK\r\n")
		assert.Contains(t, text, "\r\nConnection: close\r\n")
		require.NoError(t, conn.Close())
		require.NoError(t, <-w.result)
	})
}

// A failing listener fails at a given time.
type failing struct {
	net.Listener
	fail chan struct{}
}

var errBroken = errors.New("listener broke")

func (f failing) Accept() (net.Conn, error) {
	accepted := make(chan net.Conn, 1)
	go func() { // ends when the listener is closed
		if conn, err := f.Listener.Accept(); err == nil {
			accepted <- conn
		}
	}()
	select {
	case conn := <-accepted:
		return conn, nil
	case <-f.fail:
		return nil, errBroken
	}
}

// Callers are told as ever, and those with a connection are still answered.
func TestListenerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		inner, err := network.Listen(addr)
		require.NoError(t, err)
		listener := failing{inner, make(chan struct{})}
		w := begin(t, nil, hello, serve.Config{Listener: listener, LameDuck: 2 * time.Second, Drain: time.Second})
		defer w.stop()
		pool := &http.Transport{DialContext: network.DialContext}
		defer pool.CloseIdleConnections()
		w.client.Transport = pool
		_, _, err = w.get(t, "/")
		require.NoError(t, err)
		w.at(time.Second)
		assert.Len(t, w.copies(t), 1)
		close(listener.fail)
		synctest.Wait()
		assert.Empty(t, w.copies(t))
		_, _, err = w.get(t, "/")
		require.NoError(t, err)
		err = <-w.result
		require.ErrorIs(t, err, errBroken)
		require.EqualError(t, err, "serve: orders: listener broke")
		assert.Equal(t, 4*time.Second, w.ended)
	})
}

// It breaks while the registry is away, too.
func TestListenerFailsWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		inner, err := network.Listen(addr)
		require.NoError(t, err)
		listener := failing{inner, make(chan struct{})}
		w := begin(t, func(m *discovery.Memory) discovery.Registrar {
			m.Fail(errors.New("the registry is away"))
			return m
		}, hello, serve.Config{Listener: listener})
		defer w.stop()
		w.at(time.Second)
		close(listener.fail)
		require.EqualError(t, <-w.result, "serve: orders: listener broke")
		assert.Equal(t, time.Second, w.ended)
	})
}

// A request does not see that the copy is about to stop.
func TestRequestsOutliveTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen error
		w := begin(t, nil, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			seen = r.Context().Err()
		}), serve.Config{LameDuck: -1, Drain: -1})
		time.AfterFunc(time.Second/2, w.stop)
		_, _, err := w.get(t, "/")
		require.NoError(t, err)
		require.NoError(t, <-w.result)
		require.NoError(t, seen)
	})
}

func TestServerOfTheUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := &http.Server{ReadTimeout: time.Second, IdleTimeout: -1}
		w := begin(t, nil, hello, serve.Config{Server: own, LameDuck: -1, Drain: -1})
		assert.Zero(t, own.ReadHeaderTimeout, "the ReadTimeout covers it")
		assert.Equal(t, time.Duration(-1), own.IdleTimeout)
		w.stop()
		require.NoError(t, <-w.result)

		own = new(http.Server)
		w = begin(t, nil, hello, serve.Config{Server: own})
		assert.Equal(t, time.Minute, own.ReadHeaderTimeout)
		assert.Equal(t, 2*time.Minute, own.IdleTimeout)
		require.NoError(t, own.Close()) // against the rules: its death is noticed
		require.ErrorIs(t, <-w.result, http.ErrServerClosed)
		w.stop()
	})
}

func TestNilIsAProgrammingError(t *testing.T) {
	var memory discovery.Memory
	assert.PanicsWithValue(t, "serve: Run with a nil registrar", func() { _ = serve.Run(t.Context(), nil, service, hello, serve.Config{}) })
	assert.PanicsWithValue(t, "serve: Run with a nil handler", func() { _ = serve.Run(t.Context(), &memory, service, nil, serve.Config{}) })
	assert.PanicsWithValue(t, "serve: a deadline for a nil handler", func() { serve.Deadline(nil) })
}
