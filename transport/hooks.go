package transport

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/resilience"
)

// Hooks are functions that a Transport calls as things happen: for metrics,
// traces and tests. Any may be nil, which costs nothing. They are called
// concurrently, on the goroutine of the call where there is one and never with
// a lock held, and should return quickly: calls wait for them. The structs
// grow over time; name their fields when building one.
type Hooks struct {
	// Pick: an endpoint was chosen for an attempt.
	Pick func(PickEvent)
	// Attempt: an attempt got its response's header, or failed.
	Attempt func(AttemptEvent)
	// Call: a call of a service returns: with a response, whose body is yet
	// to be read, or with an error. URLs that name no service are no calls.
	Call func(CallEvent)
	// End: an attempt's response body was read to its end, closed, broken
	// off, or abandoned by a caller whose context ended. It is called for
	// each attempt with a body, also for those whose response is not passed
	// on.
	End func(EndEvent)

	// EndpointAdded: the registry lists an endpoint that it did not list
	// before. EndpointRemoved: it does so no longer; attempts in flight there
	// go on.
	EndpointAdded   func(EndpointEvent)
	EndpointRemoved func(EndpointEvent)
	// EndpointEjected: an endpoint gets no more calls because of what it did
	// to earlier ones, or to health checks. EndpointRestored: it gets calls
	// again.
	EndpointEjected  func(EndpointEvent)
	EndpointRestored func(EndpointEvent)
	// HealthCheck: an endpoint was asked whether it is well (WithHealthCheck).
	HealthCheck func(HealthCheckEvent)
	// BreakerChanged: the breaker of an endpoint changed its state. An open
	// breaker ejects its endpoint, unless too few would be left.
	BreakerChanged func(BreakerEvent)
	// RegistryError: the watcher reported an error, the set was empty and is
	// not believed yet, or an instance was left out because it is invalid.
	// The last good set stands.
	RegistryError func(RegistryEvent)
}

// A PickEvent says which endpoint an attempt goes to.
type PickEvent struct {
	Context  context.Context // the call's
	Service  string
	Endpoint *balancer.Endpoint
	Attempt  int // 1 for the first
	// Trial: the endpoint was ejected and this attempt decides whether it
	// comes back.
	Trial bool
	// Hedge: the attempt runs beside one that is late. See [WithHedging].
	Hedge bool
}

// An AttemptEvent says how an attempt went.
type AttemptEvent struct {
	Context  context.Context // the call's
	Service  string
	Endpoint *balancer.Endpoint
	Attempt  int           // 1 for the first
	Status   int           // the response's status code, 0 without response
	Err      error         // why there was none
	Latency  time.Duration // until the header, or the failure
	Outcome  balancer.Outcome
	Hedge    bool // it ran beside one that was late
}

// An EndEvent says how reading a response's body went.
type EndEvent struct {
	Context  context.Context // the call's
	Service  string
	Endpoint *balancer.Endpoint
	Attempt  int           // 1 for the first
	Err      error         // what broke the body off, nil at its end or when it was closed
	Duration time.Duration // since the header
}

// A CallEvent says how a call went.
type CallEvent struct {
	Context  context.Context
	Service  string
	Method   string
	Endpoint *balancer.Endpoint // of the last attempt, nil if there was none
	Attempts int
	Status   int           // the response's status code, 0 without response
	Err      error         // what RoundTrip returns: an *Error, or nil
	Latency  time.Duration // until RoundTrip returned
}

// An EndpointEvent names an endpoint to which something happened.
type EndpointEvent struct {
	Service  string
	Endpoint *balancer.Endpoint
	Reason   Reason // why, or "" if there is no more to say
}

// A Reason says in a few words why something happened to an endpoint. There
// may be more of them over time.
type Reason string

// The reasons of an [EndpointEvent].
const (
	// Added, but to get no calls yet unless there are no others:
	ReasonWarming  Reason = "warming up" // until its connections are made
	ReasonHeldBack Reason = "held back"  // until a health check has passed, or too many have failed
	// Ejected:
	ReasonBreakerOpen  Reason = "breaker open"
	ReasonHealthCheck  Reason = "health check failed"
	ReasonSuccessRate  Reason = "low success rate"   // far below the others': see WithOutlierEjection
	ReasonFailureRatio Reason = "high failure ratio" // whatever the others': see WithOutlierEjection
	// Restored:
	ReasonRecovered Reason = "recovered"
	ReasonPanic     Reason = "too few left" // it is as it was, but too few others look well
)

// A HealthCheckEvent says how a health check went.
type HealthCheckEvent struct {
	Service  string
	Endpoint *balancer.Endpoint
	Status   int           // the response's status code, 0 without response
	Err      error         // why the check failed, nil if it passed
	Latency  time.Duration // until the header, or the failure
	Healthy  bool          // the endpoint, after as many checks as it takes
}

// A BreakerEvent says how a breaker changed.
type BreakerEvent struct {
	Service  string
	Endpoint *balancer.Endpoint // nil for the breaker of the service, see [WithServiceBreaker]
	From, To resilience.State
}

// A RegistryEvent says what is wrong with what the registry says.
type RegistryEvent struct {
	Service string
	Err     error
}

type endpointHook int

const (
	hookAdded endpointHook = iota
	hookRemoved
	hookEjected
	hookRestored
)

// hookEndpoint tells hooks and, where an operator must know, the log.
func (s *service) hookEndpoint(what endpointHook, e *balancer.Endpoint, why Reason) {
	log := s.transport.cfg.logger
	attrs := []any{slog.String("service", s.name), slog.String("endpoint", e.Key()), slog.String("addr", e.Addr())}
	if why != "" {
		attrs = append(attrs, slog.String("reason", string(why)))
	}
	switch what {
	case hookAdded:
		log.Debug("endpoint added", attrs...)
	case hookRemoved:
		log.Debug("endpoint removed", attrs...)
	case hookEjected:
		log.Warn("endpoint ejected", attrs...)
	case hookRestored:
		log.Info("endpoint restored", attrs...)
	}
	for _, h := range s.transport.cfg.hooks {
		if f := [...]func(EndpointEvent){h.EndpointAdded, h.EndpointRemoved, h.EndpointEjected, h.EndpointRestored}[what]; f != nil {
			f(EndpointEvent{Service: s.name, Endpoint: e, Reason: why})
		}
	}
}

func (s *service) hookHealthCheck(event HealthCheckEvent) {
	for _, h := range s.transport.cfg.hooks {
		if h.HealthCheck != nil {
			h.HealthCheck(event)
		}
	}
}

func (s *service) hookRegistryError(err error) {
	for _, h := range s.transport.cfg.hooks {
		if h.RegistryError != nil {
			h.RegistryError(RegistryEvent{Service: s.name, Err: err})
		}
	}
}

func (c *call) hookPick(trial bool) {
	for _, h := range c.service.transport.cfg.hooks {
		if h.Pick != nil {
			h.Pick(PickEvent{
				Context: c.ctx, Service: c.service.name, Endpoint: c.last.endpoint, Attempt: c.sends, Trial: trial, Hedge: c.hedging,
			})
		}
	}
}

func (c *call) hookAttempt(r *result, latency time.Duration, outcome balancer.Outcome) {
	if len(c.service.transport.cfg.hooks) == 0 {
		return
	}
	event := AttemptEvent{
		Context: c.ctx, Service: c.service.name, Endpoint: c.last.endpoint, Attempt: c.sends,
		Err: r.err, Latency: latency, Outcome: outcome, Hedge: c.hedging,
	}
	if r.resp != nil {
		event.Status = r.resp.StatusCode
	}
	for _, h := range c.service.transport.cfg.hooks {
		if h.Attempt != nil {
			h.Attempt(event)
		}
	}
}

// hookEnd returns what tells the End hooks that the body has ended, or nil if
// there are none.
func (c *call) hookEnd() func(error) {
	hooks := c.service.transport.cfg.hooks
	if !slices.ContainsFunc(hooks, func(h Hooks) bool { return h.End != nil }) {
		return nil
	}
	event := EndEvent{Context: c.ctx, Service: c.service.name, Endpoint: c.last.endpoint, Attempt: c.sends}
	start := time.Now()
	return func(err error) {
		if !errors.Is(err, io.EOF) {
			event.Err = err
		}
		event.Duration = time.Since(start)
		for _, h := range hooks {
			if h.End != nil {
				h.End(event)
			}
		}
	}
}

func (c *call) hookCall(status int, err error) {
	if len(c.service.transport.cfg.hooks) == 0 {
		return
	}
	event := CallEvent{
		Context: c.ctx, Service: c.service.name, Method: c.req.Method,
		Status: status, Err: err, Latency: time.Since(c.start),
	}
	if c.last != nil {
		event.Endpoint, event.Attempts = c.last.endpoint, c.sends
	}
	for _, h := range c.service.transport.cfg.hooks {
		if h.Call != nil {
			h.Call(event)
		}
	}
}
