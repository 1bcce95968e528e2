package balancer_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
)

// zones is a set by zone: so many endpoints, of which so many are available.
type zones map[string]struct{ all, available int }

func (z zones) set(service *balancer.Service) (set balancer.Set) {
	for name, n := range z {
		for i := range n.all {
			e := service.NewEndpoint(discovery.Instance{Addr: fmt.Sprintf("%s-%03d:80", name, i), Zone: name})
			set.All = append(set.All, e)
			if i < n.available {
				set.Available = append(set.Available, e)
			}
		}
	}
	byKey := func(a, b *balancer.Endpoint) int { return cmp.Compare(a.Key(), b.Key()) }
	slices.SortFunc(set.All, byKey)
	slices.SortFunc(set.Available, byKey)
	return set
}

func picksByZone(t *testing.T, p balancer.Picker, picks int) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for e, n := range tally(t, p, picks) {
		counts[e.Instance().Zone] += n
	}
	return counts
}

func TestZoneAwareShares(t *testing.T) {
	clients := func(shares map[string]float64) func() map[string]float64 {
		return func() map[string]float64 { return shares }
	}
	for _, c := range []struct {
		name  string
		zones zones
		cfg   balancer.ZoneConfig
		want  map[string]float64
	}{
		// Clients are taken to be spread as endpoints are.
		{name: "all is well", zones: zones{"a": {10, 10}, "b": {10, 10}}, want: map[string]float64{"a": 1}},
		{name: "small zone", zones: zones{"a": {1, 1}, "b": {10, 10}}, want: map[string]float64{"a": 1}},
		{name: "others ill", zones: zones{"a": {10, 10}, "b": {10, 1}}, want: map[string]float64{"a": 1}},
		{name: "above 1/1.4", zones: zones{"a": {100, 72}, "b": {100, 100}}, want: map[string]float64{"a": 1}},
		{name: "below 1/1.4", zones: zones{"a": {100, 50}, "b": {100, 100}}, want: map[string]float64{"a": 0.7, "b": 0.3}},
		{name: "none left", zones: zones{"a": {10, 0}, "b": {10, 10}, "c": {20, 20}}, want: map[string]float64{"b": 1.0 / 3, "c": 2.0 / 3}},
		// c spares 1.4·8 - 10 = 1.2, and b 4: what a misses, 30 %, goes there 4 to 1.2.
		{name: "by what others spare", zones: zones{"a": {10, 5}, "b": {10, 10}, "c": {10, 8}},
			want: map[string]float64{"a": 0.7, "b": 0.3 * 4 / 5.2, "c": 0.3 * 1.2 / 5.2}},
		// All zones are short: 12 of 20 for 20 are 1.67 times the nominal load
		// each, and 4 bear 6.67 of 10.
		{name: "all short", zones: zones{"a": {10, 4}, "b": {10, 8}}, want: map[string]float64{"a": 2.0 / 3, "b": 1.0 / 3}},
		{name: "factor", zones: zones{"a": {10, 8}, "b": {10, 10}}, cfg: balancer.ZoneConfig{Overprovisioning: 0.5}, want: map[string]float64{"a": 8.0 / 9, "b": 1.0 / 9}},

		// Envoy: clients 50/50, endpoints 25/75.
		{name: "clients known", zones: zones{"a": {5, 5}, "b": {15, 15}}, cfg: balancer.ZoneConfig{Clients: clients(map[string]float64{"a": 50, "b": 50})},
			want: map[string]float64{"a": 0.5, "b": 0.5}},
		{name: "clients few", zones: zones{"a": {5, 5}, "b": {15, 15}}, cfg: balancer.ZoneConfig{Clients: clients(map[string]float64{"a": 1, "b": 4})},
			want: map[string]float64{"a": 1}},
		{name: "clients elsewhere only", zones: zones{"a": {5, 5}, "b": {15, 15}}, cfg: balancer.ZoneConfig{Clients: clients(map[string]float64{"b": 4})},
			want: map[string]float64{"a": 1}},
		{name: "clients without a zone of their own", zones: zones{"a": {5, 5}, "b": {15, 15}}, cfg: balancer.ZoneConfig{Clients: clients(map[string]float64{"a": 1, "x": 1})},
			want: map[string]float64{"a": 0.5, "b": 0.5}},
		// Residuals: b 0.5 - 0.2, c 0.3 - 0.2.
		{name: "clients and three zones", zones: zones{"a": {4, 4}, "b": {10, 10}, "c": {6, 6}}, cfg: balancer.ZoneConfig{Clients: clients(map[string]float64{"a": 6, "b": 2, "c": 2})},
			want: map[string]float64{"a": 1.0 / 3, "b": 2.0 / 3 * 0.75, "c": 2.0 / 3 * 0.25}},
		{name: "clients unknown after all", zones: zones{"a": {10, 10}, "b": {30, 30}}, cfg: balancer.ZoneConfig{Clients: clients(map[string]float64{"a": math.NaN(), "b": -1})},
			want: map[string]float64{"a": 1}},

		// Zones are not looked at.
		{name: "zone unknown", zones: zones{"a": {10, 10}, "b": {10, 10}}, cfg: balancer.ZoneConfig{Zone: "-"}, want: map[string]float64{"a": 0.5, "b": 0.5}},
		{name: "zone of another case", zones: zones{"a": {10, 10}, "A": {10, 10}}, want: map[string]float64{"a": 1}},
		{name: "zone without endpoints", zones: zones{"b": {10, 10}, "c": {30, 30}}, want: map[string]float64{"b": 0.25, "c": 0.75}},
		{name: "zone alone", zones: zones{"a": {10, 10}}, want: map[string]float64{"a": 1}},
		{name: "few endpoints", zones: zones{"a": {2, 2}, "b": {3, 3}}, want: map[string]float64{"a": 0.4, "b": 0.6}},
		{name: "few available", zones: zones{"a": {4, 2}, "b": {4, 3}}, want: map[string]float64{"a": 0.4, "b": 0.6}},
		{name: "six endpoints", zones: zones{"a": {2, 2}, "b": {4, 4}}, want: map[string]float64{"a": 1}},
		{name: "any number", zones: zones{"a": {1, 1}, "b": {1, 1}}, cfg: balancer.ZoneConfig{MinEndpoints: -1}, want: map[string]float64{"a": 1}},
		{name: "panic", zones: zones{"a": {10, 8}, "b": {10, 1}}, want: map[string]float64{"a": 8.0 / 9, "b": 1.0 / 9}},
		{name: "just no panic", zones: zones{"a": {10, 9}, "b": {10, 1}}, want: map[string]float64{"a": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			switch c.cfg.Zone {
			case "":
				c.cfg.Zone = "a"
			case "-":
				c.cfg.Zone = ""
			}
			set := c.zones.set(newVirtual(1).Service)
			counts := picksByZone(t, balancer.ZoneAware(c.cfg, balancer.Random)(set), 20_000)
			for zone := range c.zones {
				within(t, c.want[zone], counts[zone], 20_000, zone)
			}
		})
	}
}

// An endpoint of weight 10 counts for ten.
func TestZoneAwareWeighs(t *testing.T) {
	set := zones{"a": {5, 4}, "b": {5, 5}}.set(newVirtual(2).Service)
	in := set.All[4].Instance() // of zone a, ejected
	in.Weight = 4
	set.All[4].SetInstance(in)
	counts := picksByZone(t, balancer.ZoneAware(balancer.ZoneConfig{Zone: "a"}, balancer.Random)(set), 20_000)
	within(t, 1.4/2, counts["a"], 20_000) // 4 of 8 are left
}

// Each endpoint gets the same load when clients in all zones, as many as Clients
// says, follow the rule. That is the point of it.
func TestZoneAwareEvensTheLoad(t *testing.T) {
	share := map[string]float64{"a": 0.5, "b": 0.3, "c": 0.2}
	set := zones{"a": {10, 8}, "b": {10, 10}, "c": {20, 20}}.set(newVirtual(3).Service)
	load := make(map[*balancer.Endpoint]int)
	for zone, clients := range share {
		p := balancer.ZoneAware(balancer.ZoneConfig{Zone: zone, Clients: func() map[string]float64 { return share }}, balancer.RoundRobin)(set)
		for e, n := range tally(t, p, int(100_000*clients)) {
			load[e] += n
		}
	}
	for _, e := range set.Available {
		within(t, 1.0/38, load[e], 100_000)
	}
}

func TestZoneAwareRetriesGoElsewhereAtLast(t *testing.T) {
	set := zones{"a": {2, 2}, "b": {3, 3}, "c": {3, 3}}.set(newVirtual(4).Service)
	p := balancer.ZoneAware(balancer.ZoneConfig{Zone: "a"}, balancer.LeastRequest)(set)
	first := pick(t, p)
	second := pick(t, p, first)
	assert.Equal(t, "a", first.Instance().Zone)
	assert.Equal(t, "a", second.Instance().Zone)
	counts := tally(t, p, 6000, first, second)
	require.Len(t, counts, 6)
	for _, n := range counts {
		within(t, 1.0/6, n, 6000)
	}
}

// What is within gets the set of its zone, to weigh that again.
func TestZoneAwareHandsOnWhatIsListed(t *testing.T) {
	var sets []balancer.Set
	set := zones{"a": {10, 5}, "b": {10, 9}}.set(newVirtual(5).Service)
	balancer.ZoneAware(balancer.ZoneConfig{Zone: "a"}, seen(&sets))(set)
	assert.Equal(t, []balancer.Set{
		{Available: set.Available[:5], All: set.All[:10]},
		{Available: set.Available[5:], All: set.All[10:]},
	}, sets)
}
