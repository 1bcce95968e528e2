package transport

import (
	"context"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/resilience"
)

// guardConfigs are the guards of a service that are not there by default.
type guardConfigs struct {
	rate     *resilience.RateLimitConfig
	breaker  *resilience.BreakerConfig
	throttle *resilience.ThrottleConfig
	limit    *resilience.LimitConfig
	adaptive *resilience.AdaptiveLimitConfig
}

// guards let a service's calls through, or not, before anything else is done
// for them. Each may be nil.
type guards struct {
	rate     *resilience.RateLimit
	breaker  *resilience.Breaker
	throttle *resilience.Throttle
	limit    *resilience.Limit
	adaptive *resilience.AdaptiveLimit
}

// newGuards returns nil if there are none. OnBreaker is told of the breaker's
// changes.
func newGuards(cfg guardConfigs, onBreaker func(from, to resilience.State)) *guards {
	if cfg == (guardConfigs{}) {
		return nil
	}
	g := new(guards)
	if cfg.rate != nil {
		g.rate = resilience.NewRateLimit(*cfg.rate)
	}
	if cfg.breaker != nil {
		g.breaker = resilience.NewBreaker(*cfg.breaker, onBreaker)
	}
	if cfg.throttle != nil {
		g.throttle = resilience.NewThrottle(*cfg.throttle)
	}
	if cfg.limit != nil {
		g.limit = resilience.NewLimit(*cfg.limit)
	}
	if cfg.adaptive != nil {
		g.adaptive = resilience.NewAdaptiveLimit(*cfg.adaptive)
	}
	return g
}

// A passage is a call's way through the guards. It ends when the call does.
type passage struct {
	guards     *guards // nil: it did not get through, or there are none
	trial      resilience.Trial
	generation uint64 // of the breaker
}

// enter lets a call through, or says why not. This is the order of the guards:
// what is cheapest to ask, and takes nothing that would have to be given back,
// comes first; what waits for other calls to end comes last.
func (g *guards) enter(ctx context.Context) (p passage, err error) {
	if g.breaker != nil {
		p.generation = g.breaker.Generation()
		switch g.breaker.State() {
		case resilience.Open:
			return passage{}, resilience.ErrBreakerOpen
		case resilience.HalfOpen:
			trial, ok := g.breaker.Trial()
			if !ok {
				return passage{}, resilience.ErrBreakerOpen
			}
			p.trial = trial
		}
	}
	defer func() {
		if err != nil {
			p.trial.Release()
			p = passage{}
		}
	}()
	if g.throttle != nil {
		if err := g.throttle.Allow(); err != nil {
			return p, err
		}
	}
	if g.rate != nil {
		if err := g.rate.Wait(ctx); err != nil {
			return p, err
		}
	}
	if g.limit != nil {
		if err := g.limit.Acquire(ctx); err != nil {
			return p, err
		}
	}
	if g.adaptive != nil {
		if err := g.adaptive.Acquire(ctx); err != nil {
			if g.limit != nil {
				g.limit.Release()
			}
			return p, err
		}
	}
	p.guards = g
	return p, nil
}

// know tells the guards how the call's last attempt went, as soon as that is
// known.
func (p *passage) know(outcome balancer.Outcome) {
	g := p.guards
	if g == nil {
		return
	}
	if g.throttle != nil && outcome == balancer.Busy {
		g.throttle.Refused()
	}
	switch {
	case g.breaker == nil:
	case p.trial != noTrial && outcome == balancer.Success:
		p.trial.Success()
	case p.trial != noTrial && outcome == balancer.Failure:
		p.trial.Failure()
	case p.trial != noTrial:
		p.trial.Release()
	case g.breaker.Generation() != p.generation: // from before its last change
	case outcome == balancer.Success:
		g.breaker.Success()
	case outcome == balancer.Failure:
		g.breaker.Failure()
	}
}

// end gives back what the call has taken. Latency is that of its last attempt.
func (p *passage) end(outcome balancer.Outcome, latency time.Duration) {
	g := p.guards
	if g == nil {
		return
	}
	p.guards = nil
	if g.limit != nil {
		g.limit.Release()
	}
	switch {
	case g.adaptive == nil:
	case outcome == balancer.Success:
		g.adaptive.Success(latency)
	case outcome == balancer.Ignored:
		g.adaptive.Release()
	default:
		g.adaptive.Drop()
	}
}

// close stops the breaker's timer.
func (g *guards) close() {
	if g != nil && g.breaker != nil {
		g.breaker.Close()
	}
}

// WithRateLimit bounds the calls of a service per second; what exceeds it waits for
// a short time, and then fails with [resilience.ErrRateLimited]. Without it there
// is no bound.
func WithRateLimit(cfg resilience.RateLimitConfig) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.guards.rate = &cfg })
}

// WithServiceBreaker gives a service a breaker of its own, beside those of its
// endpoints: when calls fail, all attempts included, it opens, and calls fail at
// once with [resilience.ErrBreakerOpen] but for one trial at a time. The zero
// value means the defaults of [resilience.BreakerConfig]. Without it there is
// none, because a breaker that is told of all endpoints turns a part of an outage
// into the whole; use it where failing slowly is worse than failing.
func WithServiceBreaker(cfg resilience.BreakerConfig) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.guards.breaker = &cfg })
}

// WithThrottle spares a service some of the calls while it refuses others for
// overload, with 429, or 503 and Retry-After: they fail at once with
// [resilience.ErrThrottled]. The zero value means the defaults, those of Google's
// "Site Reliability Engineering". Without it all calls are sent.
func WithThrottle(cfg resilience.ThrottleConfig) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.guards.throttle = &cfg })
}

// WithLimit bounds the calls of a service that are in flight, from their start to
// the end of their responses' bodies; a queue may hold more for a short time. What
// is too much fails with [resilience.ErrLimitReached], [resilience.ErrQueueFull]
// or [resilience.ErrQueueTimeout]. Without it there is no bound.
func WithLimit(cfg resilience.LimitConfig) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.guards.limit = &cfg })
}

// WithAdaptiveLimit is WithLimit with a bound that follows the latency of the
// service: more calls in flight than it can work on only wait there. The zero
// value means the defaults of [resilience.AdaptiveLimitConfig], which says where it
// is misled.
func WithAdaptiveLimit(cfg resilience.AdaptiveLimitConfig) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.guards.adaptive = &cfg })
}

// WithEndpointLimit bounds the attempts in flight at each endpoint. One that has
// as many gets no more; when all have, calls fail with
// [resilience.ErrLimitReached]. The default, 0, is no bound.
func WithEndpointLimit(maxInFlight int) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.endpointLimit = maxInFlight })
}
