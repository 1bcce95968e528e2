package laboratory

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// A Scenario is a fleet of servers, its callers, and what befalls them. It may
// be copied, and run several times at once.
type Scenario struct {
	// Name tells it from the others, in lower case with hyphens. Scenarios of
	// different names have different chance.
	Name string

	// About says in one line what it shows.
	About string

	// Clients is the number of clients, each of which balances on its own and
	// makes the same share of the calls. Default: 50.
	Clients int

	// Servers are groups of copies. At least one copy is required.
	Servers []Servers

	// Load is how much work the calls bring, as a share of what all servers can
	// do that are neither slowed down nor helped by a Course: the sum of
	// Count · Cores · Speed. Required.
	Load float64

	// Calls are the kinds of calls. Default: one kind, of [Normal] work.
	Calls []Calls

	// Deadline is how long a caller waits. Default: 2 s.
	Deadline time.Duration

	// Network is the mean time from a client to a server, and back. Default:
	// 0.5 ms.
	Network time.Duration

	// Lag is the longest time until a client learns that a server is listed or
	// not any more. Default: 1 s.
	Lag time.Duration

	// Retries is how many further attempts a call may make, on other servers,
	// after failures and busy answers. Zero means none.
	Retries int

	// Eject has clients leave a server alone for 30 s after five failures in a
	// row, for longer each time, unless more than a tenth of the servers would
	// be left alone; one always may be.
	Eject bool

	// Warmup is how long it runs before calls are counted, and Measured how
	// long after. Defaults: 12 s and 12 s. Calls that arrive while it is
	// measured are followed to their end.
	Warmup, Measured time.Duration

	streams string // the name that chance goes by
}

// AtLoads returns the scenario at several loads instead of its own, as ones of
// their own. They have the same chance.
func (s Scenario) AtLoads(loads ...float64) []Scenario {
	all := make([]Scenario, len(loads))
	for i, load := range loads {
		all[i] = s
		all[i].streams = or(s.streams, s.Name)
		all[i].Name = fmt.Sprintf("%s@%.0f%%", s.Name, 100*load)
		all[i].Load = load
	}
	return all
}

// Servers are a group of copies that are alike.
type Servers struct {
	// Count is the number of copies. Zero means none.
	Count int

	// Cores is how many cores each has, of which a call uses one at most.
	// Default: 2.
	Cores float64

	// Speed is how much work a core does in a second, in seconds. Default: 1.
	Speed float64

	// Weight is what the registry says of each. Default: 1.
	Weight uint32

	// Limit is how many calls each works on at a time. It turns others away at
	// once, as [balancer.Busy]. Zero means any number.
	Limit int

	// Bad marks copies that a good policy leaves alone, to count their share of
	// the calls.
	Bad bool

	// Course says what befalls each copy. Nil means nothing.
	Course Course
}

// Calls are a kind of calls.
type Calls struct {
	// Class is its name, for policies that know classes. Empty means none.
	Class string

	// Share is how many of all calls are of this kind, relative to the others.
	// Default: 1.
	Share float64

	// Mean is the mean work of one on a core of speed 1. Default: 50 ms.
	Mean time.Duration

	// Work draws the work of a call, as a multiple of the mean; its own mean
	// must be 1. Default: [Normal].
	Work func(chance *rand.Rand) float64
}

// Normal is work that varies widely but has no long tail: a normal distribution
// whose standard deviation is its mean, without what is below 0, as in the test
// bed of the Prequal paper (Wydrowski et al., NSDI 2024).
func Normal(chance *rand.Rand) float64 {
	// The mean of what is left is 1 + φ(1)/Φ(1) of the normal distribution.
	const mean = 1 + 0.241970725/0.841344746
	for {
		if x := 1 + chance.NormFloat64(); x > 0 {
			return x / mean
		}
	}
}

// Exponential is work that is short as a rule, and ten times the mean in one
// call of 22,000.
func Exponential(chance *rand.Rand) float64 { return chance.ExpFloat64() }

// Constant is work that is the same for each call.
func Constant(*rand.Rand) float64 { return 1 }

// LogNormal is work with a heavy tail: with a sigma of 1.2, a call in a hundred
// takes eight times the mean or more.
func LogNormal(sigma float64) func(*rand.Rand) float64 {
	return func(chance *rand.Rand) float64 {
		return math.Exp(sigma*chance.NormFloat64() - sigma*sigma/2)
	}
}

// withDefaults returns the scenario with all that has been left out.
func (s Scenario) withDefaults() Scenario {
	s.Clients = or(s.Clients, 50)
	s.Deadline = or(s.Deadline, 2*time.Second)
	s.Network = or(s.Network, 500*time.Microsecond)
	s.Lag = or(s.Lag, time.Second)
	s.Warmup = or(s.Warmup, 12*time.Second)
	s.Measured = or(s.Measured, 12*time.Second)
	s.streams = or(s.streams, s.Name)

	servers := s.Servers
	s.Servers = nil
	for _, g := range servers {
		g.Cores = or(g.Cores, 2)
		g.Speed = or(g.Speed, 1)
		s.Servers = append(s.Servers, g)
	}
	calls := s.Calls
	if len(calls) == 0 {
		calls = []Calls{{}}
	}
	s.Calls = nil
	for _, c := range calls {
		c.Share = or(c.Share, 1)
		c.Mean = or(c.Mean, 50*time.Millisecond)
		if c.Work == nil {
			c.Work = Normal
		}
		s.Calls = append(s.Calls, c)
	}
	return s
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// maxRate is how many calls per second there may be, so that the time between
// them does not vanish.
const maxRate = 1e7

// check reports what cannot be simulated of a scenario with its defaults.
func (s Scenario) check() error {
	wrong := func(what string, args ...any) error {
		return fmt.Errorf("laboratory: scenario %q: %s", s.Name, fmt.Sprintf(what, args...))
	}
	if s.Retries < 0 {
		return wrong("Retries is %d", s.Retries)
	}
	if s.Name == "" {
		return errors.New("laboratory: a scenario without a name")
	}
	for _, v := range []struct {
		name  string
		value float64
	}{
		{"Clients", float64(s.Clients)}, {"Load", s.Load}, {"Deadline", float64(s.Deadline)}, {"Network", float64(s.Network)},
		{"Lag", float64(s.Lag)}, {"Warmup", float64(s.Warmup)}, {"Measured", float64(s.Measured)},
	} {
		if !(v.value > 0) || math.IsInf(v.value, 1) {
			return wrong("%s is %v, which is not a positive number", v.name, v.value)
		}
	}
	for i, g := range s.Servers {
		if g.Count < 0 || g.Limit < 0 || !(g.Cores > 0) || !(g.Speed > 0) || math.IsInf(g.Cores*g.Speed, 1) {
			return wrong("servers %d: Count %d, Cores %v, Speed %v, Limit %d", i, g.Count, g.Cores, g.Speed, g.Limit)
		}
	}
	for i, c := range s.Calls {
		if !(c.Share > 0) || math.IsInf(c.Share, 1) || c.Mean <= 0 {
			return wrong("calls %d: Share %v, Mean %v", i, c.Share, c.Mean)
		}
	}
	if !(s.capacity() > 0) {
		return wrong("no servers")
	}
	if s.rate() > maxRate {
		return wrong("%.3g calls per second are more than %.3g", s.rate(), maxRate)
	}
	return nil
}

// capacity is the work that all servers can do, in seconds per second.
func (s Scenario) capacity() (sum float64) {
	for _, g := range s.Servers {
		sum += float64(g.Count) * g.Cores * g.Speed
	}
	return sum
}

// rate is the number of calls per second.
func (s Scenario) rate() float64 {
	var work, shares float64
	for _, c := range s.Calls {
		work += c.Share * c.Mean.Seconds()
		shares += c.Share
	}
	return s.Load * s.capacity() * shares / work
}
