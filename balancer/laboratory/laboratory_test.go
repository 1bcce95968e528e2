package laboratory_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/balancer/laboratory"
	"github.com/namesake-go/namesake/internal/race"
)

// named returns one of the scenarios.
func named(t *testing.T, name string) laboratory.Scenario {
	t.Helper()
	for _, s := range laboratory.Scenarios() {
		if s.Name == name {
			return s
		}
	}
	require.Fail(t, "no scenario "+name)
	return laboratory.Scenario{}
}

// try runs all policies in one scenario and returns the results by policy.
func try(t *testing.T, s laboratory.Scenario) map[string]laboratory.Result {
	t.Helper()
	if race.Enabled {
		t.Skip("a simulation is one goroutine, and thirty times as slow under the race detector")
	}
	results, err := laboratory.Run(t.Context(), []laboratory.Scenario{s}, laboratory.Candidates(), laboratory.Options{Seed: 1})
	require.NoError(t, err)
	t.Logf("\n%s", laboratory.Table([]laboratory.Scenario{s}, results))
	by := make(map[string]laboratory.Result)
	for _, r := range results {
		by[r.Candidate] = r
	}
	return by
}

// The same seed gives the same table, byte for byte, whatever the number of
// workers. Another seed gives another.
func TestSameSeedSameTable(t *testing.T) {
	scenarios := []laboratory.Scenario{named(t, "crashes"), named(t, "mixed-antagonists"), named(t, "fails-fast-ejected")}
	for i := range scenarios {
		scenarios[i].Clients = 10
		scenarios[i].Warmup, scenarios[i].Measured = 200*time.Millisecond, 800*time.Millisecond
	}
	candidates := laboratory.Candidates()
	for i := range candidates {
		candidates[i].Reports = true
	}
	table := func(seed uint64, workers int) string {
		results, err := laboratory.Run(t.Context(), scenarios, candidates,
			laboratory.Options{Seed: seed, Workers: workers, Runs: 2})
		require.NoError(t, err)
		return laboratory.Table(scenarios, results)
	}
	want := table(1, 1)
	assert.Equal(t, want, table(1, 1))
	assert.Equal(t, want, table(1, 4))
	assert.NotEqual(t, want, table(3, 4))
}

// The order of policies, with a margin: where copies share their machines, who
// does not look at load is far behind, and who looks at two copies is behind
// who looks at all.
func TestAntagonists(t *testing.T) {
	s := named(t, "antagonists-75")
	s.Measured = 5 * time.Second
	r := try(t, s)
	sed := r["ShortestExpectedDelay"]
	assert.Greater(t, r["RoundRobin"].P99, 2*sed.P99)
	assert.Greater(t, r["LeastRequest"].P99, 2*sed.P99)
	assert.Greater(t, r["PeakEWMA"].P99, 2*sed.P99)
	assert.Greater(t, r["RoundRobin"].InFlight99, 2*sed.InFlight99)
	assert.Less(t, sed.Failed, 0.001)
}

// The order of the Prequal paper's comparison of rules (its selection rules at
// 70 and 90 % of the allocation), as far as they are here: half of the copies are
// slow, and antagonists stay.
func TestHalfSlow(t *testing.T) {
	for _, name := range []string{"half-slow-70", "half-slow-90"} {
		s := named(t, name)
		s.Measured = 6 * time.Second
		r := try(t, s)
		assert.Equal(t, 5*time.Second, r["RoundRobin"].P99)
		assert.Greater(t, r["RoundRobin"].P99, 3*r["LeastRequest"].P99/2)
		assert.Greater(t, r["LeastRequest"].P99, 2*r["PeakEWMA"].P99)
		assert.Greater(t, r["PeakEWMA"].P99, 5*r["ShortestExpectedDelay"].P99/4)
		assert.Greater(t, r["RoundRobin"].Failed, 5*r["WeightedByUtilization"].Failed)
		assert.Greater(t, r["WeightedByUtilization"].P99, 2*r["C3"].P99)
		assert.Greater(t, r["LeastRequest"].P99, 3*r["C3"].P99/2)
		assert.Greater(t, r["C3"].P99, 11*r["Prequal"].P99/10)
		assert.Greater(t, r["Prequal"].P99, 5*r["ShortestExpectedDelay"].P99/4)
		assert.Zero(t, r["ShortestExpectedDelay"].Failed)
	}
}

func TestSlowCopies(t *testing.T) {
	s := named(t, "slow-copies")
	s.Measured = 6 * time.Second
	r := try(t, s)
	assert.InDelta(t, 0.1, r["RoundRobin"].BadShare, 0.01)
	assert.Greater(t, r["RoundRobin"].Failed, 0.03)
	assert.Less(t, r["PeakEWMA"].Failed, 0.001)
	assert.Greater(t, r["RoundRobin"].P99, 2*r["PeakEWMA"].P99)
	assert.Greater(t, 2*r["PeakEWMA"].P99, 3*r["ShortestExpectedDelay"].P99)
	assert.Less(t, r["ShortestExpectedDelay"].BadShare, 0.03)
	assert.Positive(t, r["ShortestExpectedDelay"].BadShare, "it must be tried, to see it recover")
}

// A copy that fails at once looks idle and fast.
func TestFailsFast(t *testing.T) {
	s := named(t, "fails-fast")
	s.Measured = 6 * time.Second
	r := try(t, s)
	assert.InDelta(t, 0.02, r["RoundRobin"].BadShare, 0.005)
	assert.InDelta(t, 0.02, r["RoundRobin"].Failed, 0.005)
	assert.Greater(t, r["LeastRequest"].BadShare, 0.01)
	assert.Less(t, r["PeakEWMA"].BadShare, 0.01)
	assert.Less(t, r["ShortestExpectedDelay"].BadShare, 0.002)

	s.Eject, s.Retries = true, 1
	for name, r := range try(t, s) {
		assert.Less(t, r.BadShare, 0.008, name)
		assert.Zero(t, r.Failed, "%s: repeated elsewhere", name)
		assert.Greater(t, r.Attempts, 0.9999, name)
	}
}

// A client that knows the classes of calls does not take an expensive call for
// a slow copy.
func TestClassesHelp(t *testing.T) {
	s := named(t, "mixed-antagonists")
	r := try(t, s)
	assert.Less(t, r["ShortestExpectedDelay+classes"].P99, r["ShortestExpectedDelay"].P99*95/100)
	assert.Less(t, r["ShortestExpectedDelay"].P99, r["LeastRequest"].P99/2)
}

// Reports and probes come as the candidate wants them.
func TestReports(t *testing.T) {
	var piggyback, probed, asked int
	key := balancer.NewKey[listener]()
	spy := func(set balancer.Set) balancer.Picker {
		for _, e := range set.All {
			key.Of(e).hear = func(r balancer.Report) {
				assert.Positive(t, r.At)
				assert.True(t, r.HasInFlight)
				if r.Probed {
					probed++
				} else {
					piggyback++
					assert.Positive(t, r.Latency)
					assert.Positive(t, r.ServiceTime)
					assert.Positive(t, r.Rate)
					assert.Positive(t, r.Utilization)
				}
			}
		}
		next := balancer.Random(set)
		return balancer.PickerFunc(func(info balancer.PickInfo) (*balancer.Endpoint, error) {
			if set.Available[0].Service().Probe(set.Available[0]) {
				asked++
			}
			return next.Pick(info)
		})
	}
	s := laboratory.Scenario{
		Name: "reports", Clients: 1, Servers: []laboratory.Servers{{Count: 2}}, Load: 0.5,
		Warmup: time.Second, Measured: 10 * time.Second,
	}
	run := func(c laboratory.Candidate) laboratory.Result {
		piggyback, probed, asked = 0, 0, 0
		c.Name, c.Policy = "spy", spy
		results, err := laboratory.Run(t.Context(), []laboratory.Scenario{s}, []laboratory.Candidate{c}, laboratory.Options{})
		require.NoError(t, err)
		return results[0]
	}
	r := run(laboratory.Candidate{})
	assert.Zero(t, piggyback+probed+asked)
	assert.Zero(t, r.Probes)
	assert.Greater(t, r.Calls, 200)

	r = run(laboratory.Candidate{Reports: true})
	assert.Greater(t, piggyback, r.Calls)
	assert.Zero(t, probed+asked)

	r = run(laboratory.Candidate{Probes: true})
	assert.Equal(t, asked, probed)
	assert.Greater(t, asked, r.Calls)
	assert.InDelta(t, 1, r.Probes, 0)
	assert.Zero(t, piggyback)
}

// A listener hands on what it hears.
type listener struct{ hear func(balancer.Report) }

func (l *listener) Report(_ *balancer.Endpoint, r balancer.Report) { l.hear(r) }

func TestWhatCannotBeRun(t *testing.T) {
	good := func() laboratory.Scenario {
		return laboratory.Scenario{Name: "good", Servers: []laboratory.Servers{{Count: 1}}, Load: 0.5}
	}
	random := []laboratory.Candidate{{Name: "Random", Policy: balancer.Random}}
	for wrong, spoil := range map[string]func(s *laboratory.Scenario){
		"a scenario without a name": func(s *laboratory.Scenario) { s.Name = "" },
		"no servers":                func(s *laboratory.Scenario) { s.Servers = nil },
		"servers 0":                 func(s *laboratory.Scenario) { s.Servers[0].Cores = -1 },
		"Load is 0":                 func(s *laboratory.Scenario) { s.Load = 0 },
		"Clients is -1":             func(s *laboratory.Scenario) { s.Clients = -1 },
		"Retries is -1":             func(s *laboratory.Scenario) { s.Retries = -1 },
		"calls per second":          func(s *laboratory.Scenario) { s.Load = 1e9 },
		"calls 0":                   func(s *laboratory.Scenario) { s.Calls = []laboratory.Calls{{Share: -1}} },
	} {
		s := good()
		spoil(&s)
		_, err := laboratory.Run(t.Context(), []laboratory.Scenario{s}, random, laboratory.Options{})
		assert.ErrorContains(t, err, wrong)
		assert.ErrorContains(t, err, "laboratory: ")
	}
	_, err := laboratory.Run(t.Context(), []laboratory.Scenario{good(), good()}, random, laboratory.Options{})
	assert.ErrorContains(t, err, "two scenarios")
	_, err = laboratory.Run(t.Context(), []laboratory.Scenario{good()}, append(random, random...), laboratory.Options{})
	assert.ErrorContains(t, err, "two candidates")
	_, err = laboratory.Run(t.Context(), []laboratory.Scenario{good()}, []laboratory.Candidate{{Name: "nil"}}, laboratory.Options{})
	assert.ErrorContains(t, err, "no policy")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = laboratory.Run(ctx, laboratory.Scenarios(), laboratory.Candidates(), laboratory.Options{})
	assert.ErrorIs(t, err, context.Canceled)
}

// The same calls at more load take longer, and more of them come.
func TestAtLoads(t *testing.T) {
	s := laboratory.Scenario{
		Name: "ramp", Clients: 5, Servers: []laboratory.Servers{{Count: 10}}, Load: 1,
		Warmup: time.Second, Measured: 5 * time.Second,
	}
	ramp := s.AtLoads(0.3, 0.6, 0.9)
	results, err := laboratory.Run(t.Context(), ramp,
		[]laboratory.Candidate{{Name: "Random", Policy: balancer.Random}}, laboratory.Options{})
	require.NoError(t, err)
	assert.Equal(t, "ramp@60%", results[1].Scenario)
	assert.Greater(t, results[1].Mean, results[0].Mean)
	assert.Greater(t, results[2].Mean, results[1].Mean)
	assert.InEpsilon(t, 3*results[0].Calls, results[2].Calls, 0.2)
}

// All scenarios can be run, and each has something to say.
func TestScenarios(t *testing.T) {
	scenarios := laboratory.Scenarios()
	for i := range scenarios {
		assert.NotEmpty(t, scenarios[i].About, scenarios[i].Name)
		scenarios[i].Warmup, scenarios[i].Measured = 200*time.Millisecond, 300*time.Millisecond
		scenarios[i].Clients = min(scenarios[i].Clients, 100) // which saves memory under the race detector
	}
	done := 0
	results, err := laboratory.Run(t.Context(), scenarios, laboratory.Candidates()[:1], laboratory.Options{
		Workers: 2 * runtime.GOMAXPROCS(0),
		Progress: func(_ laboratory.Result, n, all int) {
			done++
			assert.Equal(t, done, n)
			assert.Equal(t, len(scenarios), all)
		},
	})
	require.NoError(t, err)
	require.Len(t, results, len(scenarios))
	assert.Equal(t, len(scenarios), done)
	for i, r := range results {
		assert.Equal(t, scenarios[i].Name, r.Scenario)
		assert.Positive(t, r.Calls, r.Scenario)
		assert.GreaterOrEqual(t, r.P999, r.P99, r.Scenario)
		assert.GreaterOrEqual(t, r.P99, r.P50, r.Scenario)
	}
}

// A course is of one's own making.
func TestOwnCourse(t *testing.T) {
	s := laboratory.Scenario{
		Name: "own", Clients: 2, Load: 0.2,
		Servers: []laboratory.Servers{{
			Count: 4,
			Course: func(nth, count int, until time.Duration, _ *rand.Rand) []laboratory.Change {
				assert.Equal(t, 4, count)
				assert.Equal(t, 5*time.Second, until) // with the deadline
				if nth > 0 {
					return nil
				}
				return []laboratory.Change{{At: 2 * time.Second, State: laboratory.State{Absent: true}}}
			},
		}},
		Warmup: time.Second, Measured: 2 * time.Second, Lag: 100 * time.Millisecond,
	}
	results, err := laboratory.Run(t.Context(), []laboratory.Scenario{s},
		[]laboratory.Candidate{{Name: "RoundRobin", Policy: balancer.RoundRobin}}, laboratory.Options{})
	require.NoError(t, err)
	assert.Zero(t, results[0].Failed)
	assert.Greater(t, results[0].Spread, 0.1, "one was there for half of the time")
}
