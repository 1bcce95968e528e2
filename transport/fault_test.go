package transport_test

import (
	"context"
	"io"
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

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
)

const healthyTime = 4 * time.Millisecond

// A tally counts calls, and attempts on each endpoint, in the first second and
// after it.
type tally struct {
	start        time.Time
	calls        atomic.Int64
	failed       atomic.Int64
	early, late  atomic.Int64
	earlyBad     atomic.Int64
	lateBad      atomic.Int64
	bad          string
	firstFailure atomic.Value
}

func (y *tally) hooks() transport.Hooks {
	return transport.Hooks{Pick: func(e transport.PickEvent) {
		all, bad := &y.early, &y.earlyBad
		if time.Since(y.start) > time.Second {
			all, bad = &y.late, &y.lateBad
		}
		all.Add(1)
		if e.Endpoint.Addr() == y.bad {
			bad.Add(1)
		}
	}}
}

// drive makes calls from 16 goroutines, each with a deadline of 200 ms, until
// done says so.
func (y *tally) drive(client *http.Client, done func() bool) {
	var callers sync.WaitGroup
	for range 16 {
		callers.Go(func() {
			for !done() {
				y.calls.Add(1)
				if err := y.one(client); err != nil {
					y.failed.Add(1)
					y.firstFailure.CompareAndSwap(nil, err.Error())
				}
			}
		})
	}
	callers.Wait()
}

func (y *tally) one(client *http.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://orders/", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err = io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode != http.StatusOK {
		err = assert.AnError
	}
	return err
}

func (y *tally) check(t *testing.T) {
	t.Helper()
	calls, failed := y.calls.Load(), y.failed.Load()
	t.Logf("%d calls, %d failed (%v); the bad copy got %d of %d attempts in the first second, %d of %d after it",
		calls, failed, y.firstFailure.Load(), y.earlyBad.Load(), y.early.Load(), y.lateBad.Load(), y.late.Load())
	assert.GreaterOrEqual(t, float64(calls-failed), 0.999*float64(calls), "at least 99.9 % succeed")
	assert.Less(t, float64(y.lateBad.Load()), 0.01*float64(y.late.Load()), "the bad copy gets under 1 %")
}

// One copy of three is bad, the others answer in 4 ms. With the defaults, the
// callers hardly notice. In virtual time, so that the figures are the rules'
// and not the machine's.
func TestOneBadCopyOfThree(t *testing.T) {
	for name, bad := range map[string]func(m *mesh, addr string){
		"refuses connections": func(*mesh, string) {},
		"drops packets":       func(m *mesh, addr string) { m.hang(addr) },
		"hangs": func(m *mesh, addr string) {
			m.serve(addr, hangs)
		},
		"answers 503 at once": func(m *mesh, addr string) { m.serve(addr, answer(http.StatusServiceUnavailable, "")) },
		"resets connections": func(m *mesh, addr string) {
			m.serve(addr, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y := &tally{bad: "10.0.0.1:80"}
			inMesh(t, func(t *testing.T, m *mesh) {
				bad(m, y.bad)
				for _, addr := range addrs(3)[1:] {
					m.serve(addr, func(w http.ResponseWriter, _ *http.Request) {
						time.Sleep(healthyTime)
						_, _ = io.WriteString(w, "ok")
					})
				}
				m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
				y.start = time.Now()
				y.drive(m.client, func() bool { return time.Since(y.start) > 4*time.Second })
				y.check(t)
			}, transport.WithHooks(y.hooks()))
		})
	}
}

// A copy that was well begins to fail under load.
func TestACopyTurnsBad(t *testing.T) {
	for name, fail := range map[string]http.HandlerFunc{
		"hangs":               hangs,
		"answers 503 at once": answer(http.StatusServiceUnavailable, ""),
		"resets connections":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y := &tally{bad: "10.0.0.1:80"}
			inMesh(t, func(t *testing.T, m *mesh) {
				var sick atomic.Bool
				for _, addr := range addrs(3) {
					m.serve(addr, func(w http.ResponseWriter, r *http.Request) {
						if addr == y.bad && sick.Load() {
							fail(w, r)
							return
						}
						time.Sleep(healthyTime)
						_, _ = io.WriteString(w, "ok")
					})
				}
				m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
				y.start = time.Now()
				healthy := &tally{start: y.start}
				healthy.drive(m.client, func() bool { return time.Since(healthy.start) > time.Second })
				require.Zero(t, healthy.failed.Load())
				sick.Store(true)
				synctest.Wait()
				y.start = time.Now()
				y.early.Store(0)
				y.earlyBad.Store(0)
				y.drive(m.client, func() bool { return time.Since(y.start) > 4*time.Second })
				y.check(t)
			}, transport.WithHooks(y.hooks()))
		})
	}
}

// The same over real sockets, by number of calls instead of time, for faults
// that do not depend on the machine's speed.
func TestOneBadCopyOfThreeOnSockets(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close())
	broken := httptest.NewServer(answer(http.StatusServiceUnavailable, ""))
	defer broken.Close()
	for name, bad := range map[string]string{
		"refuses connections": free.Addr().String(),
		"answers 503 at once": broken.Listener.Addr().String(),
	} {
		t.Run(name, func(t *testing.T) {
			list := []string{bad}
			for range 2 {
				s := httptest.NewServer(say("ok"))
				defer s.Close()
				list = append(list, s.Listener.Addr().String())
			}
			y := &tally{bad: bad, start: time.Now().Add(-forever)} // all of it counts
			rt := newTransport(t, discovery.Addrs(list...), transport.WithHooks(y.hooks()))
			client := &http.Client{Transport: rt}
			var calls atomic.Int64
			var callers sync.WaitGroup
			for range 16 {
				callers.Go(func() {
					for calls.Add(1) <= 5000 {
						resp, err := client.Get("http://orders/")
						if !assert.NoError(t, err) {
							return
						}
						_, _ = io.Copy(io.Discard, resp.Body)
						_ = resp.Body.Close()
						if !assert.Equal(t, http.StatusOK, resp.StatusCode) {
							return
						}
					}
				})
			}
			callers.Wait()
			t.Logf("the bad copy got %d of %d attempts", y.lateBad.Load(), y.late.Load())
			assert.Less(t, y.lateBad.Load(), int64(50), "under 1 %%")
		})
	}
}

// Connections are used again: under 10 new ones for 1000 calls at 32 callers.
func TestConnectionsAreReused(t *testing.T) {
	var dials atomic.Int64
	list := make([]string, 3)
	for i := range list {
		s := httptest.NewServer(say("ok"))
		defer s.Close()
		list[i] = s.Listener.Addr().String()
	}
	dialer := new(net.Dialer)
	rt := newTransport(t, discovery.Addrs(list...), transport.WithDialContext(func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials.Add(1)
		return dialer.DialContext(ctx, network, addr)
	}))
	client := &http.Client{Transport: rt}
	const total = 20000
	var calls atomic.Int64
	var callers sync.WaitGroup
	for range 32 {
		callers.Go(func() {
			for calls.Add(1) <= total {
				resp, err := client.Get("http://orders/")
				if !assert.NoError(t, err) {
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
	callers.Wait()
	t.Logf("%d connections for %d calls", dials.Load(), total)
	assert.Less(t, dials.Load(), int64(total*10/1000))
}
