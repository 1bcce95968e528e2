package transport_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
)

// What a stream or a connection over HTTP/2 ends with, and what it proves. The
// first endpoint does it to each call, the second is well.
func TestHowStreamsEnd(t *testing.T) {
	reset := func(code http2.ErrCode) func(*framesConn, uint32) {
		return func(c *framesConn, stream uint32) { c.reset(stream, code) }
	}
	// Who hangs up behind a GOAWAY may be heard of first, by a write that
	// fails, and then nothing is proved: a server that means to leave a call
	// unprocessed lets the caller hang up.
	leave := func(c *framesConn, stream uint32) { c.goAway(stream-1, http2.ErrCodeNo) }
	leaveAndHangUp := func(processed uint32, code http2.ErrCode) func(*framesConn, uint32) {
		return func(c *framesConn, stream uint32) {
			c.goAway(processed*stream, code)
			c.hangUp()
		}
	}
	for name, c := range map[string]struct {
		headers   func(*framesConn, uint32)
		processed bool // perhaps: only what is idempotent is repeated
	}{
		"REFUSED_STREAM":                {reset(http2.ErrCodeRefusedStream), false},
		"INTERNAL_ERROR":                {reset(http2.ErrCodeInternal), true},
		"CANCEL":                        {reset(http2.ErrCodeCancel), true},
		"ENHANCE_YOUR_CALM":             {reset(http2.ErrCodeEnhanceYourCalm), true},
		"HTTP_1_1_REQUIRED":             {reset(http2.ErrCodeHTTP11Required), true},
		"NO_ERROR":                      {reset(http2.ErrCodeNo), true},
		"GOAWAY, not processed":         {leave, false},
		"GOAWAY, perhaps processed":     {leaveAndHangUp(1, http2.ErrCodeNo), true},
		"GOAWAY with ENHANCE_YOUR_CALM": {leaveAndHangUp(0, http2.ErrCodeEnhanceYourCalm), true},
		"hung up":                       {func(c *framesConn, _ uint32) { c.hangUp() }, true},
	} {
		// A plain body, since net/http repeats by itself what it can.
		for _, method := range []string{http.MethodPut, http.MethodPost} {
			t.Run(name+"/"+method, func(t *testing.T) {
				var outcomes []balancer.Outcome
				inH2C(t, func(t *testing.T, m *mesh) {
					f := &frames{headers: c.headers}
					m.frames("10.0.0.1:80", f)
					m.serve("10.0.0.2:80", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
					m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
					start := time.Now()
					_, body, err := m.do(method, "http://orders/", io.MultiReader(strings.NewReader("the body")))
					assert.Zero(t, time.Since(start))
					assert.Equal(t, 1, f.received())
					assert.Equal(t, balancer.Failure, outcomes[0])
					if c.processed && method == http.MethodPost {
						require.Error(t, err)
						return
					}
					require.NoError(t, err)
					assert.Equal(t, "the body", body)
				}, transport.WithPolicy(inOrder), transport.WithHooks(transport.Hooks{
					Attempt: func(e transport.AttemptEvent) { outcomes = append(outcomes, e.Outcome) },
				}))
			})
		}
	}
}

// S34: an endpoint that refuses every stream. What net/http can send again it
// sends to the same endpoint, at once and then after a second, two, four: an
// attempt's timeout bounds that, and nothing else but the caller's deadline
// does.
func TestRefusedStreams(t *testing.T) {
	const timeout = 200 * time.Millisecond
	inH2C(t, func(t *testing.T, m *mesh) {
		f := &frames{headers: func(c *framesConn, stream uint32) { c.reset(stream, http2.ErrCodeRefusedStream) }}
		m.frames("10.0.0.1:80", f)
		m.serve("10.0.0.2:80", say("second"))
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		start := time.Now()
		_, body, err := m.get("http://orders/")
		require.NoError(t, err)
		assert.Equal(t, "second", body)
		assert.LessOrEqual(t, time.Since(start), timeout)
		assert.LessOrEqual(t, f.received(), 2)
	}, transport.WithPolicy(inOrder), transport.WithAttemptTimeout(timeout))
}

// A stream that is refused once is not worth an attempt.
func TestAStreamRefusedOnce(t *testing.T) {
	inH2C(t, func(t *testing.T, m *mesh) {
		f := new(frames)
		f.headers = func(c *framesConn, stream uint32) {
			if f.received() == 1 {
				c.reset(stream, http2.ErrCodeRefusedStream)
				return
			}
			c.answer(stream, "200", "now")
		}
		m.frames("10.0.0.1:80", f)
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		start := time.Now()
		_, body, err := m.do(http.MethodPost, "http://orders/", strings.NewReader("x"))
		require.NoError(t, err)
		assert.Equal(t, "now", body)
		assert.Zero(t, time.Since(start))
		assert.Equal(t, 1, m.net.Dials("10.0.0.1:80"))
	})
}

// S35: servers are replaced one after the other while POSTs arrive; each is
// processed once, none is lost.
func TestRollingRestart(t *testing.T) {
	for _, mode := range modes()[2:] {
		t.Run(mode.name, func(t *testing.T) {
			mode.run(t, func(t *testing.T, m *mesh) {
				var mu sync.Mutex
				processed := map[string]int{}
				handler := func(_ http.ResponseWriter, r *http.Request) {
					id, err := io.ReadAll(r.Body)
					assert.NoError(t, err)
					time.Sleep(7 * time.Millisecond)
					mu.Lock()
					defer mu.Unlock()
					processed[string(id)]++
				}
				list := addrs(3)
				servers := make([]*http.Server, len(list))
				for i, addr := range list {
					servers[i] = m.serve(addr, handler)
				}
				m.registry.Set("orders", discovery.Addrs(list...)...)

				var all sync.WaitGroup
				all.Go(func() {
					for i := range 2 * len(list) {
						time.Sleep(500 * time.Millisecond)
						n := i % len(list)
						assert.NoError(t, servers[n].Shutdown(context.Background()))
						time.Sleep(100 * time.Millisecond) // the new one takes its time
						servers[n] = m.serve(list[n], handler)
					}
				})
				const calls = 2500
				for i := range calls {
					all.Go(func() {
						status, _, err := m.do(http.MethodPost, "http://orders/", strings.NewReader(strconv.Itoa(i)))
						if assert.NoError(t, err) {
							assert.Equal(t, http.StatusOK, status)
						}
					})
					time.Sleep(2 * time.Millisecond)
				}
				all.Wait()
				assert.Len(t, processed, calls)
				for id, n := range processed {
					assert.Equal(t, 1, n, id)
				}
			}, []transport.Option{transport.WithPolicy(balancer.RoundRobin)})
		})
	}
}

// S36: more calls at once than streams are allowed get through all the same, on
// more connections. How many is net/http's business, and so is the second or
// more that calls wait which were sent before the server had said what it
// allows, and were refused.
func TestMaxConcurrentStreams(t *testing.T) {
	for _, mode := range modes()[2:] {
		t.Run(mode.name, func(t *testing.T) {
			mode.run(t, func(t *testing.T, m *mesh) {
				m.serve("10.0.0.1:80", func(http.ResponseWriter, *http.Request) { time.Sleep(10 * time.Millisecond) },
					func(s *http.Server) { s.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 10} })
				m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
				start := time.Now()
				for range 2 {
					var calls sync.WaitGroup
					for range 100 {
						calls.Go(func() {
							status, _, err := m.get("http://orders/")
							if assert.NoError(t, err) {
								assert.Equal(t, http.StatusOK, status)
							}
						})
					}
					calls.Wait()
				}
				assert.Less(t, time.Since(start), time.Minute)
				assert.LessOrEqual(t, m.net.Open("10.0.0.1:80"), 100, "never more than calls")
			}, nil)
		})
	}
}

// S37: a peer that stops reading in the middle of an upload is found out when
// no byte can be written for ten seconds, and the call goes elsewhere.
func TestWriteBlocked(t *testing.T) {
	var m *mesh
	var stuck atomic.Bool
	dial := transport.WithDialContext(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := m.net.DialContext(ctx, network, addr)
		if addr == "10.0.0.1:80" {
			conn = &stuckConn{Conn: conn, stuck: &stuck, closed: make(chan struct{})}
		}
		return conn, err
	})
	inH2C(t, func(t *testing.T, inner *mesh) {
		m = inner
		m.frames("10.0.0.1:80", &frames{headers: func(*framesConn, uint32) {}})
		m.serve("10.0.0.2:80", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		r, w := io.Pipe()
		go func() {
			_, _ = io.WriteString(w, "one ")
			synctest.Wait() // nobody else has anything to write: who waits for a mutex stops the clock
			stuck.Store(true)
			_, _ = io.WriteString(w, "two")
			_ = w.Close()
		}()
		start := time.Now()
		_, body, err := m.do(http.MethodPut, "http://orders/", r)
		require.NoError(t, err)
		assert.Equal(t, "one two", body)
		assert.Equal(t, 10*time.Second, time.Since(start))
		synctest.Wait()
		assert.Zero(t, m.net.Open("10.0.0.1:80"), "the connection is given up")
	}, transport.WithPolicy(inOrder), dial)
}

// A stuckConn takes nothing any more as soon as it is stuck.
type stuckConn struct {
	net.Conn
	stuck  *atomic.Bool
	late   atomic.Int64 // the deadline of writes
	closed chan struct{}
	once   sync.Once
}

func (c *stuckConn) SetWriteDeadline(t time.Time) error {
	c.late.Store(t.UnixNano())
	return c.Conn.SetWriteDeadline(t)
}

func (c *stuckConn) Write(p []byte) (int, error) {
	if !c.stuck.Load() {
		return c.Conn.Write(p)
	}
	select {
	case <-time.After(time.Until(time.Unix(0, c.late.Load()))):
		return 0, os.ErrDeadlineExceeded
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

func (c *stuckConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
