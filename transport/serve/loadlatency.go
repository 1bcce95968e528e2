package serve

import (
	"math/bits"
	"slices"
	"sync"
	"time"
)

const (
	// latencySamples are kept for each number of calls in flight, and
	// latencyEnough of them make a median. Older ones than latencyAge say
	// nothing of the present.
	latencySamples = 8
	latencyEnough  = 5
	latencyAge     = 10 * time.Second

	// Numbers below exactLevels have a level each. Above, each octave has
	// octaveLevels, up to a million.
	exactLevels  = 16
	octaveLevels = 8
	maxLevel     = 1<<20 - 1
	levels       = exactLevels + (20-4)*octaveLevels
)

// latencies are those of recent calls, by how many others were in flight when
// they arrived.
type latencies struct{ levels [levels]latencyLevel }

type latencyLevel struct {
	mu      sync.Mutex // held for a few copies
	samples [latencySamples]latencySample
	count   int
}

type latencySample struct{ at, latency time.Duration }

// levelOf returns the level of a number of calls.
func levelOf(inFlight int) int {
	n := uint(min(max(inFlight, 0), maxLevel))
	if n < exactLevels {
		return int(n)
	}
	length := bits.Len(n) // 5 or more, and the 3 bits below the first count
	return exactLevels + (length-5)*octaveLevels + int(n>>(length-4))%octaveLevels
}

// add enters the latency of a call that has ended.
func (l *latencies) add(others int, now, latency time.Duration) {
	level := &l.levels[levelOf(others)]
	level.mu.Lock()
	defer level.mu.Unlock()
	level.samples[level.count%latencySamples] = latencySample{now, latency}
	level.count++
}

// at returns the median of the latest samples at a level, and at those nearest
// to it if they are few; 0 if there are none.
func (l *latencies) at(inFlight int, now time.Duration) time.Duration {
	var space [2*latencySamples + latencyEnough]time.Duration
	found := space[:0]
	level := levelOf(inFlight)
	for distance := 0; distance < levels && len(found) < latencyEnough; distance++ {
		if i := level - distance; i >= 0 {
			found = l.levels[i].recent(found, now)
		}
		if i := level + distance; distance > 0 && i < levels {
			found = l.levels[i].recent(found, now)
		}
	}
	if len(found) == 0 {
		return 0
	}
	slices.Sort(found)
	return (found[(len(found)-1)/2] + found[len(found)/2]) / 2
}

// recent appends what is recent.
func (l *latencyLevel) recent(to []time.Duration, now time.Duration) []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.samples[:min(l.count, latencySamples)] {
		if now-s.at <= latencyAge {
			to = append(to, s.latency)
		}
	}
	return to
}
