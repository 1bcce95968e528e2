package eurekaserver

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

func registryForTest(t *testing.T) *registry {
	s := New()
	t.Cleanup(s.Close)
	return s.registry
}

func instanceForTest(app, id string) wire.Instance {
	return wire.Instance{
		InstanceID: id, App: app, HostName: "h", IPAddr: "10.0.0.1", Status: wire.Up, OverriddenStatus: wire.Unknown,
		DataCenter: wire.DataCenter{Name: wire.MyOwn}, Lease: wire.Lease{RenewalInterval: 30, Duration: 90},
	}
}

func readDocument(t *testing.T, d *document) wire.Applications {
	t.Helper()
	data, err := d.bytes(wire.JSON, false)
	require.NoError(t, err)
	apps, err := wire.UnmarshalApplications(data, wire.JSON)
	require.NoError(t, err)
	return apps
}

// What has been handed out shows the state at that time, even if it is encoded
// after all kinds of changes.
func TestDocumentsDoNotChange(t *testing.T) {
	r := registryForTest(t)
	for i := range 5 {
		r.register(instanceForTest("APP", fmt.Sprint("i", i)), false)
	}
	r.register(instanceForTest("LAST", "i"), false)
	full, rev := r.full()
	recent, _ := r.recent()
	since, _, whole := r.since(rev - 2)
	require.False(t, whole)
	one, _ := r.application("APP")

	r.cancel(key{"APP", "i0"})
	r.setOverride(key{"APP", "i1"}, wire.Down, 0)
	r.register(instanceForTest("APP", "i00"), false)
	r.register(instanceForTest("NEW", "i"), false)
	r.cancel(key{"LAST", "i"})
	for range 1000 { // which makes room in the change log several times
		r.register(instanceForTest("APP", "i2"), false)
	}

	ids := func(apps wire.Applications) (ids []string) {
		for _, app := range apps.Applications {
			for i := range app.Instances {
				assert.Equal(t, wire.Up, app.Instances[i].Status)
				ids = append(ids, app.Name+"/"+app.Instances[i].ID())
			}
		}
		return ids
	}
	all := []string{"APP/i0", "APP/i1", "APP/i2", "APP/i3", "APP/i4", "LAST/i"}
	for _, d := range []*document{full, recent} {
		assert.Equal(t, all, ids(readDocument(t, d)))
		assert.Equal(t, "UP_6_", readDocument(t, d).Hash)
	}
	assert.Equal(t, all[4:], ids(readDocument(t, since)))
	data, err := one.bytes(wire.JSON)
	require.NoError(t, err)
	app, err := wire.UnmarshalApplication(data, wire.JSON)
	require.NoError(t, err)
	assert.Len(t, app.Instances, 5)

	now, _ := r.full()
	again, _ := r.full()
	assert.Same(t, now, again, "made once")
	assert.Equal(t, "DOWN_1_UP_5_", readDocument(t, now).Hash)
	assert.Equal(t, wire.HashOf(readDocument(t, now).Applications), readDocument(t, now).Hash)
}

// An instance that does not change is encoded once, whatever is asked for.
func TestInstancesAreEncodedOnce(t *testing.T) {
	r := registryForTest(t)
	r.register(instanceForTest("APP", "i1"), false)
	r.register(instanceForTest("APP", "i2"), false)
	full, _ := r.full()
	readDocument(t, full)
	before := full.sections()[0].records
	r.register(instanceForTest("APP", "i2"), false)
	full, _ = r.full()
	after := full.sections()[0].records
	assert.Same(t, before[0], after[0])
	assert.NotNil(t, after[0].encoded[wire.JSON].Load())
	assert.Nil(t, after[1].encoded[wire.JSON].Load())
	recent, _ := r.recent()
	assert.Same(t, after[1], recent.sections()[0].records[1], "lists and deltas share it")
}

func TestChangeLogIsBounded(t *testing.T) {
	now := time.Now()
	c := newChangeLog(time.Minute)
	rec := newRecord("i", instanceForTest("APP", "i"))
	var rev uint64
	add := func(id string, at time.Time) {
		rev++
		c.add(change{rev: rev, at: at, key: key{"APP", id}, rec: rec})
	}
	for range 10_000 {
		add("restless", now)
	}
	assert.LessOrEqual(t, len(c.changes), 2+64)
	assert.Zero(t, c.floor, "nothing has been lost")

	add("other", now.Add(30*time.Second))
	assert.True(t, c.prune(now.Add(time.Minute)))
	assert.EqualValues(t, 10_000, c.floor)
	assert.Len(t, c.after(c.floor), 1)
	assert.False(t, c.prune(now.Add(time.Minute)))
	assert.True(t, c.prune(now.Add(2*time.Minute)))
	assert.Nil(t, c.changes)
	assert.Empty(t, c.last)

	for i := range maxChanges + 100 {
		add(fmt.Sprint(i), now.Add(3*time.Minute))
	}
	assert.Len(t, c.last, maxChanges)
	assert.EqualValues(t, 10_001+100, c.floor)
	assert.Len(t, latest(c.after(c.floor))[0].records, maxChanges)
}

func TestRateLimitRemembersSoManyClients(t *testing.T) {
	now := time.Now()
	b := newBuckets(Rate{PerSecond: 1, Burst: 2})
	for range 2 {
		assert.Zero(t, b.take("busy", now))
	}
	assert.Equal(t, time.Second, b.take("busy", now))
	for i := range maxBuckets + 100 {
		assert.Zero(t, b.take(fmt.Sprint(i), now))
		assert.NotZero(t, b.take("busy", now), "who goes on is remembered")
	}
	assert.Equal(t, maxBuckets, b.recent.Len())
	assert.Len(t, b.byName, maxBuckets)
	assert.Zero(t, b.take("busy", now.Add(time.Second)))
	assert.Equal(t, 500*time.Millisecond, b.take("busy", now.Add(1500*time.Millisecond)))
	assert.Nil(t, newBuckets(Rate{}))
	assert.Equal(t, time.Hour, func() time.Duration {
		rare := newBuckets(Rate{PerSecond: 1e-300})
		rare.take("a", now)
		return rare.take("a", now)
	}())
}

func TestOverridesOfTheGoneAreBounded(t *testing.T) {
	r := registryForTest(t)
	now := time.Now()
	for i := range maxOverrides {
		r.overrides[key{"APP", fmt.Sprint(i)}] = override{wire.Down, now.Add(time.Hour)}
	}
	r.overrides[key{"APP", "gone"}] = override{status: wire.Down}
	r.keepOverride(key{"APP", "gone"}, now)
	assert.Len(t, r.overrides, maxOverrides)
	delete(r.overrides, key{"APP", "0"})
	r.overrides[key{"APP", "gone"}] = override{status: wire.Down}
	r.keepOverride(key{"APP", "gone"}, now)
	assert.Contains(t, r.overrides, key{"APP", "gone"})
}
