package laboratory

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// The latency is that of calls that met as many others, as far as there are
// enough of them.
func TestLatencyForAsManyInFlight(t *testing.T) {
	var s stats
	assert.Zero(t, s.latency(3))
	s.answered(0, sample{inFlight: 8, latency: 80}, 1)
	assert.Equal(t, time.Duration(80), s.latency(0), "the only one there is")
	for range 7 {
		s.answered(0, sample{inFlight: 1, latency: 10}, 1)
		s.answered(0, sample{inFlight: 4, latency: 40}, 1)
	}
	assert.Equal(t, time.Duration(10), s.latency(1))
	assert.Equal(t, time.Duration(10), s.latency(0))
	assert.Equal(t, time.Duration(40), s.latency(4))
	assert.Equal(t, time.Duration(40), s.latency(100))
	for range 3 {
		s.answered(0, sample{inFlight: 4, latency: 400}, 1)
	}
	assert.Equal(t, time.Duration(400), s.latency(4), "the latest count")
	assert.Equal(t, time.Duration(10), s.latency(1), "others do not")
	s.answered(0, sample{inFlight: 5000, latency: 5}, 1)
	assert.Equal(t, time.Duration(80), s.latency(2000), "the median of 5, 80, and the five at 4")
	assert.Len(t, s.levels, highest+1)
}

// A server that uses three of its two cores, because it may, and answers ten
// calls a second of which one fails says so.
func TestRates(t *testing.T) {
	s := server{as: Servers{Cores: 2, Speed: 1}}
	s.enter(State{Cores: 2})
	for id := range int32(3) {
		s.add(id, 1e18)
	}
	for i := range 300 {
		now := time.Duration(i+1) * 100 * time.Millisecond
		s.advance(now)
		if i%10 == 0 {
			s.stats.failed(now)
		} else {
			s.stats.answered(now, sample{}, 5e6)
		}
	}
	r := s.report(30 * time.Second)
	// After ten time constants, what is missing is e^-10; a sum of samples each
	// 0.1 s differs from an integral by half a sample in 30, and the failures,
	// one a second, by half of one in three.
	assert.InDelta(t, 1.5, r.Utilization, 0.001)
	assert.InDelta(t, 10, r.Rate, 0.2)
	assert.InDelta(t, 1, r.Errors, 0.2)
	assert.Equal(t, 5*time.Millisecond, r.ServiceTime)
	assert.True(t, r.HasInFlight)
	assert.InDelta(t, 3, r.InFlight, 0)
}
