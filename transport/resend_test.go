package transport_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/resilience"
	"github.com/namesake-go/namesake/transport"
)

// S44: a body that is not kept, or no more of it than has been read, cannot be
// sent again when its connection breaks in the middle.
func TestABodyThatIsLost(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		t.Run(method, func(t *testing.T) {
			inEveryWay(t, func(t *testing.T, m *mesh) {
				m.serve("10.0.0.1:80", func(_ http.ResponseWriter, r *http.Request) {
					_, err := io.ReadFull(r.Body, make([]byte, 10))
					assert.NoError(t, err)
					panic(http.ErrAbortHandler)
				})
				m.serve("10.0.0.2:80", func(http.ResponseWriter, *http.Request) { t.Error("sent again") })
				m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
				body := &trackBody{Reader: strings.NewReader(strings.Repeat("x", 1<<20))}
				_, _, err := m.do(method, "http://orders/", body)
				failed, ok := errors.AsType[*transport.Error](err)
				require.True(t, ok, "%v", err)
				assert.Equal(t, 1, failed.Attempts)
				synctest.Wait()
				assert.Equal(t, 1, body.closed())
			}, transport.WithPolicy(inOrder), transport.WithReplayLimit(0))
		})
	}
}

// A slowBody waits before each piece, tells when it is read, and knows when two
// read it at once.
type slowBody struct {
	io.Reader
	release <-chan struct{}
	reading func()
	busy    atomic.Int64
	closes  atomic.Int64
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.busy.Add(1) > 1 {
		return 0, errors.New("two read at once")
	}
	defer b.busy.Add(-1)
	b.reading()
	<-b.release
	return b.Reader.Read(p)
}

func (b *slowBody) Close() error {
	b.closes.Add(1)
	return nil
}

// S49: an answer that comes while the body is still being read. With GetBody,
// the next attempt has a body of its own. Without, it cannot have what somebody
// else is reading, and the answer stands.
func TestEarlyAnswer(t *testing.T) {
	for name, getBody := range map[string]bool{"GetBody": true, "plain": false} {
		t.Run(name, func(t *testing.T) {
			inEveryWay(t, func(t *testing.T, m *mesh) {
				release, now, reading := make(chan struct{}), make(chan struct{}), make(chan struct{})
				close(now)
				m.serve("10.0.0.1:80", func(w http.ResponseWriter, _ *http.Request) {
					<-reading
					w.Header().Set("Connection", "close") // or the server would wait for the body
					w.WriteHeader(http.StatusServiceUnavailable)
				})
				m.serve("10.0.0.2:80", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
				m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
				first := &slowBody{Reader: strings.NewReader("the body"), release: release, reading: sync.OnceFunc(func() { close(reading) })}
				again := &slowBody{Reader: strings.NewReader("the body"), release: now, reading: func() {}}
				req := m.request(http.MethodPut, "http://orders/", "")
				req.Body, req.ContentLength = first, int64(len("the body"))
				if getBody {
					req.GetBody = func() (io.ReadCloser, error) { return again, nil }
				}
				start := time.Now()
				resp, err := m.rt.RoundTrip(req)
				require.NoError(t, err)
				assert.LessOrEqual(t, time.Since(start), 50*time.Millisecond, "net/http gives the writer that long")
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				close(release)
				synctest.Wait()
				assert.Equal(t, int64(1), first.closes.Load())
				if getBody {
					assert.Equal(t, http.StatusOK, resp.StatusCode)
					assert.Equal(t, "the body", string(text))
					assert.Equal(t, int64(1), again.closes.Load())
				} else {
					assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
				}
			}, transport.WithPolicy(inOrder))
		})
	}
}

// S50: whoever expects to be told to continue sends nothing to an endpoint that
// turns the call away, and all of it to the next.
func TestExpectContinue(t *testing.T) {
	for name, getBody := range map[string]bool{"GetBody": true, "plain": false} {
		t.Run(name, func(t *testing.T) {
			inEveryWay(t, func(t *testing.T, m *mesh) {
				m.serve("10.0.0.1:80", func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Connection", "close")
					w.WriteHeader(http.StatusServiceUnavailable)
				})
				var body *trackBody
				m.serve("10.0.0.2:80", func(w http.ResponseWriter, r *http.Request) {
					assert.Zero(t, body.read(), "nothing was read for the first endpoint")
					n, err := io.Copy(io.Discard, r.Body)
					assert.NoError(t, err)
					assert.Equal(t, int64(1<<20), n)
				})
				m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
				large := strings.Repeat("x", 1<<20)
				body = &trackBody{Reader: strings.NewReader(large)}
				req := m.request(http.MethodPut, "http://orders/", "")
				req.Header.Set("Expect", "100-continue")
				req.Body, req.ContentLength = body, 1<<20
				if getBody {
					req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(large)), nil }
				}
				resp, err := m.rt.RoundTrip(req)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Equal(t, http.StatusOK, resp.StatusCode)
				synctest.Wait()
				assert.Equal(t, 1, body.closed())
			}, transport.WithPolicy(inOrder))
		})
	}
}

// S52: how often one call can reach servers that read it and hang up: once for
// each attempt, and once more for each connection that was kept alive, since
// net/http repeats what it sent over such a one if the call is idempotent.
func TestAmplification(t *testing.T) {
	const warm, attempts = 8, 3
	for name, c := range map[string]struct {
		method, body string
		header       http.Header
		want         int64
	}{
		"GET":             {http.MethodGet, "", nil, attempts + warm},
		"PUT":             {http.MethodPut, "x", nil, attempts},
		"POST":            {http.MethodPost, "x", nil, 1},
		"POST with a key": {http.MethodPost, "x", http.Header{"Idempotency-Key": {"k"}}, attempts + warm},
	} {
		t.Run(name, func(t *testing.T) {
			for _, mode := range modes()[:2] { // over HTTP/2, one connection does for all
				mode.run(t, func(t *testing.T, m *mesh) {
					var received atomic.Int64
					var sick atomic.Bool
					m.serve("10.0.0.1:80", func(_ http.ResponseWriter, r *http.Request) {
						_, _ = io.Copy(io.Discard, r.Body)
						if sick.Load() {
							received.Add(1)
							panic(http.ErrAbortHandler)
						}
						time.Sleep(time.Millisecond)
					})
					m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
					var calls sync.WaitGroup
					for range warm {
						calls.Go(func() {
							_, _, err := m.get("http://orders/")
							assert.NoError(t, err)
						})
					}
					calls.Wait()
					synctest.Wait()
					require.Equal(t, warm, m.net.Open("10.0.0.1:80"))
					sick.Store(true)
					req := m.request(c.method, "http://orders/", c.body)
					maps.Copy(req.Header, c.header)
					_, err := m.rt.RoundTrip(req) //nolint:bodyclose // fails
					require.Error(t, err)
					assert.Equal(t, c.want, received.Load())
				}, nil)
			}
		})
	}
}

// S57: no attempt begins after the deadline, no backoff sleeps past it, and the
// error tells what the attempts failed with.
func TestNothingAfterTheDeadline(t *testing.T) {
	const patience = 500 * time.Millisecond
	var start, last time.Time
	picks := 0
	inEveryWay(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // or the server would not see the caller leave
			if r.URL.Path == "/hangs" && picks > 3 {
				<-r.Context().Done()
			}
			panic(http.ErrAbortHandler)
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		for _, path := range []string{"/breaks", "/hangs"} {
			time.Sleep(time.Second) // connections that brought no response are forgotten
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			picks = 0
			start = time.Now()
			_, err := m.rt.RoundTrip(m.request(http.MethodPut, "http://orders"+path, "x").WithContext(ctx)) //nolint:bodyclose // fails
			assert.LessOrEqual(t, time.Since(start), patience, path)
			assert.Less(t, last.Sub(start), patience, path)
			failed, ok := errors.AsType[*transport.Error](err)
			require.True(t, ok)
			assert.Greater(t, failed.Attempts, 3, path)
			assert.Equal(t, picks, failed.Attempts, path)
			assert.Len(t, failed.Earlier, failed.Attempts-1, path)
			for _, earlier := range failed.Earlier {
				require.NotErrorIs(t, earlier, context.DeadlineExceeded, path)
			}
			if path == "/hangs" { // the deadline passes during an attempt
				require.NoError(t, failed.Stopped)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, patience, time.Since(start))
			} else { // and here it would during a backoff
				require.ErrorIs(t, failed.Stopped, resilience.ErrDeadlineTooNear)
				require.NotErrorIs(t, err, context.DeadlineExceeded)
				assert.ErrorContains(t, err, "deadline")
			}
		}
	}, transport.WithRetry(resilience.RetryConfig{Attempts: 100}), transport.WithBudget(resilience.BudgetConfig{MinPerSecond: 1000}),
		transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: -1, FailureRatio: -1}),
		transport.WithHooks(transport.Hooks{Pick: func(transport.PickEvent) {
			picks++
			last = time.Now()
		}}))
}
