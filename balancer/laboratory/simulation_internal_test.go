package laboratory

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
)

// A single core with Poisson calls of exponential work is an M/M/1 queue with
// processor sharing. Its mean response time is work / (1 - load).
func TestMeanOfMM1(t *testing.T) {
	const load, seconds = 0.5, 2000
	s := Scenario{
		Name: "mm1", Clients: 1, Servers: []Servers{{Count: 1, Cores: 1}}, Load: load,
		Calls:    []Calls{{Mean: 10 * time.Millisecond, Work: Exponential}},
		Deadline: time.Minute, Network: time.Nanosecond, Warmup: time.Second, Measured: seconds * time.Second,
	}.withDefaults()
	require.NoError(t, s.check())
	r := try(s, Candidate{Name: "Random", Policy: balancer.Random}, Options{})

	// By Little's law the mean is that of the number in the system over the
	// rate. Over a time t, the variance of the mean number is
	// 2·ρ(1+ρ) / ((1-ρ)⁴·μ·t) (Whitt, "Planning queueing simulations", 1989),
	// here 2·0.75/(0.0625·100·2000) = 1.2e-4, so a standard deviation of 1.1 % of
	// the mean number, 1. Five of them are met by chance once in 1.7 million.
	assert.InEpsilon(t, (10*time.Millisecond).Seconds()/(1-load), r.Mean.Seconds(), 0.055)
	assert.InEpsilon(t, load*100*seconds, r.Calls, 5*0.0032) // of 100,000 ± 316
	assert.Zero(t, r.Failed)
}

// A book counts what an endpoint's meter is told.
type book struct{ begun, observed, twice, ended, reports atomic.Int64 }

func (b *book) Begin(balancer.Attempt)                     { b.begun.Add(1) }
func (b *book) End(balancer.Attempt)                       { b.ended.Add(1) }
func (b *book) Report(*balancer.Endpoint, balancer.Report) { b.reports.Add(1) }
func (b *book) Observe(a balancer.Attempt, _ balancer.Outcome, _ time.Duration) {
	b.observed.Add(1)
	if a.Answered() {
		b.twice.Add(1)
	}
}

var books = balancer.NewKey[book]()

// Whatever befalls them, every attempt is observed and ended once, and nothing
// is left in flight.
func TestNothingIsLeftBehind(t *testing.T) {
	var endpoints []*balancer.Endpoint
	seen := make(map[*balancer.Endpoint]bool)
	kept := func(set balancer.Set) balancer.Picker {
		for _, e := range set.All {
			books.Of(e)
			if !seen[e] {
				seen[e] = true
				endpoints = append(endpoints, e)
			}
		}
		next := balancer.LeastRequest(set)
		return balancer.PickerFunc(func(info balancer.PickInfo) (*balancer.Endpoint, error) {
			e, err := next.Pick(info)
			assert.NotContains(t, info.Tried, e)
			assert.Contains(t, set.Available, e)
			set.Available[0].Service().Probe(e)
			return e, err
		})
	}
	s := Scenario{
		Name: "everything", Clients: 5, Load: 1.2, Retries: 2, Eject: true, Deadline: 300 * time.Millisecond,
		Servers: []Servers{
			{Count: 3, Course: Crashing(3 * time.Second)},
			{Count: 3, Course: Replaced(time.Second, 5*time.Second)},
			{Count: 2, Course: Antagonists(time.Second), Limit: 3},
			{Count: 1, Course: Always(State{Failing: true})},
			{Count: 1, Course: Between(2*time.Second, 3*time.Second, State{Silent: true})},
			{Count: 1, Course: Joining(3 * time.Second)},
		},
		Warmup: time.Second, Measured: 20 * time.Second,
	}.withDefaults()
	require.NoError(t, s.check())
	sim := newSimulation(s, Candidate{Name: "kept", Policy: kept, Reports: true, Probes: true}, 1)
	sim.run()

	require.Greater(t, sim.begun, 2000)
	assert.Equal(t, sim.begun, sim.ended)
	assert.Len(t, sim.freeCalls, len(sim.calls), "calls that are over")
	assert.Len(t, sim.freeTries, len(sim.attempts), "attempts that are over")
	assert.Len(t, sim.reports.free, len(sim.reports.all), "reports that have arrived")
	for i := range sim.servers {
		assert.Empty(t, sim.servers[i].jobs)
	}
	var begun, reports int64
	for _, e := range endpoints {
		b := books.Of(e)
		assert.Zero(t, e.InFlight())
		assert.Equal(t, b.begun.Load(), b.observed.Load())
		assert.Equal(t, b.begun.Load(), b.ended.Load())
		assert.Zero(t, b.twice.Load())
		begun += b.begun.Load()
		reports += b.reports.Load()
	}
	assert.EqualValues(t, sim.begun, begun)
	assert.Greater(t, reports, begun, "from responses and probes")
	assert.Greater(t, len(endpoints), 5*11, "a copy that comes back is new")
	total := 0
	for _, slice := range sim.tally.slices {
		total += slice.Attempts
	}
	assert.Equal(t, sim.begun, total)
}

// All candidates meet the same calls, of the same work at the same times, and
// the same courses.
func TestCommonChance(t *testing.T) {
	type world struct {
		times  []time.Duration
		works  []float64
		states []State
	}
	meet := func(policy balancer.Policy) (w world) {
		s := Scenario{
			Name: "common", Clients: 3, Load: 0.8,
			Servers: []Servers{{Count: 5, Course: Antagonists(time.Second)}},
			Calls: []Calls{{Work: func(chance *rand.Rand) float64 {
				w.works = append(w.works, Normal(chance))
				return w.works[len(w.works)-1]
			}}},
			Warmup: time.Second, Measured: 5 * time.Second,
		}.withDefaults()
		sim := newSimulation(s, Candidate{Policy: func(set balancer.Set) balancer.Picker {
			next := policy(set)
			return balancer.PickerFunc(func(info balancer.PickInfo) (*balancer.Endpoint, error) {
				w.times = append(w.times, info.Now)
				return next.Pick(info)
			})
		}}, 7)
		for i := range sim.servers {
			for _, c := range sim.servers[i].course {
				w.states = append(w.states, c.State)
			}
		}
		sim.run()
		return w
	}
	a, b := meet(balancer.Random), meet(balancer.ShortestExpectedDelay)
	assert.Equal(t, a, b)
	assert.Greater(t, len(a.times), 500)
	assert.Len(t, a.works, len(a.times))
	assert.Greater(t, len(a.states), 10)
}

// What antagonists leave is what the documentation says.
func TestRoomLeftByAntagonists(t *testing.T) {
	const until = 100_000 * time.Second
	changes := Antagonists(3*time.Second)(0, 1, until, rand.New(rand.NewPCG(1, 2)))
	var room float64
	for i, c := range changes {
		end := until
		if i+1 < len(changes) {
			end = changes[i+1].At
		}
		room += or(c.State.Cores, 1) * or(c.State.Speed, 1) * (end - c.At).Seconds()
	}
	assert.InDelta(t, 1.85, room/until.Seconds(), 0.05)
}

// Work has the mean that it is said to have.
func TestWorkHasMeanOne(t *testing.T) {
	// The seed is fixed. With 200,000 samples and a standard deviation of less
	// than 2, a mean that is off by 0.03 would be off by 6 standard errors.
	for name, work := range map[string]func(*rand.Rand) float64{
		"Normal": Normal, "Exponential": Exponential, "Constant": Constant, "LogNormal": LogNormal(1.2),
	} {
		chance, sum, least := rand.New(rand.NewPCG(1, 2)), 0.0, 1.0
		for range 200_000 {
			x := work(chance)
			least = min(least, x)
			sum += x
		}
		assert.GreaterOrEqual(t, least, 0.0)
		assert.InDelta(t, 1, sum/200_000, 0.03, name)
	}
}
