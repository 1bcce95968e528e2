package eureka_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

func TestUpdate(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing(nil))
		reg := r.register(r.client("http://a"), copyOne)
		first := announced(t, f.all()[0])

		require.NoError(t, reg.Update(t.Context(), discovery.Instance{Addr: "192.0.2.9:9090", Weight: 3, Metadata: map[string]string{"version": "8"}}))
		requests := f.all()
		require.Len(t, requests, 1)
		second := announced(t, requests[0])
		assert.Greater(t, second.LastDirty, first.LastDirty)
		assert.Equal(t, with(first, func(in *wire.Instance) {
			in.HostName, in.IPAddr, in.Port.Number = "192.0.2.9", "192.0.2.9", 9090
			in.Metadata = map[string]string{"version": "8", "weight": "3"}
			in.LastDirty = second.LastDirty
		}), second)
		wait(30 * time.Second)
		assert.Equal(t, second.LastDirty, dirtyOf(t, f.all()[0]))

		// The status stays, also one that is an override.
		require.NoError(t, reg.SetStatus(t.Context(), eureka.OutOfService))
		f.all()
		require.NoError(t, reg.Update(t.Context(), copyOne))
		in := announced(t, f.all()[0])
		assert.Equal(t, wire.OutOfService, in.OverriddenStatus)
		assert.Equal(t, "192.0.2.1", in.IPAddr)
		require.NoError(t, reg.SetStatus(t.Context(), eureka.Down))
		f.all()
		require.NoError(t, reg.Update(t.Context(), copyOne))
		assert.Equal(t, wire.Down, announced(t, f.all()[0]).Status)

		for _, bad := range []discovery.Instance{{ID: "orders-2", Addr: "192.0.2.1:80"}, {Addr: "nowhere"}, {Addr: ":80"}} {
			assert.ErrorContains(t, reg.Update(t.Context(), bad), `eureka: update "orders": `)
		}
		assert.Empty(t, f.lines())
		require.NoError(t, reg.Close(t.Context()))
		assert.Equal(t, eureka.ErrClosed, reg.Update(t.Context(), copyOne))
	})
}

func TestUpdateThatFails(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing(nil))
		reg := r.register(r.client("http://a"), copyOne)
		moved := discovery.Instance{Addr: "192.0.2.9:9090"}

		// What no server has heard of is wanted all the same.
		f.answer(status(http.StatusServiceUnavailable))
		err := reg.Update(within(t, 5*time.Second), moved)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, `eureka: update "orders": `)
		f.answer(listing(nil))
		f.all()
		wait(25 * time.Second)
		requests := f.all()
		require.Len(t, requests, 1)
		in := announced(t, requests[0])
		assert.Equal(t, "192.0.2.9", in.IPAddr)

		// What has been rejected is not.
		f.answer(status(http.StatusBadRequest))
		var answered *eureka.StatusError
		assert.ErrorAs(t, reg.Update(t.Context(), copyOne), &answered)
		f.answer(listing(nil))
		f.all()
		wait(30 * time.Second)
		requests = f.all()
		require.Len(t, requests, 1)
		again := announced(t, requests[0])
		assert.Equal(t, "192.0.2.9", again.IPAddr)
		assert.Greater(t, again.LastDirty, in.LastDirty)

		// Nor is it if a heartbeat was the first to be told so.
		f.answer(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Second)
			w.WriteHeader(http.StatusBadRequest)
		})
		wait(30*time.Second + 500*time.Millisecond) // a heartbeat is under way
		assert.ErrorAs(t, reg.Update(t.Context(), copyOne), &answered)
		f.answer(listing(nil))
		f.all()
		wait(30 * time.Second)
		assert.Equal(t, "192.0.2.9", announced(t, f.all()[0]).IPAddr)
		require.NoError(t, reg.Close(t.Context()))
	})
}

// Whatever is said at once is said one after the other, each announcement
// newer than the one before, and nothing after the withdrawal.
func TestChangesAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		busy := make(chan struct{}, 1)
		f.answer(func(_ http.ResponseWriter, _ *http.Request) {
			select {
			case busy <- struct{}{}:
				time.Sleep(3 * time.Second)
				<-busy
			default:
				t.Error("two requests at once")
			}
		})
		reg := r.register(r.client("http://a", eureka.WithLease(4*time.Second, 0)), copyOne)
		for i := range 30 {
			go func() {
				time.Sleep(time.Duration(i) * 700 * time.Millisecond)
				var err error
				if i%2 == 0 {
					err = reg.Update(t.Context(), discovery.Instance{Addr: "192.0.2.1:80", Metadata: map[string]string{"i": fmt.Sprint(i)}})
				} else {
					err = reg.SetStatus(t.Context(), []eureka.Status{eureka.Up, eureka.Down, eureka.OutOfService}[i%3])
				}
				if err != nil {
					assert.Equal(t, eureka.ErrClosed, err)
				}
			}()
		}
		wait(25 * time.Second)
		require.NoError(t, reg.Close(t.Context()))
		wait(time.Hour)
		requests := f.all()
		assert.Equal(t, "DELETE "+item, requests[len(requests)-1].line)
		var last int64
		for _, q := range requests {
			if q.body != "" {
				now := announced(t, q).LastDirty
				assert.Greater(t, now, last)
				last = now
			}
		}
	})
}

// Against a real server, callers see what has been changed at once.
func TestUpdateIsSeen(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		server := eurekaserver.New()
		t.Cleanup(server.Close)
		r.serve("a:80", server)
		c := r.client("http://a/eureka")
		reg := r.register(c, copyOne)
		s := r.follow(c, "orders")
		assert.Equal(t, []string{one}, s.news())
		require.NoError(t, reg.Update(t.Context(), discovery.Instance{Addr: "192.0.2.9:9090"}))
		assert.Equal(t, []string{"orders-1 192.0.2.9:9090"}, s.news())
		assert.Zero(t, r.since())
		require.NoError(t, reg.Close(t.Context()))
	})
}

func TestInitialStatus(t *testing.T) {
	for _, initial := range []eureka.Status{eureka.Starting, eureka.Down, eureka.OutOfService} {
		t.Run(string(initial), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				server := eurekaserver.New()
				t.Cleanup(server.Close)
				r.serve("a:80", server)
				c := r.client("http://a/eureka", eureka.WithInitialStatus(initial))
				reg := r.register(c, copyOne)
				s := r.follow(c, "orders")
				seen, err := reg.RemoteStatus(t.Context())
				require.NoError(t, err)
				assert.Equal(t, initial, seen)
				wait(5 * time.Minute)
				assert.Equal(t, []string{""}, s.news(), "heartbeats keep it so")
				require.NoError(t, reg.SetStatus(t.Context(), eureka.Up))
				assert.Equal(t, []string{one}, s.news())
				require.NoError(t, reg.Close(t.Context()))
			})
		})
	}
	// A copy that was Down before it went out of service is well.
	inBubble(t, func(t *testing.T, r *rig) {
		server := eurekaserver.New()
		t.Cleanup(server.Close)
		r.serve("a:80", server)
		reg := r.register(r.client("http://a/eureka", eureka.WithInitialStatus(eureka.Down)), copyOne)
		require.NoError(t, reg.SetStatus(t.Context(), eureka.OutOfService))
		require.NoError(t, reg.Update(t.Context(), copyOne)) // announces it anew
		seen, err := reg.RemoteStatus(t.Context())
		require.NoError(t, err)
		assert.Equal(t, eureka.OutOfService, seen)
		require.NoError(t, reg.Close(t.Context()))
	})
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		_, err := r.client("http://a", eureka.WithInitialStatus("UNKNOWN")).Register(t.Context(), "orders", copyOne)
		assert.EqualError(t, err, `eureka: register "orders": "UNKNOWN" is no status that can be set`)
		assert.Empty(t, f.lines())
	})
}

func TestHealthCheck(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing(nil))
		result := make(chan func(context.Context) error, 1)
		healthy := func(context.Context) error { return nil }
		sick := func(context.Context) error { return fmt.Errorf("database is gone") }
		var asked atomic.Int64
		c := r.client("http://a", eureka.WithHealthCheck(func(ctx context.Context) error {
			asked.Add(1)
			check := <-result
			result <- check
			return check(ctx)
		}))
		say := func(check func(context.Context) error) {
			select {
			case <-result:
			default:
			}
			result <- check
		}
		say(sick)
		reg := r.register(c, copyOne)
		assert.Equal(t, wire.Down, announced(t, f.all()[0]).Status, "it is asked before the copy is announced")

		next := func() seen {
			wait(30 * time.Second)
			requests := f.all()
			require.Len(t, requests, 1)
			return requests[0]
		}
		assert.Contains(t, next().line, "status=DOWN")
		say(healthy)
		assert.Equal(t, wire.Up, announced(t, next()).Status)
		assert.Contains(t, next().line, "status=UP")
		say(func(context.Context) error { panic("oops") })
		assert.Equal(t, wire.Down, announced(t, next()).Status)
		say(healthy)
		assert.Equal(t, wire.Up, announced(t, next()).Status)
		say(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		wait(10 * time.Second) // a third of the interval
		assert.Equal(t, wire.Down, announced(t, next()).Status, "one that hangs does not keep the lease from being renewed")
		assert.Equal(t, 2, strings.Count(r.log.String(), "health check passes again"))
		assert.Equal(t, 3, strings.Count(r.log.String(), "health check fails"))
		assert.Contains(t, r.log.String(), "database is gone")
		assert.Contains(t, r.log.String(), "health check panics: oops")

		// Statuses that were set are left alone.
		say(healthy)
		for _, set := range []eureka.Status{eureka.Starting, eureka.OutOfService, eureka.Down} {
			require.NoError(t, reg.SetStatus(t.Context(), set))
			f.all()
			asked.Store(0)
			wait(2 * time.Minute)
			for _, q := range f.all() {
				assert.Contains(t, q.line, "status="+string(set))
			}
			assert.Zero(t, asked.Load())
		}
		say(sick)
		require.NoError(t, reg.SetStatus(t.Context(), eureka.Up))
		assert.Contains(t, f.all()[0].line, "status=DOWN", "it was Down already")
		say(healthy)
		require.NoError(t, reg.SetStatus(t.Context(), eureka.Up))
		assert.Equal(t, wire.Up, announced(t, f.all()[0]).Status)
		require.NoError(t, reg.Close(t.Context()))
	})
}

func TestCloseEndsHealthChecks(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.fake("a:80").answer(listing(nil))
		var asked atomic.Int64
		reg := r.register(r.client("http://a", eureka.WithHealthCheck(func(ctx context.Context) error {
			if asked.Add(1) > 1 {
				<-ctx.Done()
			}
			return ctx.Err()
		})), copyOne)
		wait(31 * time.Second)
		require.NoError(t, reg.Close(t.Context()))
		synctest.Wait()
		assert.Equal(t, 31*time.Second, r.since())
		assert.NotContains(t, r.log.String(), "health check fails")
	})
}

func TestRemoteStatus(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		server := eurekaserver.New()
		t.Cleanup(server.Close)
		stop := r.serve("a:80", server)
		c := r.client("http://a/eureka")
		reg := r.register(c, copyOne)
		remote := func() eureka.Status {
			s, err := reg.RemoteStatus(t.Context())
			require.NoError(t, err)
			return s
		}
		assert.Equal(t, eureka.Up, remote())

		operator, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://a/eureka"+item+"/status?value=OUT_OF_SERVICE", nil)
		require.NoError(t, err)
		resp, err := r.transport().RoundTrip(operator)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		wait(time.Minute)
		assert.Equal(t, eureka.OutOfService, remote(), "heartbeats do not change what an operator has set")

		require.NoError(t, reg.Close(t.Context()))
		assert.Empty(t, remote())
		stop()
		_, err = reg.RemoteStatus(t.Context())
		assert.ErrorContains(t, err, `eureka: remote status of "orders": http://a/eureka: `)
		c.Close()
		_, err = reg.RemoteStatus(t.Context())
		assert.Equal(t, eureka.ErrClosed, err)
	})
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"forbidden": {status(http.StatusForbidden), "answered 403 Forbidden"},
		"nonsense":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }, "http://a: "},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				f := r.fake("a:80")
				f.answer(listing(nil))
				reg := r.register(r.client("http://a"), copyOne)
				f.answer(c.answer)
				seen, err := reg.RemoteStatus(t.Context())
				assert.ErrorContains(t, err, c.want)
				assert.Empty(t, seen)
				f.answer(listing(nil))
				require.NoError(t, reg.Close(t.Context()))
			})
		})
	}
}

func TestRenewed(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing(nil))
		reg := r.register(r.client("http://a"), copyOne)
		assert.Zero(t, time.Since(reg.Renewed()))
		wait(40 * time.Second)
		assert.Equal(t, 10*time.Second, time.Since(reg.Renewed()))
		f.answer(status(http.StatusServiceUnavailable))
		wait(5 * time.Minute)
		assert.Equal(t, 5*time.Minute+10*time.Second, time.Since(reg.Renewed()))
		f.answer(listing(nil))
		require.NoError(t, reg.Close(t.Context()))
	})
}
