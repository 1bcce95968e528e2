package eurekaserver_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// A server gets what it lacks from one that knows it, even if it does not ask.
func TestReconcilingOneWay(t *testing.T) {
	t.Run("in time", func(t *testing.T) { reconcileOneWay(t, false, 0) })
	t.Run("at once", func(t *testing.T) { reconcileOneWay(t, true, 24*time.Hour) })
}

func reconcileOneWay(t *testing.T, beat bool, interval time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		var other atomic.Pointer[eurekaserver.Server]
		first, second := eurekaserver.New(), eurekaserver.New()
		defer first.Close()
		defer second.Close()
		other.Store(first)
		s := alone(func(w http.ResponseWriter, r *http.Request) { other.Load().ServeHTTP(w, r) }, eurekaserver.PeersConfig{ReconcileInterval: interval})
		defer s.Close()
		for _, id := range []string{"i1", "i2"} {
			require.Equal(t, 204, serve(t.Context(), s, "POST", "/apps/APP", body("APP", edit{"instanceId": id})).Code)
		}
		rest(time.Second)
		assert.Equal(t, 200, serve(t.Context(), first, "GET", "/apps/APP/i2", "").Code)
		other.Store(second)
		if beat {
			require.Equal(t, 200, serve(t.Context(), s, "PUT", "/apps/APP/i1", "").Code)
			rest(time.Second) // the answer shows that it is another server
		} else {
			rest(20 * time.Second)
		}
		assert.Equal(t, 200, serve(t.Context(), second, "GET", "/apps/APP/i2", "").Code)
	})
}

// A server of another kind that was away for long is told everything: it may
// have forgotten it, and has nobody to ask.
func TestAllIsToldAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var other atomic.Pointer[eurekaserver.Server]
		first, second := eurekaserver.New(), eurekaserver.New()
		defer first.Close()
		defer second.Close()
		other.Store(first)
		s := alone(func(w http.ResponseWriter, r *http.Request) {
			if other.Load() == nil {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			answer := httptest.NewRecorder() // whose header would give it away
			other.Load().ServeHTTP(answer, r)
			w.WriteHeader(answer.Code)
			_, _ = w.Write(answer.Body.Bytes())
		}, eurekaserver.PeersConfig{})
		defer s.Close()
		require.Equal(t, 204, serve(t.Context(), s, "POST", "/apps/APP", body("APP")).Code)
		require.Equal(t, 200, serve(t.Context(), s, "PUT", "/apps/APP/i1/status?value=DOWN", "").Code)
		rest(time.Second)
		assert.Equal(t, eurekaserver.PeerEureka, s.Peers()[0].Kind)
		assert.Equal(t, 200, serve(t.Context(), first, "GET", "/apps/APP/i1", "").Code)
		other.Store(nil)
		rest(60 * time.Second)
		assert.False(t, s.Peers()[0].Reachable)
		assert.Equal(t, "answered 502 Bad Gateway", s.Peers()[0].LastError)
		other.Store(second)
		rest(6 * time.Second)
		assert.True(t, s.Peers()[0].Reachable)
		w := serve(t.Context(), second, "GET", "/apps/APP/i1", "")
		assert.Equal(t, 200, w.Code)
		assert.Contains(t, w.Body.String(), `"overriddenStatus":"DOWN"`)
	})
}
