package eureka_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/discoverytest"
	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// harness tests the client against a real server, in virtual time.
func harness(plain bool, opts ...eureka.Option) discoverytest.Harness {
	return discoverytest.Harness{
		Run: func(t *testing.T, check func(t *testing.T)) { synctest.Test(t, check) },
		New: func(t testing.TB) discoverytest.Subject {
			r := &rig{t: t.(*testing.T), begin: time.Now()}
			server := eurekaserver.New()
			t.Cleanup(server.Close)
			var failing atomic.Bool
			var asked atomic.Int64
			r.serve("a:80", http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				asked.Add(1)
				if failing.Load() {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				if plain {
					w = withoutRevision{w}
				}
				server.ServeHTTP(w, req)
			}))
			c := r.client("http://a/eureka", opts...)
			return discoverytest.Subject{
				Watcher:   c,
				Registrar: c,
				Fail:      failing.Store,
				Asked:     func() int { return int(asked.Load()) },
			}
		},
		// Eureka carries some facts as metadata.
		Strip: func(in discovery.Instance) discovery.Instance {
			metadata := map[string]string{}
			for k, v := range in.Metadata {
				if k != "zone" && k != "weight" && k != "priority" {
					metadata[k] = v
				}
			}
			in.Metadata = metadata
			return in
		},
		Patience: 2 * time.Minute,
	}
}

// withoutRevision makes our server one like others.
type withoutRevision struct{ http.ResponseWriter }

func (w withoutRevision) WriteHeader(code int) {
	w.Header().Del("X-Namesake-Revision")
	w.Header().Del("X-Namesake-Full")
	w.ResponseWriter.WriteHeader(code)
}

func (w withoutRevision) Write(p []byte) (int, error) {
	w.Header().Del("X-Namesake-Revision")
	return w.ResponseWriter.Write(p)
}

func TestConformance(t *testing.T) {
	for name, plain := range map[string]bool{"waiting": false, "polling": true} {
		t.Run(name, func(t *testing.T) {
			t.Run("watcher", func(t *testing.T) { discoverytest.TestWatcher(t, harness(plain)) })
			t.Run("registrar", func(t *testing.T) { discoverytest.TestRegistrar(t, harness(plain)) })
		})
	}
	t.Run("by service", func(t *testing.T) {
		discoverytest.TestWatcher(t, harness(false, eureka.WithFetchByService()))
		discoverytest.TestRegistrar(t, harness(false, eureka.WithFetchByService()))
	})
}

func TestOurServer(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		server := eurekaserver.New()
		t.Cleanup(func() { server.Close() })
		stop := r.serve("a:80", server)
		c := r.client("http://a/eureka")
		s := r.follow(c, "orders")
		assert.Equal(t, []string{""}, s.news())

		wait(time.Minute + time.Millisecond)
		at := r.since()
		reg := r.register(c, copyOne)
		assert.Equal(t, []string{one}, s.news())
		assert.Equal(t, at, s.when(), "no time has passed")

		for _, change := range []struct {
			status eureka.Status
			seen   string
		}{{eureka.OutOfService, ""}, {eureka.Up, one}, {eureka.Down, ""}, {eureka.OutOfService, ""}, {eureka.Starting, ""}, {eureka.Up, one}} {
			require.NoError(t, reg.SetStatus(t.Context(), change.status))
			wait(time.Second)
			assert.Equal(t, change.seen, s.last(), change.status)
			s.news()
			wait(5 * time.Minute)
			assert.Empty(t, s.news(), "heartbeats keep it so")
		}

		// A server that is restarted knows nothing. The last set stands until
		// the copies have announced themselves again.
		stop()
		server.Close()
		wait(10 * time.Second)
		server = eurekaserver.New()
		r.serve("a:80", server)
		wait(5 * time.Minute)
		assert.Equal(t, []string{one}, s.news(), "which says that the failure is over")
		assert.NotEmpty(t, s.errors())

		other := r.register(c, discovery.Instance{ID: "orders-2", Addr: "192.0.2.2:8080"})
		assert.Equal(t, []string{one + ", " + two}, s.news())
		wait(time.Second)
		require.NoError(t, reg.Close(t.Context()))
		assert.Equal(t, []string{two}, s.news())
		wait(time.Second)
		require.NoError(t, other.Close(t.Context()))
		assert.Equal(t, []string{""}, s.news())
		assert.Empty(t, s.errors())
	})
}

// A server that is restarted has no memory. The next heartbeat finds that out,
// and the copy is back at the same moment.
func TestServerRestarts(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		server := eurekaserver.New()
		t.Cleanup(func() { server.Close() })
		f := &fake{rig: r}
		f.answer(server.ServeHTTP)
		r.serve("a:80", f)
		reg := r.register(r.client("http://a/eureka"), copyOne)
		before := announced(t, f.all()[0])
		wait(20 * time.Second)
		server.Close()
		server = eurekaserver.New()
		f.answer(server.ServeHTTP)

		wait(10*time.Second - 1)
		assert.Empty(t, f.lines())
		wait(1)
		requests := f.all()
		require.Len(t, requests, 2)
		assert.Equal(t, dirtyOf(t, requests[0]), before.LastDirty)
		after := announced(t, requests[1])
		assert.Greater(t, after.LastDirty, before.LastDirty)
		assert.Equal(t, with(before, func(in *wire.Instance) { in.LastDirty = after.LastDirty }), after)
		seen, err := reg.RemoteStatus(t.Context())
		require.NoError(t, err)
		assert.Equal(t, eureka.Up, seen)
		require.NoError(t, reg.Close(t.Context()))
	})
}
