package balancer

import (
	"math"
	"time"
)

// A decaying is a value and the time at which it was that, packed into one
// word so that both change together without a lock.
type decaying struct {
	value float32
	stamp uint32 // see below
}

func unpack(word uint64) decaying {
	return decaying{value: math.Float32frombits(uint32(word >> 32)), stamp: uint32(word)}
}

func (d decaying) pack() uint64 {
	return uint64(math.Float32bits(d.value))<<32 | uint64(d.stamp)
}

// age returns the milliseconds since the value was set, which wrap after 49
// days. A concurrent writer may have set a stamp that lies ahead of now, by less
// than a minute.
func (d decaying) age(now uint32) uint32 {
	age := now - d.stamp
	if age > math.MaxUint32-60_000 {
		return 0
	}
	return age
}

// A rate is how fast a value decays, per millisecond: 1/e of it is left after
// 1/rate.
type rate float64

func rateOf(tau time.Duration) rate { return rate(float64(time.Millisecond) / float64(tau)) }

// at returns what is left of the value now.
func (d decaying) at(now uint32, r rate) float64 {
	return float64(d.value) * d.left(now, r)
}

// left returns the share of the value that is left now.
func (d decaying) left(now uint32, r rate) float64 {
	x := float64(d.age(now)) * float64(r)
	if x < 0.01 {
		// The usual case. The series is right to the precision of a float32,
		// and takes a fraction of the time.
		return 1 - x + x*x/2
	}
	return math.Exp(-x)
}

// stamp is a reading of a clock in milliseconds, of which only differences mean
// anything.
func stamp(now time.Duration) uint32 { return uint32(now / time.Millisecond) }

// tries is how often a word is attempted to be replaced in competition with
// others: a lost sample is harmless, spinning is not.
const tries = 3
