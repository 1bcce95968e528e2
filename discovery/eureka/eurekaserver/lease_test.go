package eurekaserver_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

func ids(apps wire.Applications) (ids []string) {
	for _, app := range apps.Applications {
		for i := range app.Instances {
			ids = append(ids, app.Instances[i].ID())
		}
	}
	return ids
}

func TestLeaseEndsExactly(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP", lease(2))
		c.register("APP", lease(2), edit{"instanceId": "renewed"})
		c.register("APP", lease(90), edit{"instanceId": "long"})

		time.Sleep(1500 * time.Millisecond)
		require.Equal(t, 200, c.status("PUT", "/apps/APP/renewed"))

		time.Sleep(500*time.Millisecond - 1)
		assert.Equal(t, []string{"i1", "long", "renewed"}, ids(c.applications("/apps")))
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		assert.Equal(t, []string{"long", "renewed"}, ids(c.applications("/apps")))
		assert.Equal(t, 404, c.status("GET", "/apps/APP/i1"))
		assert.Equal(t, 404, c.status("PUT", "/apps/APP/i1"))

		time.Sleep(1500*time.Millisecond - 1)
		assert.Equal(t, []string{"long", "renewed"}, ids(c.applications("/apps")))
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		assert.Equal(t, []string{"long"}, ids(c.applications("/apps")))

		time.Sleep(86500 * time.Millisecond)
		synctest.Wait()
		assert.Empty(t, ids(c.applications("/apps")))
	})
}

func TestHeartbeatsKeepALease(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP", lease(3))
		start := time.Now()
		for range 20 {
			time.Sleep(2 * time.Second)
			require.Equal(t, 200, c.status("PUT", "/apps/APP/i1"))
		}
		in := c.instance("APP", "i1")
		assert.Equal(t, start.UnixMilli(), in.Lease.Registered)
		assert.Equal(t, time.Now().UnixMilli(), in.Lease.LastRenewal)
		assert.Zero(t, in.Lease.Evicted)
	})
}

func TestARenewedLeaseDoesNotHideAnother(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP", lease(10), edit{"instanceId": "first"})
		time.Sleep(time.Second)
		c.register("APP", lease(10), edit{"instanceId": "second"})
		time.Sleep(8 * time.Second)
		require.Equal(t, 200, c.status("PUT", "/apps/APP/first"))
		time.Sleep(2*time.Second - 1)
		assert.Equal(t, []string{"first", "second"}, ids(c.applications("/apps")))
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		assert.Equal(t, []string{"first"}, ids(c.applications("/apps")))
	})
}

func TestAShorterLeaseAfterALongerOne(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP", lease(90))
		c.register("APP", lease(5))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		assert.Equal(t, 404, c.status("GET", "/apps/APP/i1"))
	})
}

func TestRegisteringAgain(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		start := time.Now().UnixMilli()
		c.register("APP", edit{"status": "STARTING"})
		assert.Zero(t, c.instance("APP", "i1").Lease.ServiceUp)
		time.Sleep(time.Second)
		c.register("APP")
		time.Sleep(time.Second)
		c.register("APP")
		in := c.instance("APP", "i1")
		assert.Equal(t, start+2000, in.Lease.Registered)
		assert.Equal(t, start+2000, in.LastUpdated)
		assert.Equal(t, start+1000, in.Lease.ServiceUp)
	})
}

func TestEvictionIsInTheDelta(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		start := time.Now().UnixMilli()
		c.register("APP", lease(2))
		time.Sleep(3 * time.Second)
		entries := c.delta("APP")
		require.Len(t, entries, 1)
		assert.Equal(t, wire.Deleted, entries[0].Action)
		assert.Equal(t, start+2000, entries[0].LastUpdated)
		assert.Equal(t, start+2000, entries[0].Lease.Evicted)
		assert.Empty(t, c.applications("/apps/delta").Hash)
	})
}

func TestDeltaEntriesAge(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP", lease(3600))
		time.Sleep(time.Minute)
		c.register("APP", lease(3600), edit{"instanceId": "i2"})
		both := c.applications("/apps/delta")
		assert.Equal(t, []string{"i1", "i2"}, ids(both))

		time.Sleep(2*time.Minute - 1)
		assert.Equal(t, both, c.applications("/apps/delta"))
		time.Sleep(time.Nanosecond)
		one := c.applications("/apps/delta")
		assert.Equal(t, []string{"i2"}, ids(one))
		assert.NotEqual(t, both.Version, one.Version)
		assert.Equal(t, "UP_2_", one.Hash)

		time.Sleep(time.Minute)
		none := c.applications("/apps/delta")
		assert.Empty(t, ids(none))
		assert.NotEqual(t, one.Version, none.Version)
	})
}

func TestDeltaRetentionIsASetting(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP")
		time.Sleep(10*time.Second - 1)
		assert.Len(t, c.delta("APP"), 1)
		time.Sleep(time.Nanosecond)
		assert.Empty(t, c.delta("APP"))
	}, eurekaserver.WithDeltaRetention(10*time.Second))
}

func TestOverrideOutlivesAnEviction(t *testing.T) {
	for name, tt := range map[string]struct {
		away time.Duration
		want wire.Status
	}{
		"for its time":  {10*time.Minute - 1, wire.OutOfService},
		"and no longer": {10 * time.Minute, wire.Up},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
				c.register("APP", lease(30))
				require.Equal(t, 200, c.status("PUT", "/apps/APP/i1/status?value=OUT_OF_SERVICE"))
				time.Sleep(30 * time.Second)
				synctest.Wait()
				require.Equal(t, 404, c.status("GET", "/apps/APP/i1"))
				time.Sleep(tt.away)
				c.register("APP", lease(3600))
				assert.Equal(t, tt.want, c.instance("APP", "i1").Status)
				// Back with a lease it lives on with the lease.
				time.Sleep(30 * time.Minute)
				c.register("APP", lease(3600), edit{"status": "DOWN"})
				c.register("APP", lease(3600))
				assert.Equal(t, tt.want, c.instance("APP", "i1").Status)
			}, eurekaserver.WithOverrideRetention(10*time.Minute))
		})
	}
}

func TestIdsOfTwoApplications(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("ONE")
		c.register("TWO")
		require.Equal(t, 200, c.status("PUT", "/apps/ONE/i1/status?value=OUT_OF_SERVICE"))
		require.Equal(t, 200, c.status("PUT", "/apps/TWO/i1"))
		assert.Equal(t, wire.Up, c.instance("TWO", "i1").Status)
		require.Equal(t, 200, c.status("DELETE", "/apps/TWO/i1"))
		c.register("ONE")
		assert.Equal(t, wire.OutOfService, c.instance("ONE", "i1").Status)
	})
}

func TestNothingEndsAfterClose(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, s *eurekaserver.Server) {
		c.register("APP", lease(1))
		s.Close()
		s.Close()
		time.Sleep(time.Hour)
		assert.Equal(t, 503, c.do("GET", "/apps", "").status)
	}, eurekaserver.WithLogger(failOnEviction(t)))
}
