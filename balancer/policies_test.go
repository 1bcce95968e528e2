package balancer_test

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/balancer/balancertest"
	"github.com/namesake-go/namesake/discovery"
)

func TestPolicies(t *testing.T) {
	for _, p := range policies {
		t.Run(p.name, func(t *testing.T) {
			balancertest.TestPolicy(t, p.policy, balancertest.EvenSpread())
		})
	}
}

func TestPoliciesOfAnEmptySet(t *testing.T) {
	for _, p := range policies {
		_, err := p.policy(balancer.Set{}).Pick(balancer.PickInfo{})
		assert.ErrorIs(t, err, balancer.ErrNoEndpoints, p.name)
	}
}

func pick(t *testing.T, p balancer.Picker, tried ...*balancer.Endpoint) *balancer.Endpoint {
	t.Helper()
	e, err := p.Pick(balancer.PickInfo{Tried: tried})
	require.NoError(t, err)
	return e
}

// share returns what part of 1000 picks goes to e, none of them being carried
// out.
func share(t *testing.T, p balancer.Picker, e *balancer.Endpoint) float64 {
	t.Helper()
	n := 0
	for range 1000 {
		if pick(t, p) == e {
			n++
		}
	}
	return float64(n) / 1000
}

func busy(e *balancer.Endpoint, n int) {
	for range n {
		_, _ = e.Begin(balancer.PickInfo{})
	}
}

func TestRoundRobinIsExactInAnyRound(t *testing.T) {
	es := endpoints(7)
	p := balancer.RoundRobin(setOf(es))
	var picked []*balancer.Endpoint
	for range 70 {
		picked = append(picked, pick(t, p))
	}
	for start := range 63 {
		assert.ElementsMatch(t, es, picked[start:start+7])
	}
	assert.Equal(t, picked[:7], picked[7:14], "the order stays")
}

// Each of 6 endpoints is the first in a sixth of 6000 pickers, give or take 29
// (the standard deviation); likewise each of the 6 orders of 3.
func TestRoundRobinStartsAndOrdersAtRandom(t *testing.T) {
	es := endpoints(6)
	first := map[*balancer.Endpoint]int{}
	for range 6000 {
		first[pick(t, balancer.RoundRobin(setOf(es)))]++
	}
	for _, e := range es {
		assert.InDelta(t, 1000, first[e], 180)
	}
	three := es[:3]
	orders := map[[3]*balancer.Endpoint]int{}
	for range 6000 {
		p := balancer.RoundRobin(setOf(three))
		orders[[3]*balancer.Endpoint{pick(t, p), pick(t, p), pick(t, p)}]++
	}
	assert.Len(t, orders, 6)
	for _, n := range orders {
		assert.InDelta(t, 1000, n, 180)
	}
}

// With two endpoints the choice is always between both.
func TestTwoChoicesAreDifferent(t *testing.T) {
	for _, p := range policies[2:4] {
		es := endpoints(2)
		for _, e := range es {
			observe(e, balancer.Success, time.Millisecond)
		}
		busy(es[0], 1)
		assert.Equal(t, 1.0, share(t, p.policy(setOf(es)), es[1]), p.name)
	}
}

// The best of n is one of two in 2/n of all pairs.
func TestTwoChoicesFindTheBest(t *testing.T) {
	es := endpoints(5)
	for _, e := range es[1:] {
		busy(e, 1)
	}
	assert.InDelta(t, 0.4, share(t, balancer.LeastRequest(setOf(es)), es[0]), 0.1)
}

func TestLeastRequestComparesByWeight(t *testing.T) {
	service := new(balancer.Service)
	light := service.NewEndpoint(discovery.Instance{Addr: "light:80", Weight: 1})
	heavy := service.NewEndpoint(discovery.Instance{Addr: "heavy:80", Weight: 3})
	p := balancer.LeastRequest(setOf([]*balancer.Endpoint{heavy, light}))
	for _, c := range []struct {
		light, heavy int // more in flight
		want         float64
		because      string
	}{
		{0, 0, 1, "1/3 < 1/1"},
		{0, 2, 0.5, "3/3 = 1/1"},
		{0, 1, 0, "4/3 > 1/1"},
		{1, 0, 1, "4/3 < 2/1"},
	} {
		busy(light, c.light)
		busy(heavy, c.heavy)
		assert.InDelta(t, c.want, share(t, p, heavy), 0.1, c.because)
	}
}

func TestPeakEWMALoad(t *testing.T) {
	const never, always, either = 0, 1, 0.5
	observed := func(outcome balancer.Outcome, latency time.Duration, times int) func(*balancer.Endpoint) {
		return func(e *balancer.Endpoint) {
			for range times {
				observe(e, outcome, latency)
			}
		}
	}
	inFlight := func(n int) func(*balancer.Endpoint) {
		return func(e *balancer.Endpoint) { busy(e, n) }
	}
	after := func(d time.Duration) func(*balancer.Endpoint) {
		return func(*balancer.Endpoint) { time.Sleep(d) }
	}
	type did = []func(*balancer.Endpoint)
	for _, c := range []struct {
		name   string
		first  did
		second did // after the first
		want   float64
	}{
		{"alike", nil, nil, either},
		{"faster", did{observed(balancer.Success, 2e6, 1)}, did{observed(balancer.Success, 3e6, 1)}, always},
		{"faster but busier", did{observed(balancer.Success, 2e6, 1), inFlight(1)}, did{observed(balancer.Success, 3e6, 1)}, never},
		{"faster and not too busy", did{observed(balancer.Success, 2e6, 1), inFlight(1)}, did{observed(balancer.Success, 5e6, 1)}, always},
		{"as fast, busier", did{observed(balancer.Success, 2e6, 1), inFlight(1)}, did{observed(balancer.Success, 2e6, 1)}, never},
		{"ten times as fast, failed", did{observed(balancer.Success, 2e6, 1), observed(balancer.Failure, 0, 1)}, did{observed(balancer.Success, 20e6, 1)}, never},
		{"twelve times as fast, failed", did{observed(balancer.Success, 2e6, 1), observed(balancer.Failure, 0, 1)}, did{observed(balancer.Success, 24e6, 1)}, always},
		{"twice as slow, seven seconds ago", did{observed(balancer.Success, 4e6, 1), after(7 * time.Second)}, did{observed(balancer.Success, 2e6, 1)}, always},
		{"twice as slow, six seconds ago", did{observed(balancer.Success, 4e6, 1), after(6 * time.Second)}, did{observed(balancer.Success, 2e6, 1)}, never},

		{"unmeasured against measured", nil, did{observed(balancer.Success, 1, 1)}, always},
		{"unmeasured and busy against measured and swamped", did{inFlight(1)}, did{observed(balancer.Success, time.Hour, 1), inFlight(1000)}, never},
		{"unmeasured and failed against measured", did{observed(balancer.Failure, 0, 1)}, did{observed(balancer.Success, time.Hour, 1)}, never},
		{"unmeasured and failed against measured and failed", did{observed(balancer.Failure, 0, 1)}, did{observed(balancer.Success, time.Second, 1), observed(balancer.Failure, 0, 100)}, never},
		{"unmeasured and ignored against measured", did{observed(balancer.Ignored, 0, 1)}, did{observed(balancer.Success, time.Second, 1)}, never},
		{"unmeasured and forgiven against measured", did{observed(balancer.Failure, 0, 1), after(15 * time.Second)}, did{observed(balancer.Success, time.Second, 1)}, always},
		{"unmeasured and not forgiven against measured", did{observed(balancer.Failure, 0, 1), after(14900 * time.Millisecond)}, did{observed(balancer.Success, time.Second, 1)}, never},
		{"unmeasured, both busy", did{inFlight(1)}, did{inFlight(2)}, always},
		{"unmeasured, both failed", did{observed(balancer.Failure, 0, 1)}, did{observed(balancer.Failure, 0, 2)}, always},
		{"unmeasured, failed against busy", did{observed(balancer.Failure, 0, 1)}, did{inFlight(5)}, never},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				es := endpoints(2)
				p := balancer.PeakEWMA(setOf(es)) // measures from now on
				for _, f := range c.first {
					f(es[0])
				}
				for _, f := range c.second {
					f(es[1])
				}
				assert.InDelta(t, c.want, share(t, p, es[0]), 0.1*math.Mod(2*c.want, 2))
			})
		})
	}
}

// A server answers after a while, or fails.
type server struct {
	latency time.Duration
	outcome balancer.Outcome
}

// simulate lets callers call without a pause, each on an endpoint that the
// policy picks, and returns the shares of attempts that the endpoints got.
// What a server does may depend on the time since the start.
func simulate(policy balancer.Policy, n, callers int, from, until time.Duration, serve func(i int, now time.Duration) server) []float64 {
	es := endpoints(n)
	p := policy(setOf(es))
	counts := make([]int, n)
	total := 0
	start := time.Now()
	done := make(chan []int, callers)
	for range callers {
		go func() {
			counts := make([]int, n)
			for now := time.Since(start); now < until; now = time.Since(start) {
				e, err := p.Pick(balancer.PickInfo{})
				if err != nil {
					break
				}
				a, _ := e.Begin(balancer.PickInfo{})
				i := slices.Index(es, e)
				if now >= from {
					counts[i]++
				}
				s := serve(i, now)
				time.Sleep(s.latency)
				a.Observe(s.outcome, s.latency)
				a.End()
			}
			done <- counts
		}()
	}
	for range callers {
		for i, c := range <-done {
			counts[i] += c
			total += c
		}
	}
	shares := make([]float64, n)
	for i, c := range counts {
		shares[i] = float64(c) / float64(total)
	}
	return shares
}

// One of three fails in 50 µs, the others answer in 2 ms. To a rule that looks
// at calls in flight or at latency alone it is the best of all.
func TestAnEndpointThatFailsAtOnceIsAvoided(t *testing.T) {
	outcomes := map[string]balancer.Outcome{"failing": balancer.Failure, "busy": balancer.Busy}
	avoided := func(t *testing.T, policy balancer.Policy, outcome balancer.Outcome, sick time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			shares := simulate(policy, 3, 16, sick+time.Second, sick+20*time.Second, func(i int, now time.Duration) server {
				if i == 0 && now >= sick {
					return server{50 * time.Microsecond, outcome}
				}
				return server{2 * time.Millisecond, balancer.Success}
			})
			t.Logf("shares %.4f", shares)
			assert.Less(t, shares[0], 0.01)
			assert.InDelta(t, 0.5, shares[1], 0.05)
		})
	}
	for _, p := range policies[3:5] { // those that look at latency
		for name, outcome := range outcomes {
			t.Run(p.name+"/"+name+" from the start", func(t *testing.T) { avoided(t, p.policy, outcome, 0) })
			t.Run(p.name+"/"+name+" after having been well", func(t *testing.T) { avoided(t, p.policy, outcome, 2*time.Second) })
		}
	}
}

func TestPeakEWMAGivesAnEndpointThatHasRecoveredItsShareAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shares := simulate(balancer.PeakEWMA, 3, 16, 40*time.Second, 50*time.Second, func(i int, now time.Duration) server {
			if i == 0 && now < 10*time.Second {
				return server{50 * time.Microsecond, balancer.Failure}
			}
			return server{10 * time.Millisecond, balancer.Success}
		})
		t.Logf("shares %.4f", shares)
		assert.Greater(t, shares[0], 0.25)
	})
}

// One of three takes 40 ms, the others 2 ms.
func TestPeakEWMAAvoidsASlowEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slowFirst := func(i int, _ time.Duration) server {
			if i == 0 {
				return server{40 * time.Millisecond, balancer.Success}
			}
			return server{2 * time.Millisecond, balancer.Success}
		}
		shares := simulate(balancer.PeakEWMA, 3, 16, time.Second, 10*time.Second, slowFirst)
		least := simulate(balancer.LeastRequest, 3, 16, time.Second, 10*time.Second, slowFirst)
		t.Logf("shares %.4f, least request %.4f", shares, least)
		assert.Less(t, shares[0], 0.01)
		assert.Less(t, shares[0], least[0]/5)
	})
}
