package eurekaserver_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

func TestReplication(t *testing.T) {
	bubbleFleet(t, three, func(t *testing.T, f *fleet) {
		f.settle()
		assert.Empty(t, f.agree())
		assert.Equal(t, 204, f.do("a", "POST", "/apps/APP"))
		rest(25 * time.Millisecond)
		assert.Equal(t, wire.Up, f.agree()["APP/i1"].Status)

		assert.Equal(t, 200, f.do("b", "PUT", "/apps/APP/i1/status?value=OUT_OF_SERVICE"))
		f.settle()
		assert.Equal(t, wire.OutOfService, f.agree()["APP/i1"].Status)
		assert.Equal(t, wire.OutOfService, f.agree()["APP/i1"].OverriddenStatus)
		assert.Equal(t, 200, f.do("c", "DELETE", "/apps/APP/i1/status?value=UP"))
		f.settle()
		assert.Equal(t, wire.Unknown, f.agree()["APP/i1"].OverriddenStatus)
		assert.Equal(t, 200, f.do("c", "PUT", "/apps/APP/i1/metadata?k=v"))
		f.settle()
		assert.Equal(t, map[string]string{"k": "v"}, f.agree()["APP/i1"].Metadata)
		assert.Equal(t, 200, f.do("b", "DELETE", "/apps/APP/i1"))
		f.settle()
		assert.Empty(t, f.agree())
		for _, name := range three {
			peers := f.members[name].Peers()
			require.Len(t, peers, 2, "itself is left out")
			for _, p := range peers {
				assert.Equal(t, eurekaserver.PeerNamesake, p.Kind)
				assert.True(t, p.Reachable)
				assert.Zero(t, p.Queue)
			}
		}
	})
}

// Case 66: what came from a peer is passed on to nobody.
func TestNothingIsForwardedTwice(t *testing.T) {
	config := eurekaserver.PeersConfig{ReconcileInterval: 24 * time.Hour} // which spreads everything
	bubbleFleetWith(t, three, config, func(t *testing.T, f *fleet) {
		f.settle()
		f.sent()
		require.Equal(t, 204, f.do("a", "POST", "/apps/APP"))
		require.Equal(t, 200, f.do("a", "PUT", "/apps/APP/i1/status?value=DOWN"))
		time.Sleep(time.Minute)
		assert.Equal(t, map[string]int{"b": 1, "c": 1}, f.sent(), "both together")

		a := f.members["a"].Server
		serve(t.Context(), a, "POST", "/apps/APP", body("APP", edit{"instanceId": "i2"}), "X-Netflix-Discovery-Replication", "true")
		serve(t.Context(), a, "PUT", "/apps/APP/i2/status?value=DOWN", "", "X-Netflix-Discovery-Replication", "true")
		serve(t.Context(), a, "PUT", "/apps/APP/i2/metadata?a=b", "", "X-Netflix-Discovery-Replication", "true")
		serve(t.Context(), a, "PUT", "/apps/APP/i2", "", "X-Netflix-Discovery-Replication", "true")
		serve(t.Context(), a, "DELETE", "/apps/APP/i2/status", "", "X-Netflix-Discovery-Replication", "true")
		serve(t.Context(), a, "DELETE", "/apps/APP/i2", "", "X-Netflix-Discovery-Replication", "true")
		serve(t.Context(), a, "POST", "/peerreplication/batch", `{"replicationList":[`+item("Heartbeat", "APP", "i1", 0, "")+`]}`)
		f.settle()
		assert.Empty(t, f.sent())
	})
}

// Case 68: a peer that has lost an instance gets it back with a heartbeat.
func TestHeartbeatRestoresAnInstance(t *testing.T) {
	bubbleFleet(t, []string{"a", "b"}, func(t *testing.T, f *fleet) {
		f.settle()
		require.Equal(t, 204, f.do("a", "POST", "/apps/APP"))
		f.settle()
		b := f.members["b"].Server
		require.Equal(t, 200, serve(t.Context(), b, "DELETE", "/apps/APP/i1", "", "X-Netflix-Discovery-Replication", "true").Code)
		time.Sleep(time.Millisecond)
		require.Equal(t, 204, f.do("a", "POST", "/apps/APP")) // it did not want to go
		f.settle()
		assert.Len(t, f.agree(), 1)
	})
}

// Case 69, also towards a server that knows no versions.
func TestQuickSuccession(t *testing.T) {
	for _, b := range []string{"b", foreign} {
		bubbleFleet(t, []string{"a", b}, func(t *testing.T, f *fleet) {
			dirty := func() any {
				if b != foreign {
					return t0
				}
				return nil // others take a registration with the same one for the old one
			}
			f.settle()
			for range 5 {
				for i, path := range []string{"/apps/APP", "/apps/APP/i1", "/apps/APP", "/apps/APP/i1", "/apps/APP"} {
					f.do("a", []string{"POST", "DELETE"}[i%2], path, edit{"lastDirtyTimestamp": dirty()})
					time.Sleep(7 * time.Millisecond)
				}
				rest(100 * time.Millisecond)
				assert.Len(t, f.agree(), 1)
				f.do("a", "DELETE", "/apps/APP/i1")
				rest(100 * time.Millisecond)
				assert.Empty(t, f.agree())
			}
		})
	}
}

// Case 70: an instance that talks all the time delays no other.
func TestNoisyClient(t *testing.T) {
	for _, b := range []string{"b", foreign} {
		bubbleFleet(t, []string{"a", b}, func(t *testing.T, f *fleet) {
			f.settle()
			require.Equal(t, 204, f.do("a", "POST", "/apps/APP"))
			f.settle()
			f.sent()
			stop := make(chan struct{})
			noise := make(chan struct{})
			go func() {
				defer close(noise)
				for {
					select {
					case <-stop:
						return
					default:
						f.do("a", "PUT", "/apps/APP/i1")
						time.Sleep(20 * time.Millisecond)
					}
				}
			}()
			for i := range 20 {
				id := fmt.Sprint("quiet", i)
				require.Equal(t, 204, f.do("a", "POST", "/apps/APP", edit{"instanceId": id}))
				rest(30 * time.Millisecond)
				assert.Equal(t, 200, f.do(b, "GET", "/apps/APP/"+id))
				time.Sleep(470 * time.Millisecond)
			}
			close(stop)
			<-noise
			assert.LessOrEqual(t, f.sent()[b], 20+10*4+20, "its heartbeats go together")
			assert.Len(t, f.agree(), 21)
		})
	}
}

// A cluster in two halves: what happens in both comes together as it was said
// last.
func TestPartition(t *testing.T) {
	bubbleFleet(t, three, func(t *testing.T, f *fleet) {
		f.settle()
		for _, id := range []string{"status", "removed", "canceled", "again", "data", "quiet"} {
			require.Equal(t, 204, f.do("a", "POST", "/apps/APP", edit{"instanceId": id}))
		}
		require.Equal(t, 200, f.do("a", "PUT", "/apps/APP/removed/status?value=OUT_OF_SERVICE"))
		f.settle()
		before := len(f.agree())
		f.part([]string{"a"}, []string{"b", "c"})

		require.Equal(t, 200, f.do("a", "PUT", "/apps/APP/status/status?value=DOWN"))
		time.Sleep(time.Second)
		require.Equal(t, 200, f.do("b", "PUT", "/apps/APP/status/status?value=OUT_OF_SERVICE"))
		require.Equal(t, 200, f.do("b", "DELETE", "/apps/APP/removed/status?value=UP"))
		time.Sleep(time.Second)
		require.Equal(t, 204, f.do("a", "POST", "/apps/APP", edit{"instanceId": "removed", "lastDirtyTimestamp": t0 + 1}))
		require.Equal(t, 200, f.do("a", "DELETE", "/apps/APP/canceled"))
		time.Sleep(time.Second)
		require.Equal(t, 200, f.do("b", "PUT", "/apps/APP/canceled/metadata?k=v"), "which is no sign of life")
		require.Equal(t, 200, f.do("c", "PUT", "/apps/APP/again/metadata?k=v"))
		require.Equal(t, 200, f.do("b", "DELETE", "/apps/APP/again"))
		time.Sleep(time.Second)
		require.Equal(t, 204, f.do("b", "POST", "/apps/APP", edit{"instanceId": "again", "lastDirtyTimestamp": t0 - 1, "hostName": "again"}), "a clock that is behind")
		require.Equal(t, 204, f.do("b", "POST", "/apps/APP", edit{"instanceId": "data", "lastDirtyTimestamp": t0 + 2, "hostName": "newer"}))
		require.Equal(t, 204, f.do("a", "POST", "/apps/APP", edit{"instanceId": "data", "lastDirtyTimestamp": t0 + 1, "hostName": "older"}))
		require.Equal(t, 204, f.do("b", "POST", "/apps/APP", edit{"instanceId": "new"}))
		time.Sleep(50 * time.Second)
		require.Equal(t, 200, f.do("c", "PUT", "/apps/APP/quiet"))
		for _, id := range []string{"status", "removed", "again", "data", "new"} {
			require.Equal(t, 200, f.do("b", "PUT", "/apps/APP/"+id))
		}
		time.Sleep(10 * time.Second)
		f.heal()
		rest(25 * time.Second)

		seen := f.agree()
		assert.Len(t, seen, before)
		assert.Equal(t, wire.OutOfService, seen["APP/status"].Status)
		assert.Equal(t, wire.OutOfService, seen["APP/status"].OverriddenStatus)
		assert.Equal(t, wire.Up, seen["APP/removed"].Status)
		assert.Equal(t, wire.Unknown, seen["APP/removed"].OverriddenStatus)
		assert.NotContains(t, seen, "APP/canceled")
		assert.Equal(t, "again", seen["APP/again"].HostName)
		assert.Equal(t, "newer", seen["APP/data"].HostName)
		assert.Contains(t, seen, "APP/new")

		// Nobody has renewed since: all leases end everywhere and nothing
		// comes back, however often the servers compare.
		time.Sleep(56 * time.Second)
		for range 20 {
			synctest.Wait()
			assert.Empty(t, f.agree())
			time.Sleep(10 * time.Second)
		}
	})
}

// A server that comes back empty has everything again before it serves lists,
// and leases end when they would have.
func TestRestart(t *testing.T) {
	bubbleFleet(t, three, func(t *testing.T, f *fleet) {
		f.settle()
		for i := range 600 { // more than a page
			require.Equal(t, 204, f.do("a", "POST", fmt.Sprintf("/apps/APP%d", i%7), edit{"instanceId": fmt.Sprint("i", i)}))
		}
		f.settle()
		require.Equal(t, 200, f.do("b", "PUT", "/apps/APP0/i0/status?value=OUT_OF_SERVICE"))
		require.Equal(t, 200, f.do("b", "DELETE", "/apps/APP1/i1"))
		f.settle()
		assert.Len(t, f.agree(), 599)
		time.Sleep(59400 * time.Millisecond)
		f.stop("c")
		f.start("c")
		assert.Equal(t, 403, f.do("c", "GET", "/apps"))
		rest(100 * time.Millisecond)
		assert.Equal(t, wire.OutOfService, f.agree()["APP0/i0"].Status)
		assert.Len(t, f.agree(), 599)
		rest(30900 * time.Millisecond)
		assert.Empty(t, f.agree(), "after 90 seconds, or 91, in all")
	}, eurekaserver.WithLogger(testLogger(t)), eurekaserver.WithSelfPreservation(eurekaserver.PreservationConfig{Off: true}))
}

// An empty peer in a cluster that starts as a whole holds nobody up, one that
// is out of reach does for the gate time.
func TestGate(t *testing.T) {
	bubbleFleet(t, three, func(t *testing.T, f *fleet) {
		for _, name := range three {
			assert.Equal(t, 403, f.do(name, "GET", "/apps"))
		}
		f.settle()
		for _, name := range three {
			assert.Equal(t, 200, f.do(name, "GET", "/apps"))
		}
		for _, name := range three {
			f.stop(name)
		}
		f.start("a")
		require.Equal(t, 204, f.do("a", "POST", "/apps/APP", edit{"vipAddress": "v"}))
		time.Sleep(30*time.Second - 1)
		for _, path := range []string{"/apps", "/apps/delta", "/apps/APP", "/vips/v", "/svips/v"} {
			for _, method := range []string{"GET", "HEAD"} {
				w := serve(t.Context(), f.members["a"].Server, method, path, "", "Prefer", "wait=60")
				assert.Equal(t, 403, w.Code, method+" "+path)
				assert.Empty(t, w.Body.String())
			}
		}
		for _, path := range []string{"/apps/APP/i1", "/instances/i1", "/status"} {
			assert.Equal(t, 200, f.do("a", "GET", path))
		}
		assert.Equal(t, 200, f.do("a", "PUT", "/apps/APP/i1"))
		rest(time.Nanosecond)
		for _, path := range []string{"/apps", "/apps/delta", "/apps/APP", "/vips/v", "/svips/v"} {
			assert.Equal(t, 200, f.do("a", "GET", path))
		}
		f.start("b")
		rest(10 * time.Millisecond)
		assert.Len(t, f.seen("b"), 1, "a is complete, and c not asked")
	}, eurekaserver.WithLogger(testLogger(t)))
}

// Of registrations without a timestamp the last one counts, whatever the clock
// of a server has made of an earlier one.
func TestTimestampsThatServersAssign(t *testing.T) {
	bubbleFleet(t, []string{"a", "b"}, func(t *testing.T, f *fleet) {
		f.settle()
		ahead := time.Now().Add(time.Hour).UnixMilli()
		require.Equal(t, 204, f.do("a", "POST", "/apps/APP", edit{"lastDirtyTimestamp": ahead}))
		f.settle()
		require.Equal(t, 204, f.do("b", "POST", "/apps/APP", edit{"lastDirtyTimestamp": nil, "hostName": "last"}))
		f.settle()
		assert.Equal(t, "last", f.agree()["APP/i1"].HostName)
		assert.Equal(t, ahead, f.agree()["APP/i1"].LastDirty)
	})
}
