package laboratory

import (
	"math"
	"slices"
	"time"

	"github.com/namesake-go/namesake/balancer"
)

const (
	// statsTau is over about how long a server averages its rates and its
	// utilization.
	statsTau = 3 * time.Second

	// kept is how many samples there are for each number in flight, and of how
	// many at least the latency is the median, as far as there are that many.
	kept = 5

	// highest is where these numbers end: above, they are taken together.
	highest = 1023
)

// stats are what a server knows of its load besides what it works on.
type stats struct {
	since       time.Duration // of the rates
	measured    time.Duration // since when the utilization has not been
	used        float64       // ns of core time, then
	utilization float64       // share of the allocation
	rate        float64       // per second
	errors      float64       // per second
	service     float64       // ns

	levels []level // by the number of others that a call met
	count  int     // of samples, ever
}

// A level is what calls took that met the same number of others: the latest of
// them.
type level struct {
	recent [kept]time.Duration
	count  int // ever
}

// A sample is an answered call: how many others there were when it arrived, and
// how long it took.
type sample struct {
	inFlight int
	latency  time.Duration
}

// answered enters a call that has been answered, and that would have taken so
// long alone.
func (s *stats) answered(now time.Duration, call sample, alone float64) {
	s.fade(now)
	s.rate += 1 / statsTau.Seconds()
	if s.count == 0 {
		s.service = alone
	}
	s.service += (alone - s.service) / 10
	at := min(call.inFlight, highest)
	for len(s.levels) <= at {
		s.levels = append(s.levels, level{})
	}
	l := &s.levels[at]
	l.recent[l.count%kept] = call.latency
	l.count++
	s.count++
}

// failed enters a call that has failed or been turned away.
func (s *stats) failed(now time.Duration) {
	s.fade(now)
	s.rate += 1 / statsTau.Seconds()
	s.errors += 1 / statsTau.Seconds()
}

// fade has the rates forget.
func (s *stats) fade(now time.Duration) {
	if now == s.since {
		return
	}
	left := math.Exp(-float64(now-s.since) / float64(statsTau))
	s.rate *= left
	s.errors *= left
	s.since = now
}

// utilization is the share of its allocation that a server has used of late.
func (s *server) utilization(now time.Duration) float64 {
	t := &s.stats
	if dt := float64(now - t.measured); dt > 0 {
		share := (s.used - t.used) / dt / s.as.Cores
		t.utilization += (share - t.utilization) * (1 - math.Exp(-dt/float64(statsTau)))
		t.measured, t.used = now, s.used
	}
	return t.utilization
}

// report is what a server says of itself after it has advanced.
func (s *server) report(now time.Duration) balancer.Report {
	s.stats.fade(now)
	return balancer.Report{
		Utilization: s.utilization(now),
		Rate:        s.stats.rate,
		Errors:      s.stats.errors,
		InFlight:    float64(len(s.jobs)),
		HasInFlight: true,
		Latency:     s.stats.latency(len(s.jobs)),
		ServiceTime: time.Duration(s.stats.service),
	}
}

// latency is how long a call would take that arrived now: the median of the
// latest that met as many others. If these are not enough, those that met one
// more or less count as well, and so on.
func (s *stats) latency(inFlight int) time.Duration {
	if s.count == 0 {
		return 0
	}
	var space [3 * kept]time.Duration
	near := space[:0]
	at := min(inFlight, highest)
	for off := 0; len(near) < kept && (at-off >= 0 || at+off < len(s.levels)); off++ {
		near = s.take(near, at-off)
		if off > 0 {
			near = s.take(near, at+off)
		}
	}
	slices.Sort(near)
	return near[len(near)/2]
}

// take adds the samples of a level, if there is such a level.
func (s *stats) take(near []time.Duration, at int) []time.Duration {
	if at < 0 || at >= len(s.levels) {
		return near
	}
	l := &s.levels[at]
	return append(near, l.recent[:min(l.count, kept)]...)
}
