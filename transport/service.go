package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/resilience"
)

const (
	// forgetAfter is how long a name without endpoints is remembered after
	// its last call. Names that the registry knows are kept.
	forgetAfter = time.Minute
	// rewatchDelay paces a watcher that ends its sequence, which none should.
	rewatchDelay = time.Second
)

// A service is what a Transport knows about one name: its endpoints, whose
// sets arrive from the registry, and how they do.
type service struct {
	name      string
	transport *Transport
	cfg       *serviceConfig
	retry     *resilience.Retry
	hedges    *resilience.HedgeDelay // or nil
	guards    *guards                // or nil
	balancer  *balancer.Service      // and its clock, by which all is measured
	prober    *prober                // or nil
	outliers  *outliers              // or nil

	view   atomic.Pointer[view] // what calls look at; nil before the first answer
	ready  chan struct{}        // closed when view is set
	called atomic.Bool          // since the last look; for forgetting

	mu         sync.Mutex                    // guards what follows
	endpoints  map[string]*balancer.Endpoint // by instance key
	emptySince time.Time                     // when an empty set was first disbelieved
	emptyTimer *time.Timer                   // runs out with the grace period
	idleTimer  *time.Timer                   // forgets the service
	err        error                         // what the watcher complains about
	logged     time.Time                     // when that was last logged
	waiting    int                           // calls, for the first answer
	panicking  bool                          // too few look healthy
	news       deferred                      // hooks and logs to be called
	telling    bool                          // somebody calls them
	closed     bool
}

func newService(t *Transport, name string) *service {
	cfg := t.cfg.service(name)
	s := &service{
		name:      name,
		transport: t,
		cfg:       cfg,
		retry:     resilience.NewRetry(cfg.retry, resilience.NewBudget(cfg.budget), t.budget),
		ready:     make(chan struct{}),
		endpoints: make(map[string]*balancer.Endpoint),
	}
	if cfg.hedging != nil {
		s.hedges = resilience.NewHedgeDelay(*cfg.hedging)
	}
	s.guards = newGuards(cfg.guards, func(from, to resilience.State) {
		for _, h := range t.cfg.hooks {
			if h.BreakerChanged != nil {
				h.BreakerChanged(BreakerEvent{Service: name, From: from, To: to})
			}
		}
	})
	shared := balancer.ServiceConfig{Now: resilience.Now} // one reading of the clock does for all
	if cfg.probes != nil {
		s.prober = newProber(s, *cfg.probes)
		shared.Probe = s.prober.probe
	}
	s.balancer = balancer.NewService(shared)
	s.outliers = newOutliers(s, cfg.outliers)
	return s
}

// watch follows the registry until the Transport is closed, or until the name
// turns out to have no endpoints and nobody calls it any more.
func (s *service) watch() {
	ctx, cancel := context.WithCancel(s.transport.ctx)
	defer cancel()
	s.mu.Lock()
	if !s.closed {
		s.idleTimer = time.AfterFunc(forgetAfter, func() { s.forgetIfIdle(cancel) })
	}
	s.mu.Unlock()

	for {
		for set, err := range s.transport.watcher.Watch(ctx, s.name) {
			if err != nil {
				s.registryError(err)
			} else {
				s.update(set)
			}
		}
		if ctx.Err() == nil {
			s.registryError(errors.New("the watcher ended its sequence"))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(rewatchDelay):
		}
	}
}

// forgetIfIdle drops a service that has no endpoints and was not called since
// it was asked last, so that names from outside do not pile up.
func (s *service) forgetIfIdle(stop context.CancelFunc) {
	s.mu.Lock()
	idle := len(s.endpoints) == 0 && s.waiting == 0 && !s.called.Swap(false)
	if !idle && !s.closed {
		s.idleTimer.Reset(forgetAfter)
	}
	s.mu.Unlock()
	if idle {
		s.transport.forget(s)
		s.shut(errForgotten)
		stop()
	}
}

// shut retires all endpoints and makes calls fail with err.
func (s *service) shut(err error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	s.publish(&view{err: err})
	endpoints := s.endpoints
	s.endpoints = nil
	for _, timer := range []*time.Timer{s.emptyTimer, s.idleTimer} {
		if timer != nil {
			timer.Stop()
		}
	}
	s.outliers.end()
	s.mu.Unlock()
	for _, e := range endpoints {
		links.Of(e).retire()
	}
	s.guards.close()
}

// await returns the current view, waiting for the first if there is none yet:
// no longer than the call's context allows, nor than the registry timeout.
func (s *service) await(ctx context.Context, canceled <-chan struct{}) (*view, error) {
	if v := s.view.Load(); v != nil {
		return v, nil
	}
	s.wait(1)
	defer s.wait(-1)
	timer := time.NewTimer(s.transport.cfg.registryTimeout)
	defer timer.Stop()
	var reason error
	select {
	case <-s.ready:
		return s.view.Load(), nil
	case <-timer.C:
		reason = ErrNoAnswer
	case <-ctx.Done():
		reason = fmt.Errorf("%w (%w)", ErrNoAnswer, contextError(ctx))
	case <-canceled:
		reason = fmt.Errorf("%w (%w)", ErrNoAnswer, context.Canceled)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		reason = fmt.Errorf("%w: %w", reason, s.err)
	}
	return nil, reason
}

func (s *service) wait(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting += n
}

// locked runs f with mu held and, after releasing it, tells what there is to
// tell and runs what f returns: hooks, logs and I/O never run under a lock. It
// does nothing if the service is closed. A policy that panics in f leaves no
// lock behind.
func (s *service) locked(f func() deferred) {
	var after deferred
	func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.closed {
			after = f()
		}
	}()
	s.tellAll()
	for _, f := range after {
		f()
	}
}

// tell has a hook or a log called after mu is released, in the order in which
// things happened. The caller holds mu.
func (s *service) tell(f func()) { s.news = append(s.news, f) }

// tellAll tells the news. If somebody else is at it, that one tells these too:
// the removal of an endpoint must not be heard of before its addition.
func (s *service) tellAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.telling {
		return
	}
	s.telling = true
	defer func() { s.telling = false }() // also if a hook panics
	for len(s.news) > 0 {
		next := s.news[0]
		s.news = s.news[1:]
		func() {
			s.mu.Unlock()
			defer s.mu.Lock()
			next()
		}()
	}
}

// has reports whether a link is that of an endpoint of the moment. The caller
// holds mu.
func (s *service) has(l *link) bool { return s.endpoints[l.endpoint.Key()] == l.endpoint }

// links returns what is kept about the endpoints of the moment.
func (s *service) links() []*link {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*link, 0, len(s.endpoints))
	for _, e := range s.endpoints {
		list = append(list, links.Of(e))
	}
	return list
}

// ownAddress reports whether a URL names an endpoint's address in place of the
// service.
func (s *service) ownAddress(u *url.URL) bool {
	if u.Host == s.name {
		return false
	}
	name, err := serviceName(u)
	return err == nil && name != s.name
}

// serverName is the name in certificates unless the TLS config says another.
func (s *service) serverName() string {
	host, _, err := net.SplitHostPort(s.name)
	if err != nil {
		return s.name
	}
	return host
}

// deferred is what remains to be done after a lock has been released.
type deferred []func()

func (d *deferred) add(f func()) { *d = append(*d, f) }
