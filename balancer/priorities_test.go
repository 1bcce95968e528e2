package balancer_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
)

// levels is a set by priority: so many endpoints, of which so many are
// available.
type levels []struct {
	priority       uint32
	all, available int
}

func (l levels) set(service *balancer.Service) (set balancer.Set) {
	for i, level := range l {
		for k := range level.all {
			e := service.NewEndpoint(discovery.Instance{Addr: fmt.Sprintf("%d-%03d:80", i, k), Priority: level.priority})
			set.All = append(set.All, e)
			if k < level.available {
				set.Available = append(set.Available, e)
			}
		}
	}
	return set
}

func TestPrioritiesShares(t *testing.T) {
	for _, c := range []struct {
		name   string
		levels levels
		factor float64
		want   []float64
	}{
		// Envoy's table.
		{"72", levels{{0, 100, 72}, {1, 100, 100}}, 0, []float64{1, 0}},
		{"71", levels{{0, 100, 71}, {1, 100, 100}}, 0, []float64{0.99, 0.01}},
		{"50", levels{{0, 100, 50}, {1, 100, 100}}, 0, []float64{0.70, 0.30}},
		{"25", levels{{0, 100, 25}, {1, 100, 100}}, 0, []float64{0.35, 0.65}},
		{"0", levels{{0, 100, 0}, {1, 100, 100}}, 0, []float64{0, 1}},
		{"three levels", levels{{0, 100, 25}, {1, 100, 25}, {2, 100, 100}}, 0, []float64{0.35, 0.35, 0.30}},
		{"the third unused", levels{{0, 100, 50}, {1, 100, 50}, {2, 100, 100}}, 0, []float64{0.70, 0.30, 0}},
		{"percent, not endpoints", levels{{0, 2, 1}, {1, 100, 100}}, 0, []float64{0.70, 0.30}},

		{"any numbers, lower first", levels{{9, 10, 10}, {3, 10, 5}, {4_000_000_000, 10, 10}}, 0, []float64{0.30, 0.70, 0}},
		{"one level", levels{{5, 10, 4}}, 0, []float64{1}},
		{"no overprovisioning", levels{{0, 100, 72}, {1, 100, 100}}, 1, []float64{0.72, 0.28}},
		{"less counts as none", levels{{0, 100, 72}, {1, 100, 100}}, 0.1, []float64{0.72, 0.28}},
		{"double", levels{{0, 100, 49}, {1, 100, 100}}, 2, []float64{0.98, 0.02}},

		// Too little is left. For levels of the same size Envoy has the same.
		{"panic: 25, 25", levels{{0, 100, 25}, {1, 100, 25}}, 0, []float64{0.50, 0.50}},
		{"panic: 5, 65", levels{{0, 100, 5}, {1, 100, 65}}, 0, []float64{5.0 / 70, 65.0 / 70}},
		{"panic: nothing left, but for one", levels{{0, 1000, 0}, {1, 1000, 1}}, 0, []float64{0, 1}},
		// Envoy: 14 % to one endpoint in ten, or to the nine ejected as well.
		{"panic of a small level", levels{{0, 10, 1}, {1, 100, 59}}, 0, []float64{1.0 / 60, 59.0 / 60}},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := c.levels.set(newVirtual(1).Service)
			p := balancer.Priorities(balancer.PriorityConfig{Overprovisioning: c.factor}, balancer.Random)(set)
			counts := make(map[uint32]int)
			for e, n := range tally(t, p, 20_000) {
				counts[e.Instance().Priority] += n
			}
			for i, l := range c.levels {
				within(t, c.want[i], counts[l.priority], 20_000, "priority %d", l.priority)
			}
		})
	}
}

func TestPrioritiesRetriesGoDown(t *testing.T) {
	set := levels{{0, 2, 2}, {1, 2, 2}, {2, 1, 1}}.set(newVirtual(2).Service)
	p := balancer.Priorities(balancer.PriorityConfig{}, balancer.RoundRobin)(set)
	var tried []*balancer.Endpoint
	var priorities []uint32
	for range set.All {
		e := pick(t, p, tried...)
		tried = append(tried, e)
		priorities = append(priorities, e.Instance().Priority)
	}
	assert.Equal(t, []uint32{0, 0, 1, 1, 2}, priorities)
}

func TestPrioritiesHandOnWhatIsListed(t *testing.T) {
	var sets []balancer.Set
	set := levels{{0, 10, 5}, {1, 10, 9}}.set(newVirtual(3).Service)
	balancer.Priorities(balancer.PriorityConfig{}, seen(&sets))(set)
	assert.Equal(t, []balancer.Set{
		{Available: set.Available[:5], All: set.All[:10]},
		{Available: set.Available[5:], All: set.All[10:]},
	}, sets)
}
