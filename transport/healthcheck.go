package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"
)

// errStatus is why a check failed that was answered.
var errStatus = errors.New("transport: unexpected status")

// A HealthCheckConfig says how endpoints are asked whether they are well.
type HealthCheckConfig struct {
	// Path is what is asked for with GET, a query included. Default "/readyz".
	Path string

	// Scheme is "http" or "https", for endpoints of which the registry does
	// not say what they speak. Default "http".
	Scheme string

	// Interval is the time between the end of a check and the next one, give
	// or take 10 %; the first comes after a random part of it, so that clients
	// that start together do not ask together. Every client asks every endpoint
	// of the services that it calls. Default 10 s, at least 1 ms; negative: no
	// checks, for a service that is to be an exception.
	Interval time.Duration

	// Timeout bounds a check. Default 1 s.
	Timeout time.Duration

	// UnhealthyThreshold is how many checks in a row must fail for an endpoint
	// to be ejected. Default 3.
	UnhealthyThreshold int

	// HealthyThreshold is how many must pass in a row for it to come back.
	// Default 2.
	HealthyThreshold int

	// Expect reports whether a status passes. It is called concurrently. Nil
	// means 200 to 299. Redirects are not followed.
	Expect func(status int) bool

	// HoldBack keeps calls away from an endpoint that joins a set, until its
	// first check has passed, which is made at once. One whose checks fail is
	// held back until UnhealthyThreshold of them have, and is ejected from then
	// on. Endpoints of a set that has no others get calls all the same.
	HoldBack bool
}

func (c HealthCheckConfig) normal() HealthCheckConfig {
	c.Path = cmp.Or(c.Path, "/readyz")
	c.Scheme = cmp.Or(c.Scheme, "http")
	if c.Interval == 0 {
		c.Interval = 10 * time.Second
	}
	c.Interval = max(c.Interval, time.Millisecond)
	if c.Timeout <= 0 {
		c.Timeout = time.Second
	}
	if c.UnhealthyThreshold <= 0 {
		c.UnhealthyThreshold = 3
	}
	if c.HealthyThreshold <= 0 {
		c.HealthyThreshold = 2
	}
	if c.Expect == nil {
		c.Expect = func(status int) bool { return status/100 == 2 }
	}
	return c
}

// checks are the health checks of one endpoint, and what they have said. A nil
// is an endpoint without.
type checks struct {
	link   *link
	cfg    *HealthCheckConfig
	url    url.URL // but for the host
	ctx    context.Context
	cancel context.CancelFunc
	first  time.Duration // until the first

	// The rest is guarded by service.mu.
	held           bool // gets no calls before one has passed
	unhealthy      bool
	passed, failed int // in a row
}

// newChecks returns the checks of an endpoint, which end with it or with the
// Transport.
func newChecks(l *link, cfg *HealthCheckConfig) *checks {
	if cfg == nil {
		return nil
	}
	c := &checks{link: l, cfg: cfg, url: askURL(cfg.Path), held: cfg.HoldBack}
	c.url.Scheme = cfg.Scheme
	c.ctx, c.cancel = context.WithCancel(l.service.transport.ctx)
	if !c.held {
		c.first = rand.N(cfg.Interval)
	}
	return c
}

// end ends the checks. One that is under way says nothing any more.
func (c *checks) end() {
	if c != nil {
		c.cancel()
	}
}

// holds reports whether the endpoint is to wait for its first check to pass.
// The caller of this and the next two holds service.mu.
func (c *checks) holds() bool { return c != nil && c.held }

// release has it wait no longer.
func (c *checks) release() {
	if c != nil {
		c.held = false
	}
}

// ill reports whether the endpoint should be left alone.
func (c *checks) ill() bool { return c != nil && c.unhealthy }

// run makes checks until they are ended.
func (c *checks) run() {
	timer := time.NewTimer(c.first)
	defer timer.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-timer.C:
		}
		c.take(c.ask())
		spread := c.cfg.Interval / 10
		timer.Reset(c.cfg.Interval - spread + rand.N(2*spread+1))
	}
}

// ask makes one check.
func (c *checks) ask() HealthCheckEvent {
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.Timeout)
	defer cancel()
	a, err := c.link.ask(ctx, c.url, http.Header{"User-Agent": {"namesake-health-check"}}, drainLimit)
	if err == nil && !c.cfg.Expect(a.status) {
		err = fmt.Errorf("%w %d", errStatus, a.status)
	}
	return HealthCheckEvent{
		Service: c.link.service.name, Endpoint: c.link.endpoint,
		Status: a.status, Err: err, Latency: a.latency,
	}
}

// take enters the outcome of a check into the account of the endpoint's
// health.
func (c *checks) take(event HealthCheckEvent) {
	s := c.link.service
	s.locked(func() deferred {
		if !s.has(c.link) {
			return nil
		}
		changed := c.count(event.Err == nil)
		event.Healthy = !c.unhealthy
		s.tell(func() { s.hookHealthCheck(event) })
		if changed {
			s.rebuild()
		}
		return nil
	})
}

// count reports whether a check has changed what is to be thought of the
// endpoint. The caller holds service.mu.
func (c *checks) count(passed bool) (changed bool) {
	held, unhealthy := c.held, c.unhealthy
	if passed {
		c.passed, c.failed = c.passed+1, 0
		c.held = false
		c.unhealthy = unhealthy && c.passed < c.cfg.HealthyThreshold
	} else {
		c.passed, c.failed = 0, c.failed+1
		c.unhealthy = unhealthy || c.failed >= c.cfg.UnhealthyThreshold
		c.held = held && !c.unhealthy // from here on it counts as one who should be there
	}
	return held != c.held || unhealthy != c.unhealthy
}
