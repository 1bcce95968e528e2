package balancer

import "time"

// A Report is what an endpoint says of its own load. A value of zero or less
// means that it says nothing of that.
type Report struct {
	// At is when it was received, on the service's clock.
	At time.Duration

	// Utilization is the share of its capacity that the endpoint uses. It may
	// exceed 1.
	Utilization float64
	// Rate is the number of calls per second that the endpoint completes, and
	// Errors how many of those fail.
	Rate, Errors float64

	// InFlight is the number of calls that the endpoint has from all its
	// callers; HasInFlight says that it was reported, as it may well be 0.
	InFlight    float64
	HasInFlight bool
	// Latency is how long a call would take that arrived now, without the
	// network.
	Latency time.Duration
	// ServiceTime is how long a call is worked on, without waiting for its
	// turn.
	ServiceTime time.Duration

	// Probed says that it was asked for, and did not come with a response.
	Probed bool
}

// A Reporter wants to know of reports. A [Key] whose *T is one makes one for
// each endpoint.
type Reporter interface {
	// Report: the endpoint has said something of its load.
	Report(r Report)
}

// Report takes note of what the endpoint says of itself. It allocates.
func (e *Endpoint) Report(r Report) {
	if r.At == 0 {
		r.At = e.service.Now()
	}
	e.report.Store(&r)
	if values := e.values.Load(); values != nil {
		for _, v := range *values {
			if reporter, ok := v.value.(Reporter); ok {
				reporter.Report(r)
			}
		}
	}
}

// LastReport returns the latest report, or nil if there has been none. It must
// not be modified.
func (e *Endpoint) LastReport() *Report { return e.report.Load() }
