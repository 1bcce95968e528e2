package balancer_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
)

var version2 = balancer.Metadata(map[string]string{"version": "2"})

func TestMetadata(t *testing.T) {
	want := map[string]string{"version": "2", "track": ""}
	match := balancer.Metadata(want)
	want["version"] = "3" // changes nothing
	for _, c := range []struct {
		metadata map[string]string
		want     bool
	}{
		{nil, false},
		{map[string]string{"version": "2"}, false},
		{map[string]string{"version": "2", "track": ""}, true},
		{map[string]string{"version": "2", "track": "", "more": "x"}, true},
		{map[string]string{"version": "3", "track": ""}, false},
		{map[string]string{"VERSION": "2", "track": ""}, false},
	} {
		assert.Equal(t, c.want, match(discovery.Instance{Metadata: c.metadata}), "%v", c.metadata)
	}
	assert.True(t, balancer.Metadata(nil)(discovery.Instance{}))
}

func TestFilterNeverLeavesWhatMatches(t *testing.T) {
	es := mixed(new(balancer.Service), 12) // 6 of each version
	p := balancer.Filter(version2, balancer.RoundRobin)(setOf(es))
	counts := tally(t, p, 60)
	for _, e := range es[6:] {
		assert.Equal(t, 10, counts[e])
	}
	assert.Equal(t, es[8], pick(t, p, es[6], es[7], es[9], es[10], es[11]))
	assert.Equal(t, "2", pick(t, p, es[6:]...).Instance().Metadata["version"])
}

func TestFilterThatNothingMatches(t *testing.T) {
	es := mixed(new(balancer.Service), 12)
	for _, set := range []balancer.Set{{Available: es[:6], All: es}, {Available: es[:6]}} {
		p := balancer.Filter(version2, balancer.Random)(set)
		_, err := p.Pick(balancer.PickInfo{})
		require.ErrorIs(t, err, balancer.ErrNoEndpoints)
		assert.EqualError(t, err, "balancer: no endpoints: of 6 available, none matches the filter")
		assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = p.Pick(balancer.PickInfo{}) }))
	}
}

// A group that has nothing which matches hands the call to one that has.
func TestFilterWithinGroups(t *testing.T) {
	es := mixed(new(balancer.Service), 18)
	home := func(in discovery.Instance) bool { return in.Zone != "zone-1" }
	p := balancer.ZoneAware(balancer.ZoneConfig{Zone: "zone-1"}, balancer.Filter(home, balancer.Random))(setOf(es))
	assert.Len(t, tally(t, p, 2000), 12)
	none := balancer.ZoneAware(balancer.ZoneConfig{Zone: "zone-1"}, balancer.Filter(func(discovery.Instance) bool { return false }, balancer.Random))
	_, err := none(setOf(es)).Pick(balancer.PickInfo{Tried: es[:1]})
	assert.ErrorIs(t, err, balancer.ErrNoEndpoints)
}

func TestPreferLeavesWhatMatchesOnlyForRetries(t *testing.T) {
	es := mixed(new(balancer.Service), 12)
	prefer := balancer.Prefer(version2, balancer.RoundRobin)
	p := prefer(setOf(es))
	assert.Len(t, tally(t, p, 60), 6)
	assert.Equal(t, es[8], pick(t, p, es[6], es[7], es[9], es[10], es[11]))
	assert.Len(t, tally(t, p, 600, es[6:]...), 6)

	p = prefer(balancer.Set{Available: es[:7], All: es})
	assert.Len(t, tally(t, p, 60), 1, "one is enough")
	p = prefer(balancer.Set{Available: es[:6], All: es})
	assert.Len(t, tally(t, p, 60), 6, "none is not")
}

func TestFilterHandsOnWhatIsListed(t *testing.T) {
	es := mixed(new(balancer.Service), 12)
	var sets []balancer.Set
	balancer.Filter(version2, seen(&sets))(balancer.Set{Available: es[3:9], All: es})
	assert.Equal(t, []balancer.Set{{Available: es[6:9], All: es[6:]}}, sets)
}
