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

	// enough is of how many samples the latency of a server is the median, as
	// far as there are that many.
	enough = 7
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

	recent [64]sample
	count  int // of samples, ever
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
	s.recent[s.count%len(s.recent)] = call
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
// latest that found about as many others. Those that found exactly as many
// come first, then those one off, two, four, and so on.
func (s *stats) latency(inFlight int) time.Duration {
	n := min(s.count, len(s.recent))
	var near [enough]time.Duration
	for off := 0; ; off = max(1, 2*off) {
		found := 0
		for i := 1; i <= n && found < enough; i++ {
			r := &s.recent[(s.count-i)%len(s.recent)]
			if d := r.inFlight - inFlight; d <= off && d >= -off {
				near[found] = r.latency
				found++
			}
		}
		if found == min(n, enough) { // all of them, at the latest
			if found == 0 {
				return 0
			}
			slices.Sort(near[:found])
			return near[found/2]
		}
	}
}
