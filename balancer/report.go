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

	// Probed says that it was asked for, and did not come with a response. A
	// report that is Probed and says nothing else is the news that the endpoint
	// has not answered.
	Probed bool
}

// empty reports whether r says nothing.
func (r *Report) empty() bool {
	return r.Utilization <= 0 && r.Rate <= 0 && r.Errors <= 0 && !r.HasInFlight && r.Latency <= 0 && r.ServiceTime <= 0
}

// A Reporter wants to know of reports. A [Key] of a type that implements it is
// told of those of each endpoint that has a value, from many goroutines at once.
// It may lock and allocate, but not for long: a report that comes with a
// response is entered on the way of the call.
type Reporter interface {
	// Report: the endpoint has said something of its load.
	Report(e *Endpoint, r Report)
}

// Report takes note of what the endpoint says of itself. A report that says
// nothing takes back what was said before. It allocates.
func (e *Endpoint) Report(r Report) {
	if r.At == 0 {
		r.At = e.service.Now()
	}
	if r.empty() {
		e.report.Store(nil)
	} else {
		e.report.Store(&r)
	}
	if reporters := e.reporters.Load(); reporters != nil {
		for _, to := range *reporters {
			to.Report(e, r)
		}
	}
}

// LastReport returns the latest report, or nil if there has been none or it was
// taken back. It must not be modified.
func (e *Endpoint) LastReport() *Report { return e.report.Load() }
