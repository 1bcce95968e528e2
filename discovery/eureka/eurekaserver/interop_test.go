package eurekaserver_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// bubbleMixed runs a test with two servers, of which the second knows nothing
// but what Netflix's server knows, and refuses what that refuses.
func bubbleMixed(t *testing.T, run func(t *testing.T, f *fleet)) {
	t.Helper()
	bubbleFleet(t, []string{"ours", foreign}, func(t *testing.T, f *fleet) {
		f.settle()
		run(t, f)
	}, eurekaserver.WithLogger(testLogger(t)))
}

// Case 67.
func TestServerOfAnotherKind(t *testing.T) {
	bubbleMixed(t, func(t *testing.T, f *fleet) {
		assert.Equal(t, eurekaserver.PeerEureka, f.members["ours"].Peers()[0].Kind)
		for _, at := range []string{"ours", foreign} {
			for path, want := range map[string]wire.Status{
				"/status?value=OUT_OF_SERVICE": wire.OutOfService, "/status?value=UP": wire.Up, "/status?value=DOWN": wire.Down,
			} {
				require.Equal(t, 204, f.do(at, "POST", "/apps/APP", edit{"lastDirtyTimestamp": nil}))
				f.settle()
				require.Equal(t, wire.Up, f.agree()["APP/i1"].Status)
				require.Equal(t, 200, f.do(at, "PUT", "/apps/APP/i1"+path))
				f.settle()
				assert.Equal(t, want, f.agree()["APP/i1"].Status)
				require.Equal(t, 200, f.do(at, "PUT", "/apps/APP/i1/metadata?at="+at))
				f.settle()
				assert.Equal(t, map[string]string{"at": at}, f.agree()["APP/i1"].Metadata)
				require.Equal(t, 200, f.do(at, "DELETE", "/apps/APP/i1/status?value=UP"))
				f.settle()
				assert.Equal(t, wire.Up, f.agree()["APP/i1"].Status)
				assert.Equal(t, wire.Unknown, f.agree()["APP/i1"].OverriddenStatus)
				require.Equal(t, 200, f.do(at, "DELETE", "/apps/APP/i1"))
				f.settle()
				assert.Empty(t, f.agree())
			}
		}
	})
}

// Case 68: heartbeats keep the instance on both servers, restore it where it
// is lost, and find out who is behind.
func TestHeartbeatsAcrossKinds(t *testing.T) {
	bubbleMixed(t, func(t *testing.T, f *fleet) {
		for _, at := range []string{"ours", foreign} {
			other := map[string]string{"ours": foreign, foreign: "ours"}[at]
			require.Equal(t, 204, f.do(at, "POST", "/apps/"+at))
			f.settle()
			require.Equal(t, 200, f.do(at, "PUT", "/apps/"+at+"/i1/status?value=OUT_OF_SERVICE"))
			for range 10 {
				time.Sleep(30 * time.Second)
				require.Equal(t, 200, f.do(at, "PUT", "/apps/"+at+"/i1"))
			}
			f.settle()
			before := f.agree()

			b := f.members[other].Server
			require.Equal(t, 200, serve(t.Context(), b, "DELETE", "/apps/"+at+"/i1", "", "X-Netflix-Discovery-Replication", "true").Code)
			time.Sleep(31 * time.Second)
			require.Equal(t, 200, f.do(at, "PUT", "/apps/"+at+"/i1"))
			f.settle()
			f.settle()
			assert.Equal(t, before, f.agree(), "with its override")

			newer := body(at, edit{"lastDirtyTimestamp": t0 + 5, "hostName": "newer"})
			serve(t.Context(), b, "POST", "/apps/"+at, newer, "X-Netflix-Discovery-Replication", "true")
			require.Equal(t, 200, f.do(at, "PUT", "/apps/"+at+"/i1"))
			f.settle()
			assert.Equal(t, "newer", instanceAt(t, f, at, at).HostName, "taken from the answer to the heartbeat")
			require.Equal(t, 200, f.do(at, "DELETE", "/apps/"+at+"/i1"))
			f.settle()
		}
	})
}

func instanceAt(t *testing.T, f *fleet, server, app string) wire.Instance {
	t.Helper()
	w := serve(t.Context(), f.members[server].Server, "GET", "/apps/"+app+"/i1", "")
	require.Equal(t, 200, w.Code)
	in, err := wire.UnmarshalInstance(w.Body.Bytes(), wire.JSON)
	require.NoError(t, err)
	return in
}

// A server that starts copies the lists of one of another kind, and one of
// another kind that comes back empty is told everything.
func TestStartsAcrossKinds(t *testing.T) {
	bubbleMixed(t, func(t *testing.T, f *fleet) {
		require.Equal(t, 204, f.do("ours", "POST", "/apps/APP", edit{"status": "DOWN"}))
		require.Equal(t, 204, f.do("ours", "POST", "/apps/APP", edit{"instanceId": "i2"}))
		f.settle()
		require.Equal(t, 200, f.do("ours", "PUT", "/apps/APP/i2/status?value=OUT_OF_SERVICE"))
		f.settle()
		before := f.agree()
		f.stop("ours")
		f.start("ours")
		f.settle()
		assert.Equal(t, before, f.agree())

		f.stop(foreign)
		rest(55 * time.Second)
		assert.False(t, f.members["ours"].Peers()[0].Reachable, "without any news for it")
		f.start(foreign)
		rest(6 * time.Second)
		assert.Equal(t, before, f.agree(), "nor any since")

		f.stop(foreign)
		require.Equal(t, 200, f.do("ours", "PUT", "/apps/APP/i1"))
		require.Equal(t, 200, f.do("ours", "PUT", "/apps/APP/i2"))
		time.Sleep(31 * time.Second)
		require.Equal(t, 200, f.do("ours", "PUT", "/apps/APP/i1"))
		require.Equal(t, 200, f.do("ours", "PUT", "/apps/APP/i2"))
		f.start(foreign)
		rest(6 * time.Second)
		assert.Equal(t, before, f.agree())
	})
}

// What a server of another kind says late does not bring back what is gone,
// but what it learns anew does.
func TestStragglersOfAnotherKind(t *testing.T) {
	bubbleMixed(t, func(t *testing.T, f *fleet) {
		send := func(dirty int64) int {
			w := serve(t.Context(), f.members["ours"].Server, "POST", "/peerreplication/batch",
				`{"replicationList":[`+item("Register", "APP", "i1", dirty, "", edit{"lastDirtyTimestamp": dirty})+`]}`)
			list, err := wire.UnmarshalResults(w.Body.Bytes())
			require.NoError(t, err)
			return list[0].Code
		}
		for wait, want := range map[time.Duration]int{0: 404, 29 * time.Second: 404, 30 * time.Second: 200} {
			require.Equal(t, 204, f.do("ours", "POST", "/apps/APP"))
			f.settle()
			require.Equal(t, 200, f.do("ours", "DELETE", "/apps/APP/i1"))
			rest(wait)
			assert.Equal(t, want, send(t0), wait)
			assert.Equal(t, 200, send(t0+1), "a new one")
			assert.Equal(t, 200, f.do("ours", "GET", "/apps/APP/i1"))
			require.Equal(t, 200, f.do("ours", "DELETE", "/apps/APP/i1"))
			rest(time.Minute)
		}
	})
}
