package balancer

import (
	"slices"
	"time"
)

// A Meter measures the attempts on one endpoint for a policy that needs to know
// more than how many are in flight. A [Key] whose *T has Begin, Observe or End
// as they are here, all or some of them, makes one for each endpoint. They are
// called for each attempt, from many goroutines at once: they must be quick,
// and the ones of this package neither lock nor allocate.
type Meter interface {
	// Begin: an attempt begins.
	Begin(a Attempt)
	// Observe: it was answered, or failed, at the time now on the service's
	// clock, which is later than a.Start. It is called at least once for each
	// attempt; what comes after a.Answered are failures in the middle of a
	// response.
	Observe(a Attempt, outcome Outcome, now time.Duration)
	// End: it is over.
	End(a Attempt)
}

// The parts of a Meter.
type (
	beginMeter   interface{ Begin(a Attempt) }
	observeMeter interface {
		Observe(a Attempt, outcome Outcome, now time.Duration)
	}
	endMeter interface{ End(a Attempt) }
)

// meters are those of an endpoint, by what they want to be told. A set of them
// is never changed, so that whoever is told of an attempt's beginning is told of
// its end, and nobody else.
type meters struct {
	begin   []beginMeter
	observe []observeMeter
	end     []endMeter
}

// addListeners has v told of attempts that begin from now on, if it is a meter,
// and of reports, if it is a reporter.
func (e *Endpoint) addListeners(v any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var m meters
	if old := e.meters.Load(); old != nil {
		m = *old
	}
	begins := addTo(&m.begin, v)
	observes := addTo(&m.observe, v)
	ends := addTo(&m.end, v)
	if begins || observes || ends {
		e.meters.Store(&m)
	}
	var reporters []Reporter
	if old := e.reporters.Load(); old != nil {
		reporters = *old
	}
	if addTo(&reporters, v) {
		e.reporters.Store(&reporters)
	}
}

// addTo replaces a list by a longer copy if v belongs into it.
func addTo[T any](list *[]T, v any) bool {
	t, ok := v.(T)
	if ok {
		*list = append(slices.Clip(*list), t)
	}
	return ok
}
