package consul_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/consul"
)

func TestRegister(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		c := r.client("http://agent:8500", consul.WithToken("secret"), consul.WithTag("v2"), consul.WithNamespace("team"))
		var sent map[string]any
		f.answer(func(_ http.ResponseWriter, req *http.Request) {
			assert.NoError(t, json.NewDecoder(req.Body).Decode(&sent))
		})
		registration, err := c.Register(t.Context(), "orders", discovery.Instance{
			ID: "a/b", Addr: "[fd00::1]:8080", Scheme: "https", Zone: "z1", Weight: 3, Priority: 1, Metadata: map[string]string{"version": "2", "zone": "old"},
		})
		require.NoError(t, err)
		f.answer(nil)
		assert.Equal(t, map[string]any{
			"ID": "a/b", "Name": "orders", "Address": "fd00::1", "Port": 8080., "Tags": []any{"v2"}, "Namespace": "team",
			"Meta":    map[string]any{"version": "2", "zone": "z1", "scheme": "https", "priority": "1"},
			"Weights": map[string]any{"Passing": 3., "Warning": 1.},
			"Check": map[string]any{
				"CheckID": "service:a/b", "TTL": "15s", "Status": "passing", "DeregisterCriticalServiceAfter": "1m0s",
			},
		}, sent)
		assert.Equal(t, []string{"PUT /v1/agent/service/register?ns=team&replace-existing-checks=true secret"}, f.log())
		f.answer(func(http.ResponseWriter, *http.Request) {})
		require.NoError(t, registration.Close(t.Context()))
		assert.Equal(t, []string{"PUT /v1/agent/service/deregister/a%2Fb?ns=team secret"}, f.log())
		require.NoError(t, registration.Close(t.Context()))
		assert.Empty(t, f.log())
	})
}

// A sign of life comes every third of the TTL, give or take a tenth.
func TestSignsOfLife(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		c := r.client("http://agent:8500", consul.WithTTL(30*time.Second))
		registration, err := c.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: "10.0.0.1:80"})
		require.NoError(t, err)
		f.log()
		time.Sleep(100 * time.Second)
		log := f.log()
		assert.InDelta(t, 10, len(log), 1)
		for _, line := range log {
			assert.Equal(t, "PUT /v1/agent/check/pass/service:a", line)
		}
		require.NoError(t, registration.Close(t.Context()))
		f.log()
		time.Sleep(100 * time.Second)
		assert.Empty(t, f.log(), "nothing is said afterwards")
	})
}

// An agent that was restarted and has forgotten everything is told again, at
// the next sign of life.
func TestForgotten(t *testing.T) {
	for name, c := range map[string]struct {
		opts   []consul.Option
		answer func(f *fake)
	}{
		"with a TTL":   {nil, (*fake).forget},
		"with a check": {[]consul.Option{consul.WithHTTPCheck("/health")}, (*fake).forget},
		"as it was said once": {nil, func(f *fake) {
			f.forget()
			f.answer(func(w http.ResponseWriter, req *http.Request) {
				if strings.Contains(req.URL.Path, "/pass/") {
					f.answer(nil)
					http.Error(w, `CheckID "service:a" does not have associated TTL`, http.StatusInternalServerError)
				}
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig, f *fake) {
				client := r.client("http://agent:8500", c.opts...)
				registration, err := client.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: "10.0.0.1:80"})
				require.NoError(t, err)
				c.answer(f)
				time.Sleep(6 * time.Second)
				assert.Equal(t, []string{"n1/a"}, ids(read(t, client, "orders").set()))
				require.NoError(t, registration.Close(t.Context()))
			})
		})
	}
}

// Who takes the place of a copy keeps it when the other is withdrawn.
func TestReplaced(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, _ *fake) {
		c := r.client("http://agent:8500")
		first, err := c.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: "10.0.0.1:80"})
		require.NoError(t, err)
		second, err := c.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: "10.0.0.2:80"})
		require.NoError(t, err)
		require.NoError(t, first.Close(t.Context()))
		w := read(t, c, "orders")
		assert.Equal(t, "10.0.0.2:80", w.set()[0].Addr)
		require.NoError(t, second.Close(t.Context()))
		assert.Empty(t, w.set())
	})
}

func TestRejected(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		c := r.client("http://agent:8500")
		f.answer(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "Permission denied", http.StatusForbidden) })
		_, err := c.Register(t.Context(), "orders", discovery.Instance{Addr: "10.0.0.1:80"})
		assert.ErrorContains(t, err, `consul: register "orders": http://agent:8500: answered 403 Forbidden: Permission denied`)
		assert.Len(t, f.log(), 1, "it is not repeated")
		for _, in := range []discovery.Instance{{}, {Addr: "a:b"}, {Addr: "a:80", Scheme: "ftp"}, {Addr: "a:80", Weight: 65536}} {
			_, err := c.Register(t.Context(), "orders", in)
			assert.Error(t, err)
		}
		_, err = c.Register(t.Context(), "", discovery.Instance{Addr: "a:80"})
		assert.Error(t, err)
		assert.Empty(t, f.log())
	})
}

// While the agent cannot be reached, Register tries again; what it may have
// been told by then is taken back.
func TestRegisterInVain(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		c := r.client("http://agent:8500")
		var lost atomic.Int64
		f.answer(func(w http.ResponseWriter, req *http.Request) {
			if strings.HasSuffix(req.URL.Path, "/register") {
				lost.Add(1)
				f.answer(nil)
				f.ServeHTTP(w, req)
				f.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
				panic(http.ErrAbortHandler)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		time.AfterFunc(9500*time.Millisecond, func() { f.answer(nil) })
		_, err := c.Register(ctx, "orders", discovery.Instance{ID: "a", Addr: "10.0.0.1:80"})
		if err != nil { // it may just have worked in the last half second
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorContains(t, err, "answered 502")
			assert.Empty(t, read(t, c, "orders").set())
		}
		assert.EqualValues(t, 1, lost.Load())
	})
}

// Closing does not wait for an agent that does not answer, longer than it may.
func TestCloseWhileTheAgentHangs(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		c := r.client("http://agent:8500")
		registration, err := c.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: "10.0.0.1:80"})
		require.NoError(t, err)
		f.answer(func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
		time.Sleep(6 * time.Second) // a sign of life is under way
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		begin := time.Now()
		err = registration.Close(ctx)
		assert.ErrorContains(t, err, `consul: withdraw "orders"`)
		assert.Equal(t, 4*time.Second, time.Since(begin))
	})
}
