package eureka_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// Whatever is listed and changed, a set can be yielded as it is, and a delta
// that is applied again changes nothing.
func FuzzRegistry(f *testing.F) {
	full, err := wire.MarshalApplications(wire.Applications{Applications: grouped([]wire.Instance{up("A", 1), up("A", 2), up("B", 1)})}, wire.JSON)
	require.NoError(f, err)
	f.Add(full, full)
	f.Add(full, []byte(`{"applications":{"application":{"name":"a","instance":[{"instanceId":"a-1","app":"A","status":"UP","actionType":"DELETED"}]}}}`))
	f.Add([]byte(`{"applications":{"application":[{"name":"X","instance":[
		{"instanceId":"Y/1","app":"X","ipAddr":"h","status":"UP","vipAddress":"a","port":{"$":1,"@enabled":"true"}},
		{"instanceId":"1","app":"X","ipAddr":"h","status":"UP","vipAddress":"a","port":{"$":1,"@enabled":"true"}}]},
		{"name":"Y","instance":{"instanceId":"1","app":"Y","ipAddr":"h","status":"UP","vipAddress":"b, A","port":{"$":1,"@enabled":"true"}}}]}}`), full)
	f.Fuzz(func(t *testing.T, full, delta []byte) {
		all, err := wire.UnmarshalApplications(full, wire.JSON)
		if err != nil {
			return
		}
		changes, err := wire.UnmarshalApplications(delta, wire.JSON)
		if err != nil {
			return
		}
		before := eureka.Set("a", all)
		for _, set := range [][]discovery.Instance{before, eureka.Set("a", all, changes)} {
			_, err := discovery.CleanSet(set)
			require.NoError(t, err)
		}
		once, twice := eureka.Set("a", all, changes), eureka.Set("a", all, changes, changes)
		require.True(t, slices.EqualFunc(once, twice, discovery.Instance.Equal))
	})
}

func TestCopiesOfOneIDInSeveralApplications(t *testing.T) {
	apps := wire.Applications{Applications: grouped([]wire.Instance{up("X", 1), up("Y", 1), up("Z", 1)})}
	for i := range apps.Applications {
		in := &apps.Applications[i].Instances[0]
		in.InstanceID, in.VIPAddress = "h", "shop"
	}
	apps.Applications[0].Instances[0].InstanceID = "Z/h"
	var ids []string
	for _, in := range eureka.Set("shop", apps) {
		ids = append(ids, in.ID)
	}
	assert.Equal(t, []string{"Z/Z/h", "Z/h", "h"}, ids)
}

// Of an id that is there twice, the last word counts.
func TestOneIDTwice(t *testing.T) {
	list := func(changes ...wire.Instance) wire.Applications {
		return wire.Applications{Applications: grouped(changes)}
	}
	again := with(up("ORDERS", 1), func(in *wire.Instance) { in.IPAddr = "192.0.2.9" })
	gone := with(up("ORDERS", 1), func(in *wire.Instance) { in.Action = wire.Deleted })
	odd := with(up("ORDERS", 1), func(in *wire.Instance) { in.Action, in.IPAddr = "", "192.0.2.99" })
	for _, c := range []struct {
		want   string
		deltas []wire.Applications
	}{
		{"orders-1 192.0.2.9:8080", nil},
		{"orders-1 192.0.2.1:8080", []wire.Applications{list(gone, up("ORDERS", 1), odd)}},
		{"", []wire.Applications{list(again, gone)}},
		{"", []wire.Applications{list(gone), list(gone, odd)}},
		{"orders-1 192.0.2.9:8080", []wire.Applications{list(gone), list(up("ORDERS", 1), gone, again)}},
	} {
		assert.Equal(t, c.want, brief(eureka.Set("orders", list(up("ORDERS", 1), again), c.deltas...)))
	}
}

// A delta of one instance in a registry of 10,000.
func BenchmarkDelta(b *testing.B) {
	var all []wire.Application
	for n := range 100 {
		app := wire.Application{Name: fmt.Sprintf("APP%d", n)}
		for i := range 100 {
			app.Instances = append(app.Instances, up(app.Name, i))
		}
		all = append(all, app)
	}
	changed := grouped([]wire.Instance{with(up("APP7", 3), func(in *wire.Instance) { in.Action = wire.Modified })})
	apply := eureka.Applier(all)
	b.ReportAllocs()
	for b.Loop() {
		apply(changed)
	}
}

// The same, where all copies are of one application.
func BenchmarkDeltaOfLargeApplication(b *testing.B) {
	app := wire.Application{Name: "APP7"}
	for i := range 10_000 {
		app.Instances = append(app.Instances, up(app.Name, i))
	}
	changed := grouped([]wire.Instance{with(up("APP7", 3), func(in *wire.Instance) { in.Action = wire.Modified })})
	apply := eureka.Applier([]wire.Application{app})
	b.ReportAllocs()
	for b.Loop() {
		apply(changed)
	}
}
