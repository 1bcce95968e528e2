package serve

import (
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/transport/internal/orca"
)

// ProbePath is where callers look for [Load.Probe] unless they are told another
// path.
const ProbePath = orca.ProbePath

// LoadHeader is the response header in which a copy says how loaded it is.
const LoadHeader = orca.Header

// utilizationAge is how long what LoadConfig.Utilization says holds.
const utilizationAge = 100 * time.Millisecond

// A LoadConfig says what a [Load] reports beyond what it measures. The zero
// value adds nothing.
type LoadConfig struct {
	// Utilization returns the share of the copy's capacity that is used, of
	// its processors as a rule, averaged over about a second: such as the use
	// in /proc/stat, or that of the cgroup over its quota. It may exceed 1, and
	// should where calls wait: 1 is reported by those that are just busy, too.
	// Zero and less mean that it is not known. It is called ten times a second
	// at most, on the goroutine of a call, and concurrently only if it takes
	// longer than that. Default nil: see Limit.
	Utilization func() float64

	// Limit is how many calls the copy can have in flight without getting
	// slower. Without a Utilization function the mean number over the last
	// second is reported as a share of it. Default 0: no utilization is
	// reported, and callers that weigh by it do not.
	Limit int

	// ServiceTime returns how long a call is worked on, without waiting for its
	// turn: processor time, as a rule. It is called for each report, and must be
	// quick and safe for concurrent use. Default nil: it is not reported.
	ServiceTime func() time.Duration

	// JSON has the report written in JSON instead of as a list.
	JSON bool
}

// A Load measures how loaded a copy is, and reports it to callers who choose
// among copies: with each response that goes through [Load.Measure], and to
// those who ask [Load.Probe]. Make it with [NewLoad], one for each server. Its
// methods may be called concurrently.
//
// The report is an ORCA load report in the header [LoadHeader], such as
//
//	TEXT application_utilization=0.3,rps_fractional=120,eps=0.5,named_metrics.rif=7,named_metrics.latency_ms=12.5
//
// of which parts are left out that are not known, and rates that are 0:
//
//	application_utilization        see LoadConfig
//	rps_fractional                 calls completed per second, over the last one
//	eps                            those of them that failed: answered with a status
//	                               of 500 or more, or by a panic
//	named_metrics.rif              calls in flight, without the one that is answered
//	named_metrics.latency_ms       what a call would take that arrived now
//	named_metrics.service_time_ms  see LoadConfig
//
// Calls whose callers gave up count in none of the rates, as a copy that answers
// too late gets nothing done. The latency is the median of that of recent calls
// that were answered well and found as many others in flight on their arrival
// as there are now, or about as many; it lasts until the handler returns. So
// long streams are best left outside.
//
// Envoy and gRPC understand the header, too. It is meant for callers inside:
// what faces the public should remove it.
type Load struct {
	cfg         LoadConfig
	start       time.Time
	window      window
	latencies   latencies
	utilization atomic.Uint64 // bits of a float64
	due         atomic.Int64  // when it is to be asked for again
}

// NewLoad returns a Load that has seen nothing yet.
func NewLoad(cfg LoadConfig) *Load { return &Load{cfg: cfg, start: time.Now()} }

// now is the time since the beginning.
func (l *Load) now() time.Duration { return time.Since(l.start) }

// Measure returns a handler that measures the calls it hands to next, and
// reports the load with each response. Put it around all that makes calls wait,
// such as a limit of concurrency, so that waiting is measured as well. What the
// server's ResponseWriter can do beyond writing, such as Flush, Hijack and
// ReadFrom, the one that next is given can do too.
func (l *Load) Measure(next http.Handler) http.Handler {
	if next == nil {
		panic("serve: the load of a nil handler")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := l.now()
		others := l.window.arrive(start)
		m := &measured{ResponseWriter: w, load: l}
		returned := false
		defer func() { // also if next panics
			end := l.now()
			gone := r.Context().Err() != nil
			failed := !returned || m.status >= http.StatusInternalServerError
			l.window.leave(end, !gone, failed)
			if !gone && !failed && !m.upgraded {
				l.latencies.add(others, end, end-start)
			}
		}()
		next.ServeHTTP(m.able(), r)
		m.report() // if it has written nothing: the server does so when this returns
		returned = true
	})
}

// Probe returns a handler that answers at once, with nothing but the report.
// Mount it at [ProbePath], outside of Measure and of everything that makes calls
// wait: who asks wants to know how long that takes, and not wait for it.
func (l *Load) Probe() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		l.write(w.Header(), 0)
		w.WriteHeader(http.StatusNoContent)
	})
}

// write sets the header. Own is the number of calls in flight that do not
// count.
func (l *Load) write(h http.Header, own int) {
	now := l.now()
	w := l.window.read(now)
	inFlight := max(0, w.inFlight-own)
	r := orca.Report{
		Rate: w.completed, Errors: w.failed,
		InFlight: float64(inFlight), HasInFlight: true,
		Latency: l.latencies.at(inFlight, now),
	}
	switch {
	case l.cfg.Utilization != nil:
		r.Application = l.used(now)
	case l.cfg.Limit > 0:
		r.Application = w.meanInFlight / float64(l.cfg.Limit)
	}
	if l.cfg.ServiceTime != nil {
		r.ServiceTime = l.cfg.ServiceTime()
	}
	if l.cfg.JSON {
		h.Set(orca.Header, r.JSON())
	} else {
		h.Set(orca.Header, r.Text())
	}
	h.Del(orca.BinaryHeader) // of another server, whose response is passed on
}

// used asks for the utilization, if it has not been asked for just now.
func (l *Load) used(now time.Duration) float64 {
	if due := l.due.Load(); int64(now) >= due && l.due.CompareAndSwap(due, int64(now+utilizationAge)) {
		l.utilization.Store(math.Float64bits(l.cfg.Utilization()))
	}
	return math.Float64frombits(l.utilization.Load())
}
