package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
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
	born      time.Time

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
	closed     bool
}

// A view is one state of a service, ready to pick from. It is built by
// rebuild, the one place that decides who is available, and never changed.
type view struct {
	picker balancer.Picker // nil if err is set
	err    error           // why nothing can be picked
	trials []*link         // half-open: the next calls decide about them

	available []*balancer.Endpoint // what picker chooses from
}

func newService(t *Transport, name string) *service {
	cfg := t.cfg.service(name)
	return &service{
		name:      name,
		transport: t,
		cfg:       cfg,
		retry:     resilience.NewRetry(cfg.retry, resilience.NewBudget(cfg.budget)),
		born:      time.Now(),
		ready:     make(chan struct{}),
		endpoints: make(map[string]*balancer.Endpoint),
	}
}

// age is the clock by which the service measures.
func (s *service) age() time.Duration { return time.Since(s.born) }

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
	s.mu.Unlock()
	for _, e := range endpoints {
		links.Of(e).retire()
	}
}

// publish makes calls see v. The caller holds mu.
func (s *service) publish(v *view) {
	if s.view.Swap(v) == nil {
		close(s.ready)
	}
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

// locked runs f with mu held, and after releasing it, what f returns: hooks,
// logs and I/O never run under a lock. It does nothing if the service is
// closed. A policy that panics in f leaves no lock behind.
func (s *service) locked(f func() deferred) {
	var after deferred
	func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.closed {
			after = f()
		}
	}()
	for _, f := range after {
		f()
	}
}

// has reports whether a link is that of an endpoint of the moment. The caller
// holds mu.
func (s *service) has(l *link) bool { return s.endpoints[l.endpoint.Key()] == l.endpoint }

// logInterval is how often the log repeats that the registry errs.
const logInterval = time.Minute

// registryError takes note of news that carries no set.
func (s *service) registryError(err error) {
	s.locked(func() (after deferred) {
		if errors.Is(err, discovery.ErrUnknownService) {
			if len(s.endpoints) == 0 { // an answer, if not a set
				s.publish(&view{err: err})
				return nil
			}
			after = s.disbelieve()
		}
		s.err = err
		stand := len(s.endpoints)
		if time.Since(s.logged) >= logInterval {
			s.logged = time.Now()
			after.add(func() {
				s.transport.cfg.logger.Warn("registry error",
					slog.String("service", s.name), slog.Int("endpoints", stand), slog.Any("error", err))
			})
		}
		after.add(func() { s.hookRegistryError(err) })
		return after
	})
}

// update takes a new set from the registry. Instances that cannot be called
// are left out; if no others are left, the last set stands.
func (s *service) update(set []discovery.Instance) {
	instances, err := discovery.CleanSet(set)
	if err != nil {
		s.registryError(err)
		if len(instances) == 0 {
			return
		}
	}
	s.locked(func() deferred {
		s.err = err
		if len(instances) == 0 && len(s.endpoints) > 0 {
			return s.disbelieve()
		}
		return s.replace(instances)
	})
}

// disbelieve keeps the endpoints of a service that is suddenly said to have
// none, for the grace period. The caller holds mu.
func (s *service) disbelieve() (after deferred) {
	if s.transport.cfg.emptyGrace <= 0 {
		return s.replace(nil)
	}
	if !s.emptySince.IsZero() {
		return nil
	}
	s.emptySince = time.Now()
	grace, stand := s.transport.cfg.emptyGrace, len(s.endpoints)
	s.emptyTimer = time.AfterFunc(grace, s.believe)
	after.add(func() {
		s.transport.cfg.logger.Warn("the registry lists no endpoints any more; the last set stands for now",
			slog.String("service", s.name), slog.Int("endpoints", stand), slog.Duration("grace", grace))
		s.hookRegistryError(errEmptySet)
	})
	return after
}

// believe takes the empty set for a fact when the grace period is over.
func (s *service) believe() {
	s.locked(func() deferred {
		if s.emptySince.IsZero() || time.Since(s.emptySince) < s.transport.cfg.emptyGrace {
			return nil // another set came just in time
		}
		return s.replace(nil)
	})
}

// replace makes instances the service's set. Whoever stays keeps its endpoint,
// and so its connections, its load and its breaker. The caller holds mu.
func (s *service) replace(instances []discovery.Instance) (after deferred) {
	if s.emptyTimer != nil {
		s.emptyTimer.Stop()
	}
	s.emptySince = time.Time{}
	gone := s.endpoints
	s.endpoints = make(map[string]*balancer.Endpoint, len(instances))
	for _, in := range instances {
		key := in.Key()
		if e := gone[key]; e != nil && sameWay(e.Instance(), in) {
			e.SetInstance(in)
			s.endpoints[key] = e
			delete(gone, key)
			continue
		}
		e := s.newEndpoint(in)
		s.endpoints[key] = e
		if l := links.Of(e); l.pool != nil && l.pool.cfg.Warm > 0 {
			l.warming = true
			after.add(func() { s.transport.start(l.warmUp) })
		}
		after.add(func() { s.hookEndpoint(hookAdded, e) })
	}
	after = append(after, s.rebuild()...)
	for _, e := range gone {
		after.add(func() {
			links.Of(e).retire()
			s.hookEndpoint(hookRemoved, e)
		})
	}
	return after
}

// rebuild decides which endpoints are available and has the policy build a
// picker for them. It is the only place that does. The caller holds mu.
func (s *service) rebuild() (after deferred) {
	all := slices.SortedFunc(maps.Values(s.endpoints), func(a, b *balancer.Endpoint) int {
		return cmp.Compare(a.Key(), b.Key())
	})
	candidates := slices.DeleteFunc(slices.Clone(all), func(e *balancer.Endpoint) bool { return links.Of(e).warming })
	if len(candidates) == 0 { // there is nobody to call meanwhile
		candidates = all
	}
	available := make([]*balancer.Endpoint, 0, len(candidates))
	var trials []*link
	for _, e := range candidates {
		l := links.Of(e)
		l.state = l.breaker.State() // may change at any time: look once
		switch l.state {
		case resilience.Closed:
			available = append(available, e)
		case resilience.HalfOpen:
			trials = append(trials, l)
		}
	}
	panicking := len(available) == 0 || float64(len(available)) < s.cfg.panicThreshold*float64(len(candidates))
	if panicking {
		available, trials = candidates, nil
	}

	if len(all) == 0 {
		s.publish(&view{err: balancer.ErrNoEndpoints})
	} else {
		v := &view{available: available, trials: trials}
		v.picker = s.cfg.policy(balancer.Set{Available: available, All: all})
		if v.picker == nil {
			v.err = errNoPicker
		}
		s.publish(v)
	}

	for _, e := range candidates {
		l := links.Of(e)
		switch ejected := !panicking && l.state != resilience.Closed; {
		case ejected == l.ejected:
		case ejected:
			l.ejected = true
			after.add(func() { s.hookEndpoint(hookEjected, e) })
		default:
			l.ejected = false
			after.add(func() { s.hookEndpoint(hookRestored, e) })
		}
	}
	if panicking != s.panicking && len(all) > 1 {
		s.panicking = panicking
		if panicking {
			after.add(func() {
				s.transport.cfg.logger.Warn("too few endpoints look healthy; all are used",
					slog.String("service", s.name), slog.Int("endpoints", len(all)))
			})
		}
	}
	return after
}

// breakerChanged rebuilds, so that the next pick knows.
func (s *service) breakerChanged(l *link, from, to resilience.State) {
	s.locked(func() (after deferred) {
		if !s.has(l) {
			return nil
		}
		after.add(func() {
			for _, h := range s.transport.cfg.hooks {
				if h.BreakerChanged != nil {
					h.BreakerChanged(BreakerEvent{Service: s.name, Endpoint: l.endpoint, From: from, To: to})
				}
			}
		})
		return append(after, s.rebuild()...)
	})
}

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

// sameWay reports whether an instance is still reached as it was. One at
// another address is another endpoint, even under the same ID.
func sameWay(a, b discovery.Instance) bool {
	return a.Addr == b.Addr && a.Scheme == b.Scheme
}

// deferred is what remains to be done after a lock has been released: hooks,
// logs and I/O never run under one.
type deferred []func()

func (d *deferred) add(f func()) { *d = append(*d, f) }
