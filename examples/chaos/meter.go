package main

import (
	"slices"
	"sync"
	"time"

	"github.com/namesake-go/namesake/transport"
)

// A meter writes down what happens in a scenario.
type meter struct {
	begin time.Time
	bad   string // the key of the copy that fails; empty if none does, or all do
	fair  float64

	mu         sync.Mutex // guards the rest
	calls      []record
	picks      []choice
	ill, well  time.Duration // when the fault begins and when it is over; 0: not yet
	ejections  int           // of the bad copy
	complaints int           // about the registry
	late       time.Duration // by how much a call began too late, at most
}

// A record is a call that has ended.
type record struct {
	kind        kind
	start, took time.Duration
	err         error
}

// A choice is an attempt.
type choice struct {
	at  time.Duration
	bad bool
}

func (m *meter) hooks() transport.Hooks {
	return transport.Hooks{
		Pick: func(e transport.PickEvent) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.picks = append(m.picks, choice{time.Since(m.begin), e.Endpoint.Key() == m.bad})
		},
		EndpointEjected: func(e transport.EndpointEvent) {
			m.mu.Lock()
			defer m.mu.Unlock()
			if e.Endpoint.Key() == m.bad {
				m.ejections++
			}
		},
		RegistryError: func(transport.RegistryEvent) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.complaints++
		},
	}
}

func (m *meter) ended(k kind, start time.Time, err error) {
	took := time.Since(start)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, record{k, start.Sub(m.begin), took, err})
}

// begins says that a call begins, and how late: it is the machine that is slow
// then.
func (m *meter) begins(late time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.late = max(m.late, late)
}

func (m *meter) fallsIll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ill = time.Since(m.begin)
}

func (m *meter) getsWell() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.well = time.Since(m.begin)
}

// A result is what a scenario came to, so far.
type result struct {
	calls      int
	failed     [kinds]int
	first      error // why the first call failed
	attempts   int
	unclear    error // the first error that does not say what happened
	ejections  int
	complaints int
	late       time.Duration

	// While the fault lasted.
	p50, p99    time.Duration
	during      time.Duration
	answered    int     // calls that succeeded
	callsIll    int     // that began
	attemptsIll int     // likewise
	badAttempts int     // those of them on the bad copy
	badShare    float64 // likewise
	gone        moment  // from when on the bad copy got less than 1 %

	// After it.
	lateFailures int    // calls that began and failed
	success      moment // when the first call began that succeeded
	recovery     time.Duration
	back         moment // from when on the bad copy had its share again
}

// A moment is a time after something, if it has come.
type moment struct {
	after time.Duration
	ok    bool
}

func (r *result) failures() int { return r.failed[get] + r.failed[keyed] + r.failed[post] }

// repeatable is how many calls failed that may be repeated.
func (r *result) repeatable() int { return r.failed[get] + r.failed[keyed] }

func (m *meter) result() *result {
	m.mu.Lock()
	calls, picks := slices.Clone(m.calls), slices.Clone(m.picks)
	r := &result{calls: len(calls), attempts: len(picks), ejections: m.ejections, complaints: m.complaints, late: m.late}
	ill, well := m.ill, m.well
	m.mu.Unlock()

	end := well
	if end == 0 {
		end = time.Since(m.begin)
	}
	if ill == 0 {
		ill = end
	}
	r.during = end - ill
	var times []time.Duration
	for _, c := range calls {
		if c.err != nil {
			r.failed[c.kind]++
			if r.first == nil {
				r.first = c.err
			}
			if r.unclear == nil && !telling(c.err) {
				r.unclear = c.err
			}
		}
		switch {
		case c.start < ill:
		case well == 0 || c.start < well:
			r.callsIll++
			times = append(times, c.took)
			if c.err == nil {
				r.answered++
			}
		case c.err != nil:
			r.lateFailures++
		case !r.success.ok || c.start-well < r.success.after:
			r.success = moment{c.start - well, true}
		}
	}
	if ill == end { // all is well yet
		for _, c := range calls {
			times = append(times, c.took)
		}
	}
	slices.Sort(times)
	r.p50, r.p99 = quantile(times, 0.5), quantile(times, 0.99)

	from, _ := slices.BinarySearchFunc(picks, ill, byTime)
	to, _ := slices.BinarySearchFunc(picks, end, byTime)
	r.attemptsIll = to - from
	r.badAttempts, r.badShare = share(picks[from:to])
	if m.bad != "" {
		r.gone = gone(picks[from:to], ill)
		if well > 0 {
			r.recovery = time.Since(m.begin) - well
			r.back = back(picks[to:], well, m.fair)
		}
	}
	return r
}

func byTime(c choice, at time.Duration) int { return int(c.at - at) }

func share(picks []choice) (bad int, share float64) {
	for _, p := range picks {
		if p.bad {
			bad++
		}
	}
	return bad, float64(bad) / float64(max(1, len(picks)))
}

// gone finds the earliest attempt from which on less than 1 % went to the bad
// copy, as long as it was ill. A few without it at the end prove nothing.
func gone(picks []choice, since time.Duration) moment {
	const enough = 20
	bad := 0
	var m moment
	for i, p := range slices.Backward(picks) {
		if p.bad {
			bad++
		}
		if n := len(picks) - i; n >= enough && 100*bad < n {
			m = moment{p.at - since, true}
		}
	}
	return m
}

// back finds the earliest attempt from which on, for a while, the bad copy
// gets at least three quarters of its share.
func back(picks []choice, since time.Duration, fair float64) moment {
	const window = 60 // with a share of a third, 20 go there, give or take 4
	for i := range max(0, len(picks)-window+1) {
		if _, s := share(picks[i : i+window]); s >= 0.75*fair {
			return moment{picks[i].at - since, true}
		}
	}
	return moment{}
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
