package transport

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/resilience"
)

// A link is what a transport keeps about an endpoint: the way to it, and the
// account of its health.
type link struct {
	endpoint *balancer.Endpoint
	service  *service
	scheme   string // that the registry says it speaks, or ""
	base     http.RoundTripper
	pool     *pool // under base, or nil over the user's own base for all
	breaker  *resilience.Breaker
	limit    *resilience.Limit // of attempts in flight, or nil
	bodies   bodies
	checks   *checks          // of its health, or nil
	standing *standing        // among the others, or nil
	warming  bool             // gets no calls yet; guarded by service.mu
	state    resilience.State // when the view was built; guarded by service.mu
	ejected  bool             // in the view; guarded by service.mu
	halfOpen atomic.Int64     // when the breaker became half-open, by the clock of service.balancer

	gone       atomic.Bool // retired
	probing    atomic.Bool // a probe is under way
	oddReports atomic.Bool // one that makes no sense has been logged
}

var links = balancer.NewKey[link]()

// newEndpoint returns the endpoint of an instance, with its link.
func (s *service) newEndpoint(in discovery.Instance) *balancer.Endpoint {
	e := s.balancer.NewEndpoint(in)
	l := links.Of(e)
	l.endpoint = e
	l.service = s
	l.scheme = in.Scheme
	l.breaker = resilience.NewBreaker(s.cfg.breaker, l.breakerChanged)
	if s.cfg.endpointLimit > 0 {
		l.limit = resilience.NewLimit(resilience.LimitConfig{MaxInFlight: s.cfg.endpointLimit})
	}
	l.base = s.transport.cfg.base
	if l.base == nil {
		l.pool = newPool(s, e)
		l.base = l.pool
		if make := s.transport.cfg.endpointBase; make != nil {
			l.base = make(in, l.pool)
		}
	}
	l.checks = newChecks(l, s.cfg.healthCheck)
	l.standing = s.outliers.newStanding()
	return e
}

// waits returns why the endpoint gets no calls yet, if it does not and there
// are others. The caller holds service.mu.
func (l *link) waits() Reason {
	switch {
	case l.warming:
		return ReasonWarming
	case l.checks.holds():
		return ReasonHeldBack
	default:
		return ""
	}
}

// ails returns why the endpoint should get no calls, as of the last look at
// its breaker. The caller holds service.mu.
func (l *link) ails() Reason {
	if l.state != resilience.Closed {
		return ReasonBreakerOpen
	}
	return l.rests()
}

// rests returns why it should get none, not even a trial, whatever its breaker
// says. The caller holds service.mu.
func (l *link) rests() Reason {
	if l.checks.ill() {
		return ReasonHealthCheck
	}
	return l.standing.ejected()
}

// begin begins an attempt, unless the endpoint has as many as it may have, or
// has been retired.
func (l *link) begin(info balancer.PickInfo) (a balancer.Attempt, full, ok bool) {
	if l.limit != nil && !l.limit.TryAcquire() {
		return a, true, false
	}
	a, ok = l.endpoint.Begin(info)
	if !ok && l.limit != nil {
		l.limit.Release()
	}
	return a, false, ok
}

// end ends it.
func (l *link) end(a *balancer.Attempt) {
	a.End()
	if l.limit != nil {
		l.limit.Release()
	}
}

// warmUp makes the endpoint's first connections, and then has it get calls.
func (l *link) warmUp() {
	s := l.service
	l.pool.warmUp(s.transport.ctx, l.endpoint.Instance(), s.serverName())
	s.locked(func() deferred {
		l.warming = false
		if s.has(l) {
			s.rebuild()
		}
		return nil
	})
}

// retire lets attempts in flight end, then closes what they leave. Idle
// connections are closed more than once: the first time catches those that are
// idle now, the second HTTP/1 connections that were busy, the third HTTP/2
// connections that were, which net/http does not close by itself as it does
// the others.
func (l *link) retire() {
	l.gone.Store(true)
	l.checks.end()
	l.breaker.Close()
	if l.pool == nil {
		l.endpoint.Retire(nil)
		return
	}
	l.pool.close()
	l.closeIdleConnections()
	l.endpoint.Retire(func() {
		l.closeIdleConnections()
		time.AfterFunc(settleTime, l.closeIdleConnections)
	})
}

func (l *link) closeIdleConnections() {
	if l.pool != nil {
		closeIdle(l.base)
	}
}

func (l *link) breakerChanged(from, to resilience.State) {
	if to == resilience.HalfOpen {
		l.halfOpen.Store(int64(l.service.balancer.Now()))
	}
	l.service.breakerChanged(l, from, to)
}

// succeed enters a success, to the end of its body, into the account of health.
func (l *link) succeed(a *balancer.Attempt, generation uint64, now time.Duration) {
	if l.breaker.Generation() == generation && !l.standing.predates(a) {
		l.standing.success()
		l.breaker.SuccessAt(now)
	}
}

// noTrial is the trial of an attempt that is none.
var noTrial resilience.Trial

// observe enters the outcome of an attempt into both accounts: that of load
// and that of health. Generation is the breaker's when the attempt began: an
// outcome from before its last change is no news about the endpoint's health,
// nor is one from before the end of an ejection.
//
// A success is one for the account of health at the end of the body only: until
// then, more is true and that is left to succeed.
func (l *link) observe(a *balancer.Attempt, outcome balancer.Outcome, latency time.Duration, trial resilience.Trial, generation uint64, more bool) {
	a.Observe(outcome, latency)
	switch {
	case trial != noTrial && outcome == balancer.Success:
		trial.Success()
	case trial != noTrial && outcome == balancer.Failure:
		trial.Failure()
	case trial != noTrial:
		trial.Release()
	case outcome == balancer.Success && more:
	case outcome == balancer.Success:
		l.succeed(a, generation, a.Start()+latency)
	case l.breaker.Generation() != generation || l.standing.predates(a):
	case outcome == balancer.Failure:
		l.standing.failure()
		l.breaker.Failure()
	}
}
