package eureka_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

const item = "/apps/ORDERS/orders-1"

// register registers a copy, which must succeed.
func (r *rig) register(c *eureka.Client, in discovery.Instance) *eureka.Registration {
	r.t.Helper()
	reg, err := c.Register(r.t.Context(), "orders", in)
	require.NoError(r.t, err)
	return reg.(*eureka.Registration)
}

// announced returns the instance in a registration.
func announced(t *testing.T, s seen) wire.Instance {
	t.Helper()
	in, err := wire.UnmarshalInstance([]byte(s.body), wire.JSON)
	require.NoError(t, err)
	return in
}

func dirtyOf(t *testing.T, s seen) int64 {
	t.Helper()
	u, err := url.Parse(strings.Fields(s.line)[1])
	require.NoError(t, err)
	n, err := strconv.ParseInt(u.Query().Get("lastDirtyTimestamp"), 10, 64)
	require.NoError(t, err)
	return n
}

func TestRegister(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing(nil))
		reg, err := r.client("http://a/eureka/").Register(t.Context(), "Orders", discovery.Instance{
			Addr: "[2001:db8::1]:8443", Scheme: "https", Zone: "z1", Weight: 3, Priority: 2,
			Metadata: map[string]string{"version": "7"},
		})
		require.NoError(t, err)
		posted := f.all()
		require.Len(t, posted, 1)
		assert.Equal(t, "POST /eureka/apps/ORDERS", posted[0].line)
		assert.Equal(t, "application/json", posted[0].header.Get("Content-Type"))
		assert.Equal(t, wire.Instance{
			InstanceID: "2001:db8::1:Orders:8443", App: "ORDERS",
			HostName: "2001:db8::1", IPAddr: "2001:db8::1",
			Status: wire.Up, OverriddenStatus: wire.Unknown,
			Port: wire.Port{Number: 80}, SecurePort: wire.Port{Number: 8443, Enabled: true},
			CountryID: 1, DataCenter: wire.DataCenter{Name: wire.MyOwn},
			Lease:      wire.Lease{RenewalInterval: 30, Duration: 90},
			Metadata:   map[string]string{"version": "7", "zone": "z1", "weight": "3", "priority": "2"},
			VIPAddress: "Orders", SecureVIPAddress: "Orders",
			LastDirty: time.Now().UnixMilli(),
		}, announced(t, posted[0]))

		wait(time.Minute)
		beats := f.all()
		require.Len(t, beats, 2)
		for i, b := range beats {
			assert.Equal(t, time.Duration(i+1)*30*time.Second, b.at)
			assert.Equal(t, "PUT /eureka/apps/ORDERS/2001:db8::1:Orders:8443?lastDirtyTimestamp="+
				strconv.FormatInt(announced(t, posted[0]).LastDirty, 10)+"&status=UP", b.line)
			assert.Empty(t, b.body)
		}
		require.NoError(t, reg.Close(t.Context()))
		wait(time.Hour)
		assert.Equal(t, []string{"DELETE /eureka/apps/ORDERS/2001:db8::1:Orders:8443"}, f.lines())
	})
}

func TestRegisterPlainPort(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing(nil))
		c := r.client("http://a", eureka.WithLease(1500*time.Millisecond, 0))
		reg, err := c.Register(t.Context(), "orders", discovery.Instance{ID: "a b/c:ż", Addr: "host.example:8080"})
		require.NoError(t, err)
		in := announced(t, f.all()[0])
		assert.Equal(t, "a b/c:ż", in.InstanceID)
		assert.Equal(t, wire.Port{Number: 8080, Enabled: true}, in.Port)
		assert.Equal(t, wire.Port{Number: 443}, in.SecurePort)
		assert.Equal(t, "host.example", in.HostName)
		assert.Equal(t, "host.example", in.IPAddr)
		assert.Empty(t, in.Metadata)
		assert.Equal(t, wire.Lease{RenewalInterval: 2, Duration: 6}, in.Lease)
		wait(2 * time.Second)
		assert.Equal(t, []string{"PUT /apps/ORDERS/a%20b%2Fc:%C5%BC"}, f.lines())
		require.NoError(t, reg.Close(t.Context()))
	})
}

func TestRegisterRefuses(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		c := r.client("http://a")
		for _, bad := range []discovery.Instance{
			{ID: "x", Addr: "nowhere"}, {Addr: "0.0.0.0:80"}, {Addr: "[::]:80"}, {ID: "..", Addr: "h:80"}, {Addr: "h:80", Scheme: "ftp"},
		} {
			_, err := c.Register(t.Context(), "orders", bad)
			assert.ErrorContains(t, err, `eureka: register "orders": `)
		}
		for _, service := range []string{"", ".", ".."} {
			_, err := c.Register(t.Context(), service, copyOne)
			assert.Error(t, err)
		}
		assert.Empty(t, f.lines())
	})
}

func TestRegisterWaitsForAServer(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		c := r.client("http://a")
		go func() {
			time.Sleep(time.Minute)
			f.answer(listing(nil))
		}()
		reg := r.register(c, copyOne)
		assert.GreaterOrEqual(t, r.since(), time.Minute)
		assert.LessOrEqual(t, r.since(), 90*time.Second)
		require.NoError(t, reg.Close(t.Context()))
	})
}

func TestRegisterGivenUp(t *testing.T) {
	t.Run("nobody was reached", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r *rig) {
			_, err := r.client("http://a").Register(within(t, time.Minute), "orders", copyOne)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorContains(t, err, "http://a: ")
			assert.ErrorContains(t, err, "refused")
			assert.Equal(t, time.Minute, r.since())
			assert.NotZero(t, r.net.Dials("a:80"))
		})
	})
	t.Run("somebody may have heard", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r *rig) {
			f := r.fake("a:80")
			f.answer(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					hang(w, r)
				}
			})
			ctx, cancel := context.WithCancelCause(t.Context())
			given := errors.New("given up")
			time.AfterFunc(15*time.Second, func() { cancel(given) })
			_, err := r.client("http://a").Register(ctx, "orders", copyOne)
			assert.ErrorIs(t, err, given)
			assert.ErrorContains(t, err, "http://a: no answer within 10s")
			lines := f.lines()
			assert.Equal(t, "DELETE "+item, lines[len(lines)-1])
			wait(time.Hour)
			assert.Empty(t, f.lines())
		})
	})
	t.Run("the client was closed", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r *rig) {
			c := r.client("http://a")
			time.AfterFunc(time.Minute, c.Close)
			_, err := c.Register(t.Context(), "orders", copyOne)
			assert.Equal(t, eureka.ErrClosed, err)
			assert.Equal(t, time.Minute, r.since())
		})
	})
}

func TestServerForgets(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing(nil))
		reg := r.register(r.client("http://a"), copyOne)
		first := announced(t, f.all()[0])

		f.answer(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(map[string]int{http.MethodPut: http.StatusNotFound, http.MethodPost: http.StatusInternalServerError}[r.Method])
		})
		wait(30 * time.Second)
		requests := f.all()
		require.Len(t, requests, 2)
		assert.Equal(t, "POST /apps/ORDERS", requests[1].line, "at once")
		assert.Equal(t, 30*time.Second, requests[1].at)
		again := announced(t, requests[1])
		assert.Greater(t, again.LastDirty, first.LastDirty)

		f.answer(listing(nil))
		wait(30 * time.Second)
		requests = f.all()
		require.Len(t, requests, 1)
		assert.Equal(t, "POST /apps/ORDERS", requests[0].line, "since that failed")
		assert.Equal(t, again, announced(t, requests[0]))

		wait(30 * time.Second)
		requests = f.all()
		require.Len(t, requests, 1)
		assert.Equal(t, again.LastDirty, dirtyOf(t, requests[0]))
		require.NoError(t, reg.Close(t.Context()))
	})
}

func TestHeartbeatsThatFail(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing(nil))
		reg := r.register(r.client("http://a,http://b"), copyOne)
		f.all()
		f.answer(status(http.StatusInternalServerError))
		wait(5 * time.Minute)
		assert.Len(t, f.lines(), 10, "one for each interval")
		f.answer(listing(nil))
		wait(time.Minute)
		assert.Equal(t, []string{"PUT " + item, "PUT " + item}, f.lines())
		assert.Equal(t, 1, strings.Count(r.log.String(), "heartbeat fails"))
		assert.Equal(t, 1, strings.Count(r.log.String(), "heartbeat works again"))
		require.NoError(t, reg.Close(t.Context()))
	})
}

func TestSetStatus(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing(nil))
		reg := r.register(r.client("http://a"), copyOne)
		dirty := announced(t, f.all()[0]).LastDirty

		for _, s := range []eureka.Status{eureka.Down, eureka.Starting, eureka.Up} {
			require.NoError(t, reg.SetStatus(t.Context(), s))
			requests := f.all()
			require.Len(t, requests, 1)
			in := announced(t, requests[0])
			assert.Equal(t, wire.Status(s), in.Status)
			assert.Equal(t, wire.Unknown, in.OverriddenStatus)
			assert.Greater(t, in.LastDirty, dirty)
			dirty = in.LastDirty
		}

		require.NoError(t, reg.SetStatus(t.Context(), eureka.OutOfService))
		stamp := strconv.FormatInt(dirty, 10)
		assert.Equal(t, "PUT "+item+"/status?lastDirtyTimestamp="+stamp+"&value=OUT_OF_SERVICE", f.all()[0].line)
		wait(30 * time.Second)
		assert.Equal(t, "PUT "+item+"?lastDirtyTimestamp="+stamp+"&status=OUT_OF_SERVICE", f.all()[0].line)

		// A server that has forgotten the copy is told of the override as well.
		f.answer(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut {
				w.WriteHeader(http.StatusNotFound)
			}
		})
		wait(30 * time.Second)
		in := announced(t, f.all()[1])
		assert.Equal(t, wire.Up, in.Status)
		assert.Equal(t, wire.OutOfService, in.OverriddenStatus)

		f.answer(listing(nil))
		require.NoError(t, reg.SetStatus(t.Context(), eureka.Up))
		requests := f.all()
		require.Len(t, requests, 2)
		assert.Equal(t, "DELETE "+item+"/status?lastDirtyTimestamp="+strconv.FormatInt(in.LastDirty, 10)+"&value=UP", requests[0].line)
		back := announced(t, requests[1])
		assert.Equal(t, wire.Up, back.Status)
		assert.Equal(t, wire.Unknown, back.OverriddenStatus)
		assert.Greater(t, back.LastDirty, in.LastDirty)

		for _, s := range []eureka.Status{"", "UNKNOWN", "up"} {
			assert.Error(t, reg.SetStatus(t.Context(), s))
		}
		require.NoError(t, reg.Close(t.Context()))
		assert.Equal(t, []string{"DELETE " + item}, f.lines())
		assert.Equal(t, eureka.ErrClosed, reg.SetStatus(t.Context(), eureka.Up))
	})
}

func TestStatusIsWantedUntilItIsSet(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing(nil))
		reg := r.register(r.client("http://a"), copyOne)
		f.answer(status(http.StatusServiceUnavailable))
		err := reg.SetStatus(within(t, 5*time.Second), eureka.OutOfService)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, "503")
		f.answer(listing(nil))
		f.all()
		wait(25 * time.Second)
		assert.Equal(t, []string{"PUT " + item + "/status"}, f.lines(), "instead of a heartbeat")

		f.answer(status(http.StatusForbidden))
		var answered *eureka.StatusError
		assert.ErrorAs(t, reg.SetStatus(t.Context(), eureka.Up), &answered)
		f.answer(listing(nil))
		f.all()
		wait(30 * time.Second)
		assert.Equal(t, []string{"DELETE " + item + "/status", "POST /apps/ORDERS"}, f.lines())
		require.NoError(t, reg.Close(t.Context()))
	})
}

func TestNothingFollowsTheWithdrawal(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing(nil))
		reg := r.register(r.client("http://a"), copyOne)
		f.all()
		handled := 0
		f.answer(func(_ http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				time.Sleep(3 * time.Second) // whether or not the client waits
				handled++
			}
			if r.Method == http.MethodDelete {
				assert.Equal(t, 1, handled, "the registration has been carried out by now")
			}
		})
		errs := make(chan error, 2)
		go func() { errs <- reg.SetStatus(t.Context(), eureka.Down) }()
		synctest.Wait()
		go func() { errs <- reg.SetStatus(t.Context(), eureka.Down) }() // waits for its turn
		synctest.Wait()
		require.NoError(t, reg.Close(within(t, time.Minute)))
		for range 2 {
			if err := <-errs; err != nil {
				assert.Equal(t, eureka.ErrClosed, err)
			}
		}
		wait(time.Hour)
		lines := f.lines()
		assert.Equal(t, "POST /apps/ORDERS", lines[0])
		assert.Equal(t, "DELETE "+item, lines[len(lines)-1])
		assert.Equal(t, 1, strings.Count(strings.Join(lines, " "), "DELETE"))
	})
}

func TestWithdrawalBreaksOffWhatHangs(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a, b := r.fake("a:80"), r.fake("b:80")
		a.answer(listing(nil))
		b.answer(listing(nil))
		reg := r.register(r.client("http://a,http://b"), copyOne)
		a.answer(hang)
		wait(31 * time.Second) // a heartbeat has begun 1 s ago
		require.NoError(t, reg.Close(within(t, 4*time.Second)))
		assert.Equal(t, 31*time.Second+2*time.Second+time.Second, r.since(), "half for the heartbeat, half of the rest for a")
		assert.Equal(t, []string{"DELETE " + item}, b.lines())
	})
}

func TestWithdrawal(t *testing.T) {
	t.Run("not known", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r *rig) {
			f := r.fake("a:80")
			f.answer(listing(nil))
			reg := r.register(r.client("http://a"), copyOne)
			f.answer(status(http.StatusNotFound))
			assert.NoError(t, reg.Close(t.Context()))
		})
	})
	t.Run("waits for a server", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r *rig) {
			f := r.fake("a:80")
			f.answer(listing(nil))
			reg := r.register(r.client("http://a"), copyOne)
			f.answer(status(http.StatusBadGateway))
			time.AfterFunc(20*time.Second, func() { f.answer(listing(nil)) })
			assert.NoError(t, reg.Close(t.Context()))
			assert.GreaterOrEqual(t, r.since(), 20*time.Second)
		})
	})
	t.Run("no longer than the lease", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r *rig) {
			f := r.fake("a:80")
			f.answer(listing(nil))
			reg := r.register(r.client("http://a"), copyOne)
			f.answer(status(http.StatusBadGateway))
			err := reg.Close(t.Context())
			assert.EqualError(t, err, `eureka: withdraw "orders": its lease must have run out; http://a: answered 502 Bad Gateway`)
			assert.Equal(t, 90*time.Second, r.since())
			assert.Equal(t, err, reg.Close(t.Context()))
		})
	})
	t.Run("after its client", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r *rig) {
			f := r.fake("a:80")
			f.answer(listing(nil))
			c := r.client("http://a")
			reg := r.register(c, copyOne)
			c.Close()
			f.all()
			wait(time.Hour)
			assert.Empty(t, f.lines(), "no heartbeats any more")
			assert.Equal(t, eureka.ErrClosed, reg.SetStatus(t.Context(), eureka.Down))
			assert.NoError(t, reg.Close(t.Context()))
			assert.Equal(t, []string{"DELETE " + item}, f.lines())
		})
	})
}

func TestTakingACopysPlace(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing(nil))
		c := r.client("http://a")
		old := r.register(c, copyOne)
		moved := discovery.Instance{ID: copyOne.ID, Addr: "192.0.2.9:9090"}
		first := announced(t, f.all()[0])

		// One that is rejected does not, and the first goes on.
		f.answer(status(http.StatusBadRequest))
		_, err := c.Register(t.Context(), "orders", moved)
		require.Error(t, err)
		f.answer(listing(nil))
		f.all()
		wait(30 * time.Second)
		assert.Equal(t, []string{"PUT " + item}, f.lines())

		// If it may have worked, the first announces itself again.
		f.answer(hang)
		_, err = c.Register(within(t, time.Second), "orders", moved)
		require.Error(t, err)
		f.answer(listing(nil))
		f.all()
		wait(30 * time.Second)
		requests := f.all()
		require.Len(t, requests, 1)
		again := announced(t, requests[0])
		assert.Equal(t, "192.0.2.1", again.IPAddr)
		assert.Greater(t, again.LastDirty, first.LastDirty)

		now := r.register(c, moved)
		taken := announced(t, f.all()[0])
		assert.Equal(t, "192.0.2.9", taken.IPAddr)
		assert.Greater(t, taken.LastDirty, again.LastDirty)
		assert.Equal(t, eureka.ErrClosed, old.SetStatus(t.Context(), eureka.Down))
		require.NoError(t, old.Close(t.Context()))
		assert.Empty(t, f.lines(), "the copy is no longer its own")
		wait(time.Minute)
		assert.Equal(t, []string{"PUT " + item, "PUT " + item}, f.lines())
		require.NoError(t, now.Close(t.Context()))
		assert.Equal(t, []string{"DELETE " + item}, f.lines())
	})
}

func TestRegistrationsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing(nil))
		c := r.client("http://a")
		regs := make(chan discovery.Registration, 10)
		for range cap(regs) {
			go func() {
				reg, err := c.Register(t.Context(), "orders", copyOne)
				assert.NoError(t, err)
				regs <- reg
			}()
		}
		for range cap(regs) {
			go func() { assert.NoError(t, (<-regs).Close(t.Context())) }()
		}
		synctest.Wait()
		requests := f.all()
		stamps := map[int64]bool{}
		for _, q := range requests {
			if q.body != "" {
				stamps[announced(t, q).LastDirty] = true
			}
		}
		assert.NotEmpty(t, slices.Collect(maps.Keys(stamps)))
		assert.True(t, strings.HasPrefix(requests[len(requests)-1].line, "DELETE "), "the last word")
		wait(time.Hour)
		assert.Empty(t, f.lines())
	})
}
