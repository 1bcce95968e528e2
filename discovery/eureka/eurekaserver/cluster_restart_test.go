package eurekaserver_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// Servers that are restarted one after the other, each from its snapshot, and
// never run both, still know which of them has heard the last of an instance.
func TestRestartFromSnapshotsOneAfterTheOther(t *testing.T) {
	folder := t.TempDir()
	for range 4 { // random ids decide what nobody knows
		bubbleFleet(t, []string{"a", "b"}, func(t *testing.T, f *fleet) {
			f.each = func(name string) []eurekaserver.Option {
				return []eurekaserver.Option{eurekaserver.WithSnapshot(eurekaserver.SnapshotConfig{Path: filepath.Join(folder, name)})}
			}
			for _, name := range f.names {
				f.stop(name)
				f.start(name)
			}
			rest(20 * time.Second)
			for _, id := range []string{"canceled", "out", "moved", "back"} {
				require.Equal(t, 204, f.do("a", "POST", "/apps/APP", edit{"instanceId": id}))
			}
			require.Equal(t, 200, f.do("a", "PUT", "/apps/APP/back/status?value=OUT_OF_SERVICE"))
			f.settle()
			require.Len(t, f.agree(), 4)

			f.stop("a") // with what it knows
			rest(time.Second)
			require.Equal(t, 200, f.do("b", "DELETE", "/apps/APP/canceled"))
			require.Equal(t, 200, f.do("b", "PUT", "/apps/APP/out/status?value=OUT_OF_SERVICE"))
			require.Equal(t, 200, f.do("b", "DELETE", "/apps/APP/back/status?value=UP"))
			require.Equal(t, 204, f.do("b", "POST", "/apps/APP", edit{"instanceId": "moved", "hostName": "h2"}))
			rest(time.Second)
			f.stop("b")

			f.start("a")
			f.start("b")
			rest(40 * time.Second)
			seen := f.agree()
			assert.Len(t, seen, 3)
			assert.NotContains(t, seen, "APP/canceled")
			assert.Equal(t, wire.OutOfService, seen["APP/out"].Status)
			assert.Equal(t, wire.Up, seen["APP/back"].Status)
			assert.Equal(t, "h2", seen["APP/moved"].HostName)
			assert.Equal(t, 200, f.do("a", "DELETE", "/apps/APP/out/status?value=UP"))
			f.settle()
			assert.Equal(t, wire.Up, f.agree()["APP/out"].Status)
			for _, id := range []string{"out", "back", "moved"} {
				f.do("a", "DELETE", "/apps/APP/"+id)
			}
			rest(time.Second)
		})
	}
}

// With the rules of Netflix's server a heartbeat that comes from a peer counts
// like any other, and lets the lease last as long.
func TestNetflixRulesCountHeartbeatsOfPeers(t *testing.T) {
	bubbleFleet(t, []string{"a", "b"}, func(t *testing.T, f *fleet) {
		f.settle()
		const n = 12
		for i := range n {
			require.Equal(t, 204, f.do("a", "POST", "/apps/APP", edit{"instanceId": string(rune('a' + i))}))
		}
		for range 12 {
			rest(30 * time.Second)
			for i := range n {
				require.Equal(t, 200, f.do("a", "PUT", "/apps/APP/"+string(rune('a'+i))))
			}
		}
		f.settle()
		for _, name := range f.names {
			p := f.members[name].Stats().Preservation
			assert.EqualValues(t, 2*n, p.Received, name)
			assert.False(t, p.Active, name)
			in := instanceOf(t, f.members[name].Server, "APP", "a")
			assert.InDelta(t, time.Now().Add(90*time.Second).UnixMilli(), in.Lease.LastRenewal, 1000, name)
		}
	}, eurekaserver.WithNetflixRules(eurekaserver.NetflixConfig{ExpectedClients: 1}))
}

// Whether a client or a peer says that an instance comes or goes, it counts.
func TestTotalsOfReplicas(t *testing.T) {
	bubbleFleet(t, []string{"a", "b"}, func(t *testing.T, f *fleet) {
		f.settle()
		require.Equal(t, 204, f.do("a", "POST", "/apps/APP"))
		f.settle()
		require.Equal(t, 204, f.do("a", "POST", "/apps/APP", edit{"hostName": "h2"}))
		f.settle()
		require.Equal(t, 200, f.do("a", "PUT", "/apps/APP/i1"))
		f.settle()
		require.Equal(t, 200, f.do("a", "DELETE", "/apps/APP/i1"))
		rest(30 * time.Second)
		for _, name := range f.names {
			totals := f.members[name].Stats().Totals
			totals.Heartbeats = 0
			assert.Equal(t, eurekaserver.Totals{Registrations: 1, Cancellations: 1}, totals, name)
		}
	})
}

// A gate that is closed is nothing to strangers, who have to say first who they
// are, and the page, which everybody who may read sees, says that it is.
func TestGateAndAccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := alone(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
			eurekaserver.PeersConfig{}, eurekaserver.WithAccess(eurekaserver.BearerTokens(
				eurekaserver.Token{Token: "t", Caller: eurekaserver.Caller{Grant: eurekaserver.Read}},
			)))
		defer s.Close()
		assert.Equal(t, 401, bearer(s, "", "GET", "/apps", false).Code)
		assert.Equal(t, 403, bearer(s, "t", "GET", "/apps", false).Code)
		r := httptest.NewRequest("GET", "/", nil)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		assert.Equal(t, 401, w.Code)
		r.Header.Set("Authorization", "Bearer t")
		w = httptest.NewRecorder()
		s.ServeHTTP(w, r)
		assert.Equal(t, 200, w.Code)
		assert.Contains(t, w.Body.String(), "This server is starting")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		assert.Equal(t, 200, bearer(s, "t", "GET", "/apps", false).Code)
	})
}
