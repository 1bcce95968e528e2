package laboratory

import (
	"math/rand/v2"
	"time"
)

// A State is what a server can do for the time being. The zero value is a
// server as its [Servers] describe it.
type State struct {
	// Cores and Speed multiply those of the server. Zero means 1.
	Cores, Speed float64

	// Failing has it answer every call at once with a failure, those that it
	// was working on included. It still answers probes.
	Failing bool

	// Down says that it is not there: all calls fail at once, those that it was
	// working on included, and probes have no answer.
	Down bool

	// Silent has it answer nothing, neither calls nor probes, nor go on with
	// its work. What it has when it recovers, it then goes on with.
	Silent bool

	// Absent takes it from the registry. It still works on what it gets.
	Absent bool
}

// A Change is when a server begins to be in a state, since the start of the
// simulation.
type Change struct {
	At    time.Duration
	State State
}

// A Course says what befalls one copy of a group, the nth of count: its changes
// in order of time, until the simulation ends at all. Chance is a stream of
// its own for each copy.
type Course func(nth, count int, until time.Duration, chance *rand.Rand) []Change

// Always is the course of servers that are in one state from start to end.
func Always(s State) Course { return Between(0, 0, s) }

// Between is the course of servers that are in a state from one time to
// another, and as they should be before and after. If the second time is not
// after the first, the state stays.
func Between(from, to time.Duration, s State) Course {
	return func(int, int, time.Duration, *rand.Rand) []Change {
		if to <= from {
			return []Change{{At: from, State: s}}
		}
		return []Change{{At: from, State: s}, {At: to}}
	}
}

// Antagonists is the course of servers that share their machines with others.
// They may use what the others leave of it: three times their allocation, one
// and a half times, or no more than the allocation itself, at a core's speed of
// 1, 0.9 and 0.7, for 3 s in the mean. Now and then they have half of their
// allocation, for 0.3 s. In the mean this is 1.85 times the allocation. The
// shape is that of the test bed of the Prequal paper.
func Antagonists(_, _ int, until time.Duration, chance *rand.Rand) (changes []Change) {
	states := []State{{Cores: 3}, {Cores: 3}, {Cores: 1.5, Speed: 0.9}, {Cores: 1.5, Speed: 0.9}, {Speed: 0.7}}
	for at := time.Duration(0); at < until; {
		if chance.IntN(5) == 0 {
			changes = append(changes, Change{at, State{Cores: 0.5, Speed: 0.7}})
			at += 300 * time.Millisecond
		}
		changes = append(changes, Change{at, states[chance.IntN(len(states))]})
		at += time.Duration(chance.ExpFloat64() * float64(3*time.Second))
	}
	return changes
}

// Restless is the course of servers whose speed changes every second, to a
// random multiple between least and most.
func Restless(least, most float64) Course {
	return func(_, _ int, until time.Duration, chance *rand.Rand) (changes []Change) {
		at := time.Duration(chance.Float64() * float64(time.Second))
		for ; at < until; at += time.Second {
			changes = append(changes, Change{at, State{Speed: least + (most-least)*chance.Float64()}})
		}
		return changes
	}
}

// cold is how servers are for a while after they have started.
var cold = State{Speed: 0.2}

const warmAfter = 10 * time.Second

// Replaced is the course of servers that are replaced in turn, evenly from one
// time to another: each leaves the registry, is given three seconds to
// finish, is gone for one, and comes back cold: at a fifth of its speed for
// 10 s.
func Replaced(from, to time.Duration) Course {
	return func(nth, count int, _ time.Duration, _ *rand.Rand) []Change {
		at := from + (to-from)*time.Duration(nth)/time.Duration(count)
		return []Change{
			{at, State{Absent: true}},
			{at + 3*time.Second, State{Absent: true, Down: true}},
			{at + 4*time.Second, cold},
			{at + 4*time.Second + warmAfter, State{}},
		}
	}
}

// Crashing is the course of servers that crash every so often, at random times:
// a crashed one fails whatever it gets, leaves the registry after two seconds,
// and comes back after three, cold: at a fifth of its speed for 10 s.
func Crashing(every time.Duration) Course {
	return func(_, _ int, until time.Duration, chance *rand.Rand) (changes []Change) {
		at := time.Duration(chance.ExpFloat64() * float64(every))
		for at < until {
			changes = append(changes,
				Change{at, State{Down: true}},
				Change{at + 2*time.Second, State{Down: true, Absent: true}},
				Change{at + 3*time.Second, cold},
				Change{at + 3*time.Second + warmAfter, State{}})
			at += 3*time.Second + warmAfter + time.Duration(chance.ExpFloat64()*float64(every))
		}
		return changes
	}
}
