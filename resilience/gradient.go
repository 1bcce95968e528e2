package resilience

import "math"

const (
	gradientSmoothing = 0.2
	gradientHeadroom  = 4   // calls that may queue at the server
	gradientWindow    = 600 // samples that the long latency is averaged over
	gradientWarmup    = 10  // samples of which it is the plain mean at first
	gradientDrift     = 0.95
	gradientBackoff   = 0.9 // by a drop
)

// A gradient is the arithmetic of an [AdaptiveLimit]: Gradient2 of Netflix's
// concurrency-limits. Drops, which Gradient2 leaves aside, are treated as AIMD
// of the same library treats them.
type gradient struct {
	min, max, tolerance float64

	limit   float64
	long    float64 // average latency
	samples int     // in long, up to gradientWarmup
}

// sample takes the mean latency of a window, in any unit, and the greatest
// number of calls that were in flight in it.
func (g *gradient) sample(short float64, inFlight int) {
	if g.samples < gradientWarmup {
		g.samples++
		g.long += (short - g.long) / float64(g.samples)
	} else {
		g.long += (short - g.long) * 2 / (gradientWindow + 1)
	}
	// After a long illness the average would take as long to recover, and
	// bear with twice the latency all the while.
	ratio := g.long / short
	if ratio > 2 {
		g.long *= gradientDrift
	}
	if float64(inFlight) < g.limit/2 {
		return // what is not used proves nothing
	}
	slope := min(max(g.tolerance*ratio, 0.5), 1)
	g.set((1-gradientSmoothing)*g.limit + gradientSmoothing*(g.limit*slope+gradientHeadroom))
}

// drop takes note of a window with calls that the server refused or lost.
func (g *gradient) drop() { g.set(gradientBackoff * g.limit) }

func (g *gradient) set(limit float64) { g.limit = min(max(limit, g.min), g.max) }

// calls returns the limit in whole calls.
func (g *gradient) calls() int { return int(math.Floor(g.limit)) }
