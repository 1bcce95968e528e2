package balancer_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/balancer/balancertest"
)

// A prober remembers who was to be probed, and answers nothing.
type prober struct{ asked []*balancer.Endpoint }

func (p *prober) config(c *clock) balancer.ServiceConfig {
	cfg := c.config()
	cfg.Probe = func(e *balancer.Endpoint) { p.asked = append(p.asked, e) }
	return cfg
}

// answer is what an endpoint says to a probe.
func answer(e *balancer.Endpoint, inFlight float64, latency time.Duration) {
	e.Report(balancer.Report{InFlight: inFlight, HasInFlight: true, Latency: latency, Probed: true})
}

// window fills that of recent answers, with as many of each number, and leaves
// none of these in the pool.
func window(e *balancer.Endpoint, inFlight ...float64) {
	for i := range 128 {
		answer(e, inFlight[i%len(inFlight)], time.Second)
	}
	e.Report(balancer.Report{Probed: true})
}

// unchanging keeps answers however often they are used, as far as possible.
var unchanging = balancer.PrequalConfig{PoolSize: 16, ProbeRate: 1e-9, RemoveRate: -1}

func TestReuseOfAnswers(t *testing.T) {
	for _, c := range []struct {
		m, n          int
		probe, remove float64
		want          float64
	}{
		{16, 100, 3, 1, 1.32},
		{16, 100, 1, 0.25, 3.39},
		{16, 100, 0.5, 0.25, 11.76},
		{16, 100, 16, -1, 1},  // never less
		{16, 100, 1, 1, 16},   // nothing is gained
		{16, 100, 0.1, 1, 16}, // less than nothing
		{2, 2, 3, 1, 16},
	} {
		cfg := balancer.PrequalConfig{ProbeRate: c.probe, RemoveRate: c.remove}
		assert.InDelta(t, c.want, balancer.PrequalReuse(cfg, c.m, c.n), 0.005, "%+v", c)
	}
}

// The rule, with half of recent answers speaking of 2 in flight and half of 6.
func TestHotOrCold(t *testing.T) {
	type load struct {
		inFlight float64
		latency  time.Duration
	}
	for _, c := range []struct {
		name     string
		quantile float64
		loads    []load
		want     []int // who may be picked
	}{
		{"all cold: the fastest", 0.4, []load{{2, 30}, {0, 20}, {1, 10}}, []int{2}},
		{"mixed: the fastest that is cold", 0.4, []load{{2, 30}, {0, 40}, {3, 10}}, []int{0}},
		{"one is cold: that one", 0.4, []load{{3, 10}, {2, 900}, {3, 10}}, []int{1}},
		{"all hot: the fewest in flight", 0.4, []load{{5, 10}, {4, 900}, {6, 1}}, []int{1}},
		{"at the threshold is cold", 0.4, []load{{2, 900}, {2.5, 10}, {3, 10}}, []int{0}},
		{"cold ties", 0.4, []load{{2, 30}, {1, 30}, {0, 31}}, []int{0, 1}},
		{"hot ties", 0.4, []load{{5, 10}, {7, 10}, {5, 90}}, []int{0, 2}},
		{"at the highest, nobody is hot", 1, []load{{6, 10}, {0, 20}, {1, 20}}, []int{0}},
		{"at the lowest, in flight decides", -1, []load{{3, 10}, {4, 1}, {5, 1}}, []int{0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := clock{now: time.Hour}
			var prober prober
			es := fleet(prober.config(&clock), 40)
			cfg := unchanging
			cfg.HotQuantile = c.quantile
			seen := map[int]bool{}
			for range 40 { // each time the same question; ties fall either way
				p := balancer.Prequal(cfg)(setOf(es))
				window(es[9], 2, 6)
				for i, l := range c.loads {
					answer(es[i], l.inFlight, l.latency*time.Millisecond)
				}
				for range 1 + clock.rand()%8 {
					pick(t, p, es[:3]...) // some turns pass
				}
				seen[slices.Index(es, pick(t, p))] = true
				for i := range c.loads {
					es[i].Report(balancer.Report{Probed: true})
				}
			}
			got := []int{}
			for i := range seen {
				got = append(got, i)
			}
			assert.ElementsMatch(t, c.want, got)
		})
	}
}

// The threshold is that of recent answers, not of those in the pool: where all
// others have few calls in flight, the pool may be all hot.
func TestHotIsWhatRecentAnswersSay(t *testing.T) {
	clock := clock{now: time.Hour}
	var prober prober
	es := fleet(prober.config(&clock), 40)
	p := balancer.Prequal(unchanging)(setOf(es))
	window(es[9], 1)
	answer(es[0], 3, time.Millisecond)
	answer(es[1], 2, time.Hour)
	assert.Equal(t, es[1].Addr(), pick(t, p).Addr(), "both are hot")
	window(es[9], 9)
	answer(es[0], 4, time.Millisecond)
	answer(es[1], 2, time.Hour)
	assert.Equal(t, es[0].Addr(), pick(t, p).Addr(), "neither is")
}

func TestAnswersAge(t *testing.T) {
	clock := clock{now: time.Hour}
	var prober prober
	es := fleet(prober.config(&clock), 40)
	p := balancer.Prequal(unchanging)(setOf(es))
	answer(es[0], 0, time.Millisecond)
	answer(es[1], 0, time.Minute)
	clock.now += time.Second
	assert.Equal(t, es[0].Addr(), pick(t, p).Addr())
	assert.Equal(t, 2, balancer.Pooled(es[0].Service()))
	clock.now++
	assert.Less(t, share(t, p, es[0]), 0.5, "by chance")
	assert.Zero(t, balancer.Pooled(es[0].Service()))
}

// One answer is no choice: two endpoints are drawn, whoever has answered.
func TestOneAnswerIsNotEnough(t *testing.T) {
	clock := clock{now: time.Hour}
	var prober prober
	es := fleet(prober.config(&clock), 10)
	p := balancer.Prequal(unchanging)(setOf(es))
	answer(es[0], 0, time.Millisecond)
	assert.InDelta(t, 0.1, share(t, p, es[0]), 0.08)
	assert.Equal(t, 1, balancer.Pooled(es[0].Service()))
}

// Each use counts as a call more, so that a burst spreads.
func TestBurstSpreads(t *testing.T) {
	clock := clock{now: time.Hour}
	var prober prober
	es := fleet(prober.config(&clock), 40)
	p := balancer.Prequal(unchanging)(setOf(es))
	window(es[9], 0) // more than none is hot
	for _, e := range es[:4] {
		answer(e, 0, time.Millisecond)
	}
	counts := map[*balancer.Endpoint]int{}
	for range 40 {
		counts[pick(t, p)]++
	}
	for _, e := range es[:4] {
		assert.Equal(t, 10, counts[e])
	}
}

// What is used up leaves the pool.
func TestAnswersAreUsedUp(t *testing.T) {
	clock := clock{now: time.Hour}
	var prober prober
	es := fleet(prober.config(&clock), 100)
	// (1+1) / (0.84·1 − 0.1733) = 3
	p := balancer.Prequal(balancer.PrequalConfig{ProbeRate: 1, RemoveRate: 0.84 - 2./3 + 1e-12})(setOf(es))
	window(es[9], 1000)
	for i, e := range es[:4] {
		answer(e, 0, time.Duration(1+i)*time.Millisecond)
	}
	assert.Equal(t, es[0].Addr(), pick(t, p).Addr())
	assert.Equal(t, es[0].Addr(), pick(t, p).Addr())
	assert.Equal(t, 4, balancer.Pooled(es[0].Service()))
	assert.Equal(t, es[0].Addr(), pick(t, p).Addr())
	assert.Equal(t, 3, balancer.Pooled(es[0].Service()))
	assert.Equal(t, es[1].Addr(), pick(t, p).Addr())
}

// The budget is a whole number that has the right mean.
func TestReuseIsRoundedAtRandom(t *testing.T) {
	clock := clock{now: time.Hour}
	var prober prober
	es := fleet(prober.config(&clock), 100)
	balancer.Prequal(balancer.PrequalConfig{})(setOf(es)) // 1.316
	sum := 0
	for range 10_000 {
		answer(es[0], 0, time.Millisecond)
		uses := balancer.Uses(es[0])
		assert.True(t, uses == 1 || uses == 2)
		sum += uses
	}
	assert.InDelta(t, 13_158, sum, 230, "five standard deviations of 46")
}

// Removal takes the oldest and the worst in turn: of those that are hot the one
// with most in flight, else the slowest.
func TestRemovalTakesTheOldestAndTheWorst(t *testing.T) {
	for _, c := range []struct {
		name  string
		seen  float64
		order []int
	}{
		{"cold", 1000, []int{0, 4, 1, 3}},
		{"hot", 5, []int{0, 3, 1, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := clock{now: time.Hour}
			var prober prober
			es := fleet(prober.config(&clock), 100)
			p := balancer.Prequal(balancer.PrequalConfig{ProbeRate: 1, RemoveRate: 1})(setOf(es)) // used 16 times
			window(es[9], c.seen)
			// From the oldest to the latest; the last is the best in any case.
			for i, l := range []struct {
				inFlight float64
				latency  time.Duration
			}{{1, 1}, {2, 2}, {8, 3}, {9, 4}, {7, 5}, {0, 0}} {
				answer(es[i], l.inFlight, time.Second+l.latency*time.Millisecond)
				clock.now++
			}
			service := es[0].Service()
			for turn, gone := range c.order {
				require.NotZero(t, balancer.Uses(es[gone]))
				require.Equal(t, es[5].Addr(), pick(t, p).Addr())
				assert.Zero(t, balancer.Uses(es[gone]), "turn %d", turn)
				assert.Equal(t, 5-turn, balancer.Pooled(service))
			}
		})
	}
}

// A new answer takes the place of the endpoint's last, a free one, or that of
// the oldest. The pool is no larger than half of the set.
func TestPoolIsBounded(t *testing.T) {
	clock := clock{now: time.Hour}
	var prober prober
	es := fleet(prober.config(&clock), 10)
	balancer.Prequal(balancer.PrequalConfig{})(setOf(es))
	service := es[0].Service()
	for i, e := range es {
		answer(e, 0, time.Millisecond)
		clock.now++
		assert.Equal(t, min(i+1, 5), balancer.Pooled(service))
	}
	for i, e := range es {
		assert.Equal(t, i >= 5, balancer.Uses(e) > 0, "the oldest leave")
	}
	answer(es[7], 0, time.Millisecond)
	assert.Positive(t, balancer.Uses(es[5]), "its own place")
	assert.Equal(t, 5, balancer.Pooled(service))
}

// Probes go to different endpoints, each as often as any other; fractions carry
// over.
func TestProbeTargets(t *testing.T) {
	for _, rate := range []float64{3, 1, 0.3, 2.5} {
		clock := clock{now: time.Hour}
		var prober prober
		es := fleet(prober.config(&clock), 8)
		p := balancer.Prequal(balancer.PrequalConfig{ProbeRate: rate})(setOf(es))
		const picks = 4000
		counts := map[*balancer.Endpoint]int{}
		for range picks {
			prober.asked = prober.asked[:0]
			pick(t, p)
			assert.InDelta(t, rate, len(prober.asked), 0.99)
			distinct := map[*balancer.Endpoint]bool{}
			for _, e := range prober.asked {
				distinct[e] = true
				counts[e]++
			}
			assert.Len(t, distinct, len(prober.asked))
		}
		sum := 0
		for _, e := range es {
			want := rate * picks / 8
			assert.InDelta(t, want, counts[e], 6*math.Sqrt(want))
			sum += counts[e]
		}
		assert.InDelta(t, rate*picks, sum, 1)
	}
}

// With less than the probes of one pick to choose from, each is asked once.
func TestProbesOfTwo(t *testing.T) {
	clock := clock{now: time.Hour}
	var prober prober
	es := fleet(prober.config(&clock), 2)
	pick(t, balancer.Prequal(balancer.PrequalConfig{})(setOf(es)))
	assert.ElementsMatch(t, es, prober.asked)
	prober.asked = nil
	pick(t, balancer.Prequal(balancer.PrequalConfig{})(setOf(es[:1])))
	assert.Empty(t, prober.asked, "there is no choice")
}

// An endpoint that fails at once has nothing in flight and answers fast.
func TestPrequalIsNoSinkhole(t *testing.T) {
	clock := clock{now: time.Hour}
	var prober prober
	es := fleet(prober.config(&clock), 40)
	p := balancer.Prequal(unchanging)(setOf(es))
	for _, seen := range []float64{1000, 1} { // all others are cold, or hot
		window(es[9], seen)
		for i, e := range es[:3] {
			answer(e, float64(i)*3, time.Duration(1+i)*time.Millisecond)
		}
		require.Equal(t, es[0].Addr(), pick(t, p).Addr())
		observe(es[0], balancer.Failure, time.Microsecond)
		assert.Zero(t, balancer.Uses(es[0]), "what it said holds no longer")
		require.Equal(t, es[1].Addr(), pick(t, p).Addr())
		answer(es[0], 0, time.Millisecond)
		require.Equal(t, es[1].Addr(), pick(t, p).Addr(), "it goes on saying that all is well")
		clock.now += 800 * time.Millisecond
		answer(es[0], 0, time.Millisecond)
		require.Equal(t, es[1].Addr(), pick(t, p).Addr())
		for range 11 {
			observe(es[0], balancer.Success, time.Millisecond)
		}
		require.Equal(t, es[0].Addr(), pick(t, p).Addr(), "it has proved it")
		clock.now += time.Hour
	}
}

// An endpoint that does not answer a probe is not known any more.
func TestPrequalForgetsWhoDoesNotAnswer(t *testing.T) {
	clock := clock{now: time.Hour}
	var prober prober
	es := fleet(prober.config(&clock), 40)
	balancer.Prequal(unchanging)(setOf(es))
	answer(es[0], 0, time.Millisecond)
	answer(es[1], 0, time.Millisecond)
	es[0].Report(balancer.Report{Probed: true})
	assert.Zero(t, balancer.Uses(es[0]))
	assert.Positive(t, balancer.Uses(es[1]))
}

// The pool is the service's: a picker uses what its set has of it, wherever that
// stands there.
func TestPrequalOfPartOfTheSet(t *testing.T) {
	clock := clock{now: time.Hour}
	var prober prober
	es := fleet(prober.config(&clock), 40)
	near := balancer.Prequal(unchanging)(setOf(es[20:]))
	all := balancer.Prequal(unchanging)(setOf(es))
	window(es[9], 1000)
	answer(es[0], 0, time.Millisecond)
	answer(es[20], 0, 3*time.Millisecond)
	answer(es[25], 0, 2*time.Millisecond)
	for range 5 {
		assert.Equal(t, es[0].Addr(), pick(t, all).Addr())
		assert.Equal(t, es[25].Addr(), pick(t, near).Addr())
		assert.Equal(t, es[25].Addr(), pick(t, all, es[0]).Addr(), "but for those tried")
	}
}

// Without probes, reports that are fresh decide between two, and else what this
// client sees.
func TestPrequalWithoutProbes(t *testing.T) {
	clock := clock{now: time.Hour}
	es := fleet(clock.config(), 2)
	p := balancer.Prequal(balancer.PrequalConfig{})(setOf(es))
	for _, e := range es {
		observe(e, balancer.Success, time.Millisecond)
	}
	busy(es[0], 1)
	assert.Equal(t, 0., share(t, p, es[0]), "it has one in flight, the other none")
	es[0].Report(balancer.Report{InFlight: 1, HasInFlight: true, Latency: time.Millisecond})
	assert.Equal(t, 0., share(t, p, es[0]), "one report is none")
	es[1].Report(balancer.Report{InFlight: 1, HasInFlight: true, Latency: 2 * time.Millisecond})
	assert.Equal(t, 1., share(t, p, es[0]), "as many for all, but faster")
	busy(es[0], 5)
	assert.Equal(t, 0., share(t, p, es[0]), "at least what is there from here, which is hot")
	busy(es[1], 20)
	assert.Equal(t, 1., share(t, p, es[0]))
	clock.now += time.Second + 1
	observe(es[1], balancer.Success, time.Microsecond)
	assert.Equal(t, 1., share(t, p, es[0]), "too old: 7 against 21, by the peak of 1 ms")
}

// A pool that is full keeps the contract, too.
func TestPrequalWithProbesKeepsTheContract(t *testing.T) {
	balancertest.TestPolicy(t, answered(balancer.PrequalConfig{}))
	balancertest.TestPolicy(t, answered(balancer.PrequalConfig{PoolSize: 64, RemoveRate: 5, HotQuantile: -1}))
}

// answered has all endpoints answer all the time.
func answered(cfg balancer.PrequalConfig) balancer.Policy {
	policy := balancer.Prequal(cfg)
	return func(set balancer.Set) balancer.Picker {
		p := policy(set)
		return balancer.PickerFunc(func(info balancer.PickInfo) (*balancer.Endpoint, error) {
			for _, e := range set.All {
				if s := e.Service(); s.IntN(len(set.All)) < 3 {
					answer(e, float64(s.IntN(5)), time.Duration(1+s.IntN(1000))*time.Microsecond)
				}
			}
			return p.Pick(info)
		})
	}
}

func TestPrequalAllocatesNothing(t *testing.T) {
	clock := clock{now: time.Hour}
	cfg := clock.config()
	cfg.Probe = func(*balancer.Endpoint) {}
	es := fleet(cfg, 40)
	p := balancer.Prequal(balancer.PrequalConfig{})(setOf(es))
	picks := 0
	for range 20 {
		for _, e := range es {
			answer(e, 1, time.Millisecond)
		}
		require.Zero(t, testing.AllocsPerRun(5, func() { cycle(p, balancer.PickInfo{Now: clock.now}); picks++ }))
	}
	require.Positive(t, picks)
}
