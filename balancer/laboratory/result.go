package laboratory

import (
	"math"
	"slices"
	"time"
)

// A Result is how one candidate fared in one scenario. Calls are those that
// arrived while it was measured.
type Result struct {
	Scenario  string
	Candidate string

	// Calls is the number of calls, and Failed how many of them, as a share,
	// had no successful answer by their deadline.
	Calls  int
	Failed float64

	// The mean and quantiles of the time that calls took, exact. One that failed counts as
	// one that took until its deadline, however fast it failed.
	Mean, P50, P90, P99, P999 time.Duration

	// Attempts and Probes are how many of them there were for each call.
	Attempts, Probes float64

	// HasBad reports whether servers were marked as bad; BadShare is the share
	// of all attempts that went to them.
	HasBad   bool
	BadShare float64

	// Spread is the coefficient of variation of the attempts on each server:
	// the standard deviation over the mean. 0 means that each had as many as
	// the others.
	Spread float64

	// InFlight99 is the 99th percentile of the number of attempts that a server
	// had when another arrived.
	InFlight99 int

	// Slices are what happened in each half second from the start, warm-up
	// included, and summed up over all runs.
	Slices []Slice
}

// SliceTime is how long a [Slice] is.
const SliceTime = 500 * time.Millisecond

// A Slice is a part of a simulation.
type Slice struct {
	Attempts int // begun in it
	Bad      int // of them on servers that are marked as bad
	Calls    int // that ended in it
	Failed   int // of them without a successful answer
}

// tally counts what happens.
type tally struct {
	deadline  time.Duration
	latencies []time.Duration
	failed    int
	attempts  int
	bad       int
	probes    int
	perServer []int
	inFlight  []int // how often there were so many
	slices    []Slice

	// The sum of the spreads of all runs, and how many there were.
	spread float64
	runs   int
}

func (t *tally) init(s *simulation) {
	t.deadline = s.scenario.Deadline
	t.perServer = make([]int, len(s.servers))
	t.slices = make([]Slice, (s.end+s.scenario.Deadline)/SliceTime+1)
	t.latencies = make([]time.Duration, 0, int(1.1*s.scenario.rate()*s.scenario.Measured.Seconds()))
}

func (t *tally) slice(now time.Duration) *Slice {
	return &t.slices[min(int(now/SliceTime), len(t.slices)-1)]
}

// sent: an attempt has begun.
func (t *tally) sent(now time.Duration, server int32, bad, measured bool) {
	slice := t.slice(now)
	slice.Attempts++
	if bad {
		slice.Bad++
	}
	if !measured {
		return
	}
	t.attempts++
	t.perServer[server]++
	if bad {
		t.bad++
	}
}

// arrived: an attempt meets others at its server.
func (t *tally) arrived(others int) {
	for others >= len(t.inFlight) {
		t.inFlight = append(t.inFlight, 0)
	}
	t.inFlight[others]++
}

// finished: a call is over.
func (t *tally) finished(now time.Duration, c *call, success bool) {
	slice := t.slice(now)
	slice.Calls++
	latency := now - c.start
	if !success {
		slice.Failed++
		latency = t.deadline
	}
	if !c.measured {
		return
	}
	t.latencies = append(t.latencies, latency)
	if !success {
		t.failed++
	}
}

// add takes the counts of another run of the same.
func (t *tally) add(other *tally) {
	t.latencies = append(t.latencies, other.latencies...)
	t.failed += other.failed
	t.attempts += other.attempts
	t.bad += other.bad
	t.probes += other.probes
	t.spread += other.spread
	t.runs += other.runs
	for len(t.inFlight) < len(other.inFlight) {
		t.inFlight = append(t.inFlight, 0)
	}
	for i, n := range other.inFlight {
		t.inFlight[i] += n
	}
	for i := range t.slices {
		t.slices[i].add(other.slices[i])
	}
}

func (s *Slice) add(other Slice) {
	s.Attempts += other.Attempts
	s.Bad += other.Bad
	s.Calls += other.Calls
	s.Failed += other.Failed
}

func (t *tally) result() Result {
	slices.Sort(t.latencies)
	var sum float64
	for _, l := range t.latencies {
		sum += float64(l)
	}
	calls := float64(max(1, len(t.latencies)))
	return Result{
		Calls:      len(t.latencies),
		Failed:     float64(t.failed) / calls,
		Mean:       time.Duration(sum / calls),
		P50:        quantile(t.latencies, 0.5),
		P90:        quantile(t.latencies, 0.9),
		P99:        quantile(t.latencies, 0.99),
		P999:       quantile(t.latencies, 0.999),
		Attempts:   float64(t.attempts) / calls,
		Probes:     float64(t.probes) / calls,
		BadShare:   float64(t.bad) / float64(max(1, t.attempts)),
		Spread:     t.spread / float64(max(1, t.runs)),
		InFlight99: quantileOfCounts(t.inFlight, 0.99),
		Slices:     t.slices,
	}
}

// quantile returns the least value that a share q of all is not above.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

func quantileOfCounts(counts []int, q float64) int {
	all := 0
	for _, n := range counts {
		all += n
	}
	rank := int(math.Ceil(q * float64(all)))
	for value, n := range counts {
		if rank -= n; rank <= 0 {
			return value
		}
	}
	return 0
}

func variation(counts []int) float64 {
	var sum, squares float64
	for _, n := range counts {
		sum += float64(n)
		squares += float64(n) * float64(n)
	}
	if sum == 0 {
		return 0
	}
	mean := sum / float64(len(counts))
	return math.Sqrt(max(0, squares/float64(len(counts))-mean*mean)) / mean
}
