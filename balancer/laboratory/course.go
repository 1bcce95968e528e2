package laboratory

import (
	"math/rand/v2"
	"slices"
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

// Antagonists is the course of servers that share their machines with others,
// and may use what those leave of it, for a while of a given mean: one of the
// states in room, each as likely as the others. Before every fifth such while
// it is half of their allocation, for 0.3 s.
//
// Without any room they have three times their allocation, one and a half times,
// or no more than the allocation itself, with probabilities of 2:2:1 and at
// speeds of 1, 0.9 and 0.7, which comes to 1.85 times the allocation if they
// change every few seconds. The shape is that of the test bed of the Prequal
// paper.
func Antagonists(mean time.Duration, room ...State) Course {
	if len(room) == 0 {
		room = append(room, repeat(2, State{Cores: 3})...)
		room = append(room, repeat(2, State{Cores: 1.5, Speed: 0.9})...)
		room = append(room, State{Speed: 0.7})
	}
	return func(_, _ int, until time.Duration, chance *rand.Rand) (changes []Change) {
		for at := time.Duration(0); at < until; {
			if chance.IntN(5) == 0 {
				changes = append(changes, Change{at, State{Cores: 0.5, Speed: 0.7}})
				at += 300 * time.Millisecond
			}
			changes = append(changes, Change{at, room[chance.IntN(len(room))]})
			at += time.Duration(chance.ExpFloat64() * float64(mean))
		}
		return changes
	}
}

func repeat(n int, s State) []State { return slices.Repeat([]State{s}, n) }

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

// Joining is the course of servers that do not exist before some time, and are
// cold then: at a fifth of their speed for 10 s.
func Joining(at time.Duration) Course {
	return func(int, int, time.Duration, *rand.Rand) []Change {
		return []Change{{0, State{Absent: true, Down: true}}, {at, cold}, {at + warmAfter, State{}}}
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
