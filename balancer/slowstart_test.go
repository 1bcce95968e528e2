package balancer_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
)

// starting returns a service of ten endpoints, the last of which comes a minute
// after the others, and the picker of that moment.
func starting(cfg balancer.SlowStartConfig, next balancer.Policy) (*virtual, []*balancer.Endpoint, balancer.Picker) {
	v := newVirtual(1)
	es := mixed(v.Service, 10)
	policy := balancer.SlowStart(cfg, next)
	policy(setOf(es[:9]))
	v.now += time.Minute
	return v, es, policy(setOf(es))
}

// Of ten endpoints that are alike, one that is starting gets its share of a
// tenth: max(least, (t/window)^(1/aggression)).
func TestSlowStartShares(t *testing.T) {
	const window = 40 * time.Second
	for _, c := range []struct {
		aggression, least float64
		t                 time.Duration
		want              float64
	}{
		{0, 0, 0, 0.1}, // the defaults are 1 and 0.1
		{0, 0, window / 2, 0.5},
		{0, 0, window - 1, 1},
		{0, 0, window, 1},
		{0.5, -1, 0, 0},
		{0.5, -1, window / 2, 0.25},
		{0.5, -1, window, 1},
		{1, -1, 0, 0},
		{1, -1, window / 2, 0.5},
		{1, -1, window, 1},
		{2, -1, 0, 0},
		{2, -1, window / 2, 0.7071},
		{2, -1, window, 1},
		{2, 0, window / 400, 0.1},
		{-3, 0.2, 0, 0.2},
		{1, 7, 0, 1},
	} {
		v, es, p := starting(balancer.SlowStartConfig{Window: window, Aggression: c.aggression, MinShare: c.least}, balancer.Random)
		v.now += c.t
		counts := tally(t, p, 50_000)
		within(t, c.want/10, counts[es[9]], 50_000, "%+v", c)
		within(t, (1-c.want/10)/9, counts[es[0]], 50_000, "%+v", c)
	}
}

func TestSlowStartGoesByTheTimeOfThePick(t *testing.T) {
	v, es, p := starting(balancer.SlowStartConfig{}, balancer.RoundRobin)
	n := 0
	for range 20_000 {
		e, err := p.Pick(balancer.PickInfo{Now: v.now + balancer.DefaultSlowStartWindow/4})
		require.NoError(t, err)
		if e == es[9] {
			n++
		}
	}
	within(t, 0.25/10, n, 20_000)
}

// An idle endpoint is the least loaded of all, and gets no more than its share
// of that either: half of 2/10, as it is one of the two drawn so often.
func TestSlowStartHoldsForAPolicyThatLooksAtLoad(t *testing.T) {
	v, es, p := starting(balancer.SlowStartConfig{}, balancer.LeastRequest)
	v.now += balancer.DefaultSlowStartWindow / 2
	for _, e := range es[:9] {
		busy(e, 1)
	}
	within(t, 0.5*0.2, tally(t, p, 20_000)[es[9]], 20_000)
}

// All of that is measured right after the second set.
func TestSlowStartOfWhom(t *testing.T) {
	for _, c := range []struct {
		name  string
		first func(es []*balancer.Endpoint) balancer.Set
		after time.Duration
		held  []int // those that get a tenth of their share
	}{
		{"a first set", func([]*balancer.Endpoint) balancer.Set { return balancer.Set{} }, 0, nil},
		{"within the first second", func(es []*balancer.Endpoint) balancer.Set { return setOf(es[:5]) }, time.Second, nil},
		{"after the first second", func(es []*balancer.Endpoint) balancer.Set { return setOf(es[:8]) }, time.Second + 1, []int{8, 9}},
		{"back from ejection", func(es []*balancer.Endpoint) balancer.Set { return balancer.Set{Available: es[:8], All: es} }, time.Hour, []int{8, 9}},
		{"nobody new", setOf, time.Hour, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVirtual(1)
			es := mixed(v.Service, 10)
			policy := balancer.SlowStart(balancer.SlowStartConfig{}, balancer.Random)
			policy(c.first(es))
			v.now += c.after
			counts := tally(t, policy(setOf(es)), 50_000)
			for i, e := range es {
				held := float64(len(c.held))
				want := (1 - held*0.01) / (10 - held)
				if slices.Contains(c.held, i) {
					want = 0.01
				}
				within(t, want, counts[e], 50_000, "%d", i)
			}
		})
	}
}

// If all endpoints are new to a client that is not, nobody is held back.
func TestSlowStartOfAll(t *testing.T) {
	v := newVirtual(1)
	es := mixed(v.Service, 10)
	policy := balancer.SlowStart(balancer.SlowStartConfig{}, balancer.Random)
	policy(setOf(es[:5]))
	v.now += time.Minute
	for _, n := range tally(t, policy(setOf(es[5:])), 20_000) {
		within(t, 0.2, n, 20_000)
	}
}

// A rebuild does not begin a window anew; another ejection does.
func TestSlowStartWindow(t *testing.T) {
	v, es, _ := starting(balancer.SlowStartConfig{}, balancer.Random)
	policy := balancer.SlowStart(balancer.SlowStartConfig{}, balancer.Random)
	v.now += balancer.DefaultSlowStartWindow / 2
	within(t, 0.05, tally(t, policy(setOf(es)), 20_000)[es[9]], 20_000)
	policy(balancer.Set{Available: es[:9], All: es})
	p := policy(setOf(es))
	within(t, 0.01, tally(t, p, 20_000)[es[9]], 20_000)
	v.now += balancer.DefaultSlowStartWindow / 2
	within(t, 0.05, tally(t, p, 20_000)[es[9]], 20_000)
	v.now += balancer.DefaultSlowStartWindow / 2
	within(t, 0.1, tally(t, p, 20_000)[es[9]], 20_000)
}

// A retry takes one that is starting if it is the only one left.
func TestSlowStartGivesWayToRetries(t *testing.T) {
	_, es, p := starting(balancer.SlowStartConfig{}, balancer.LeastRequest)
	for range 100 {
		assert.Equal(t, es[9], pick(t, p, es[:9]...))
	}
}

// The same keys go to an endpoint that is starting, and more of them as time
// goes by.
func TestSlowStartMovesEachKeyOnce(t *testing.T) {
	onlyNew := func(set balancer.Set) balancer.Picker {
		return balancer.PickerFunc(func(balancer.PickInfo) (*balancer.Endpoint, error) {
			return set.Available[len(set.Available)-1], nil
		})
	}
	v, es, p := starting(balancer.SlowStartConfig{}, onlyNew)
	moved := make(map[string]bool)
	for range 31 {
		for i := range 200 {
			key := string(rune('a' + i))
			e, err := p.Pick(balancer.PickInfo{Key: key})
			require.NoError(t, err)
			if moved[key] {
				require.Equal(t, es[9], e)
			}
			moved[key] = e == es[9]
		}
		v.now += time.Second
	}
	assert.Len(t, moved, 200)
	for key, is := range moved {
		assert.True(t, is, key)
	}
}

func TestSlowStartOff(t *testing.T) {
	_, es, p := starting(balancer.SlowStartConfig{Window: -1}, balancer.Random)
	within(t, 0.1, tally(t, p, 20_000)[es[9]], 20_000)
}
