package balancer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
)

// A clock stands still until it is moved, and chance is the same each time.
type clock struct {
	now  time.Duration
	seed uint64
}

func (c *clock) config() balancer.ServiceConfig {
	return balancer.ServiceConfig{Now: func() time.Duration { return c.now }, Rand: c.rand}
}

// rand is splitmix64.
func (c *clock) rand() uint64 {
	c.seed += 0x9E3779B97F4A7C15
	z := c.seed
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// fleet returns the endpoints of a service.
func fleet(cfg balancer.ServiceConfig, n int) []*balancer.Endpoint {
	service := balancer.NewService(cfg)
	es := make([]*balancer.Endpoint, n)
	for i := range es {
		es[i] = service.NewEndpoint(discovery.Instance{Addr: addr(i)})
	}
	return es
}

// shares returns how many of 1200 picks each endpoint gets.
func shares(t *testing.T, p balancer.Picker, es []*balancer.Endpoint) []float64 {
	t.Helper()
	counts := make(map[*balancer.Endpoint]float64)
	for range 1200 {
		counts[pick(t, p)]++
	}
	list := make([]float64, len(es))
	for i, e := range es {
		list[i] = counts[e]
	}
	return list
}

// A round robin by weights is exact but for a round.
const round = 4

func TestWeightedByUtilization(t *testing.T) {
	for _, c := range []struct {
		name    string
		cfg     balancer.WeightedByUtilizationConfig
		reports []balancer.Report
		want    []float64
	}{
		{"by efficiency", balancer.WeightedByUtilizationConfig{}, []balancer.Report{
			{Rate: 100, Utilization: 0.5}, {Rate: 100, Utilization: 0.25}, {Rate: 50, Utilization: 0.25},
		}, []float64{300, 600, 300}},
		{"unknown is the mean", balancer.WeightedByUtilizationConfig{}, []balancer.Report{
			{Rate: 100, Utilization: 0.5}, {}, {Rate: 300, Utilization: 0.5},
		}, []float64{200, 400, 600}},
		{"no utilization is no report", balancer.WeightedByUtilizationConfig{}, []balancer.Report{
			{Rate: 100, Utilization: 0.5}, {Rate: 1000}, {Rate: 300, Utilization: 0.5},
		}, []float64{200, 400, 600}},
		{"no rate is no report", balancer.WeightedByUtilizationConfig{}, []balancer.Report{
			{Rate: 100, Utilization: 0.5}, {Utilization: 2}, {Rate: 300, Utilization: 0.5},
		}, []float64{200, 400, 600}},
		{"one known is round robin", balancer.WeightedByUtilizationConfig{}, []balancer.Report{
			{Rate: 100, Utilization: 0.5}, {}, {},
		}, []float64{400, 400, 400}},
		{"above 1", balancer.WeightedByUtilizationConfig{}, []balancer.Report{
			{Rate: 100, Utilization: 1}, {Rate: 100, Utilization: 2}, {Rate: 100, Utilization: 2},
		}, []float64{600, 300, 300}},
		{"errors are utilization", balancer.WeightedByUtilizationConfig{}, []balancer.Report{
			{Rate: 100, Utilization: 0.5}, {Rate: 100, Utilization: 0.5, Errors: 50}, {Rate: 100, Utilization: 0.5, Errors: 50},
		}, []float64{600, 300, 300}},
		{"errors count double", balancer.WeightedByUtilizationConfig{ErrorPenalty: 2}, []balancer.Report{
			{Rate: 100, Utilization: 0.5}, {Rate: 100, Utilization: 0.5, Errors: 25}, {Rate: 100, Utilization: 0.5, Errors: 25},
		}, []float64{600, 300, 300}},
		{"errors do not count", balancer.WeightedByUtilizationConfig{ErrorPenalty: -1}, []balancer.Report{
			{Rate: 100, Utilization: 0.5}, {Rate: 100, Utilization: 0.5, Errors: 50}, {Rate: 100, Utilization: 0.5, Errors: 50},
		}, []float64{400, 400, 400}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := clock{now: time.Hour}
			es := fleet(clock.config(), 3)
			p := balancer.WeightedByUtilization(c.cfg)(setOf(es))
			for range 2 { // the second ends the blackout
				for i, r := range c.reports {
					es[i].Report(r)
				}
				clock.now += 10 * time.Second
			}
			assert.InDeltaSlice(t, c.want, shares(t, p, es), round)
		})
	}
}

// The schedule follows reports within the update period, and not before.
func TestWeightsOverTime(t *testing.T) {
	clock := clock{now: time.Hour}
	es := fleet(clock.config(), 2)
	p := balancer.WeightedByUtilization(balancer.WeightedByUtilizationConfig{})(setOf(es))
	equal, weighted, reversed := []float64{600, 600}, []float64{900, 300}, []float64{300, 900}
	report := func(a, b float64) {
		es[0].Report(balancer.Report{Rate: a, Utilization: 0.5})
		es[1].Report(balancer.Report{Rate: b, Utilization: 0.5})
	}
	at := func(d time.Duration, want []float64, because string) {
		t.Helper()
		clock.now = time.Hour + d
		assert.InDeltaSlice(t, want, shares(t, p, es), round, because)
	}
	report(300, 100)
	at(9900*time.Millisecond, equal, "blackout")
	at(10800*time.Millisecond, equal, "not reckoned anew yet")
	at(10900*time.Millisecond, weighted, "blackout over")
	report(100, 300)
	at(11800*time.Millisecond, weighted, "not reckoned anew yet")
	at(11900*time.Millisecond, reversed, "new weights")
	at(190*time.Second, reversed, "nearly expired")
	at(191*time.Second, equal, "expired, 3 min after the last report")
	report(300, 100)
	at(200*time.Second, equal, "the blackout begins anew")
	at(210*time.Second, weighted, "and ends")
	for d := 211 * time.Second; d < 10*time.Minute; d += time.Minute {
		clock.now = time.Hour + d
		report(100, 300)
	}
	at(10*time.Minute, reversed, "no blackout where reports go on")
}

// A picker for a new set begins with what is known.
func TestWeightsOutliveThePicker(t *testing.T) {
	clock := clock{now: time.Hour}
	es := fleet(clock.config(), 2)
	policy := balancer.WeightedByUtilization(balancer.WeightedByUtilizationConfig{Blackout: -1})
	policy(setOf(es))
	es[0].Report(balancer.Report{Rate: 300, Utilization: 0.5})
	es[1].Report(balancer.Report{Rate: 100, Utilization: 0.5})
	assert.InDeltaSlice(t, []float64{900, 300}, shares(t, policy(setOf(es)), es), round)
}

// Three servers differ in capacity. Whatever the shares they begin with, one
// update has all at the same utilization, and it stays there.
func TestWeightsConvergeOnEqualUtilization(t *testing.T) {
	clock := clock{now: time.Hour}
	es := fleet(clock.config(), 3)
	p := balancer.WeightedByUtilization(balancer.WeightedByUtilizationConfig{Blackout: -1})(setOf(es))
	capacity := []float64{1000, 2000, 4000} // calls per second
	for step := range 5 {
		var used []float64
		for i, got := range shares(t, p, es) { // 1200 calls per second
			used = append(used, got/capacity[i])
			es[i].Report(balancer.Report{Rate: got, Utilization: got / capacity[i]})
		}
		if step > 0 {
			assert.InDeltaSlice(t, []float64{1.2 / 7, 1.2 / 7, 1.2 / 7}, used, 0.005, "step %d", step)
		}
		clock.now += time.Second
	}
}

// One pick in a period reckons anew; the others allocate nothing.
func TestWeightsAreReckonedByOnePick(t *testing.T) {
	clock := clock{now: time.Hour}
	es := fleet(clock.config(), 5)
	p := balancer.WeightedByUtilization(balancer.WeightedByUtilizationConfig{Update: time.Nanosecond})(setOf(es)) // 100 ms
	require.Zero(t, testing.AllocsPerRun(100, func() { pick(t, p) }))
	picks := 0
	allocs := testing.AllocsPerRun(99, func() {
		if picks++; picks%10 == 0 {
			clock.now += 100 * time.Millisecond
		}
		pick(t, p)
	})
	assert.LessOrEqual(t, allocs, 1., "three in one of ten")
}

// A report that is of no use neither takes the place of one that is, nor keeps
// it from expiring.
func TestReportsOfNoUse(t *testing.T) {
	clock := clock{now: time.Hour}
	es := fleet(clock.config(), 2)
	p := balancer.WeightedByUtilization(balancer.WeightedByUtilizationConfig{Blackout: -1})(setOf(es))
	es[0].Report(balancer.Report{Rate: 300, Utilization: 0.5})
	es[1].Report(balancer.Report{Rate: 100, Utilization: 0.5})
	clock.now += time.Minute
	es[0].Report(balancer.Report{Rate: 1000})
	es[1].Report(balancer.Report{Utilization: 0.1})
	assert.InDeltaSlice(t, []float64{900, 300}, shares(t, p, es), round)
	clock.now += 2 * time.Minute
	assert.InDeltaSlice(t, []float64{600, 600}, shares(t, p, es), round)
}
