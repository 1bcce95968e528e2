package laboratory

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
)

// A diary keeps what a meter is told.
type diary struct{ entries []observation }

// An observation is how an attempt went.
type observation struct {
	Outcome balancer.Outcome
	Latency time.Duration
	Now     time.Duration
}

func (d *diary) Observe(a balancer.Attempt, outcome balancer.Outcome, now time.Duration) {
	d.entries = append(d.entries, observation{outcome, now - a.Start(), now})
}

var diaries = balancer.NewKey[diary]()

// simulate runs a scenario and returns what was observed on each server.
func simulate(t *testing.T, s Scenario) (sim *simulation, observed [][]observation) {
	t.Helper()
	s.Name, s.Clients = "test", 1
	s = s.withDefaults()
	require.NoError(t, s.check())
	var all balancer.Set
	sim = newSimulation(s, Candidate{Policy: func(set balancer.Set) balancer.Picker {
		if all.All == nil {
			all = set
		}
		for _, e := range set.All {
			diaries.Of(e)
		}
		return balancer.RoundRobin(set)
	}}, 1)
	sim.run()
	for _, e := range all.All {
		observed = append(observed, diaries.Of(e).entries)
	}
	return sim, observed
}

// The network takes a quarter more or less than half a millisecond, twice.
func assertRoundTrip(t *testing.T, latency time.Duration) {
	t.Helper()
	assert.GreaterOrEqual(t, latency, 750*time.Microsecond)
	assert.LessOrEqual(t, latency, 1250*time.Microsecond)
}

// An attempt ends as the server had it, after as long as it took.
func TestOutcomes(t *testing.T) {
	_, observed := simulate(t, Scenario{
		Servers: []Servers{
			{Count: 1},
			{Count: 1, Course: Always(State{Failing: true})},
			{Count: 1, Course: Always(State{Down: true})},
			{Count: 1, Course: Always(State{Silent: true})},
			{Count: 1, Limit: 1, Cores: 0.001},
		},
		Load: 0.5, Calls: []Calls{{Work: Constant}}, Warmup: time.Second, Measured: 10 * time.Second,
	})
	require.Len(t, observed, 5)
	for _, entries := range observed {
		require.Greater(t, len(entries), 20)
	}
	for _, o := range observed[0] {
		assert.Equal(t, balancer.Success, o.Outcome)
		assert.Greater(t, o.Latency, 50*time.Millisecond)
	}
	for _, o := range append(observed[1], observed[2]...) {
		assert.Equal(t, balancer.Failure, o.Outcome)
		assertRoundTrip(t, o.Latency)
	}
	for _, o := range observed[3] {
		assert.Equal(t, observation{Outcome: balancer.Ignored, Latency: 2 * time.Second, Now: o.Now}, o)
	}
	busy := 0
	for _, o := range observed[4] { // one at a time meets its deadline
		if o.Outcome == balancer.Busy {
			busy++
			assertRoundTrip(t, o.Latency)
		} else {
			assert.Equal(t, balancer.Ignored, o.Outcome)
		}
	}
	assert.Greater(t, busy, len(observed[4])/2)
}

// A server does not work on for callers that have given up.
func TestCancellationReachesTheServer(t *testing.T) {
	sim, observed := simulate(t, Scenario{
		Servers: []Servers{{Count: 1, Cores: 100}}, Load: 0.01,
		Calls: []Calls{{Mean: 10 * time.Second, Work: Constant}}, Deadline: time.Second,
		Warmup: time.Second, Measured: 300 * time.Second,
	})
	calls := len(observed[0])
	require.Greater(t, calls, 10)
	used := time.Duration(sim.servers[0].used)
	assert.GreaterOrEqual(t, used, time.Duration(calls)*(time.Second-time.Millisecond))
	assert.LessOrEqual(t, used, time.Duration(calls)*(time.Second+time.Millisecond))
}

// A crash takes along what the server was working on.
func TestCrashFailsWhatIsInFlight(t *testing.T) {
	_, observed := simulate(t, Scenario{
		Servers: []Servers{{Count: 1, Cores: 100, Course: Between(5*time.Second, 0, State{Down: true})}}, Load: 0.1,
		Calls: []Calls{{Mean: 10 * time.Second, Work: Constant}}, Deadline: time.Minute,
		Warmup: time.Second, Measured: 3 * time.Second,
	})
	require.Greater(t, len(observed[0]), 1)
	for _, o := range observed[0] {
		assert.Equal(t, balancer.Failure, o.Outcome)
		assert.InDelta(t, float64(epoch+5*time.Second), float64(o.Now), float64(time.Millisecond))
	}
}

// Five failures in a row eject a server, but only so many servers.
func TestEjection(t *testing.T) {
	_, observed := simulate(t, Scenario{
		Servers: []Servers{{Count: 12}, {Count: 3, Course: Always(State{Failing: true})}}, Load: 0.3,
		Eject: true, Warmup: time.Second, Measured: 15 * time.Second,
	})
	var ejected, kept int
	for _, entries := range observed[12:] {
		if len(entries) <= 5+1 { // one more was under way
			ejected++
		} else {
			kept++
		}
	}
	assert.Equal(t, 1, ejected, "a tenth of 15")
	assert.Equal(t, 2, kept)
	for _, entries := range observed[:12] {
		assert.Greater(t, len(entries), 20)
	}
}

// A server that is no longer listed gets no calls, once the client knows.
func TestRegistryLag(t *testing.T) {
	_, observed := simulate(t, Scenario{
		Servers: []Servers{{Count: 2}, {Count: 1, Course: Between(5*time.Second, 0, State{Absent: true})}}, Load: 0.3,
		Warmup: time.Second, Measured: 9 * time.Second, Lag: 2 * time.Second,
	})
	var last time.Duration
	for _, o := range observed[2] {
		last = max(last, o.Now-o.Latency)
	}
	assert.Greater(t, last, epoch+4*time.Second)
	assert.Less(t, last, epoch+7*time.Second)
	assert.Greater(t, len(observed[0]), len(observed[2])*3/2)
}
