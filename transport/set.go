package transport

import (
	"errors"
	"log/slog"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
)

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
			s.tell(func() {
				s.transport.cfg.logger.Warn("registry error",
					slog.String("service", s.name), slog.Int("endpoints", stand), slog.Any("error", err))
			})
		}
		s.tell(func() { s.hookRegistryError(err) })
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
func (s *service) disbelieve() deferred {
	if s.transport.cfg.emptyGrace <= 0 {
		return s.replace(nil)
	}
	if !s.emptySince.IsZero() {
		return nil
	}
	s.emptySince = time.Now()
	grace, stand := s.transport.cfg.emptyGrace, len(s.endpoints)
	s.emptyTimer = time.AfterFunc(grace, s.believe)
	s.tell(func() {
		s.transport.cfg.logger.Warn("the registry lists no endpoints any more; the last set stands for now",
			slog.String("service", s.name), slog.Int("endpoints", stand), slog.Duration("grace", grace))
		s.hookRegistryError(errEmptySet)
	})
	return nil
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
		l := links.Of(e)
		if l.pool != nil && l.pool.cfg.Warm > 0 {
			l.warming = true
			after.add(func() { s.transport.start(l.warmUp) })
		}
		if l.checks != nil {
			after.add(func() { s.transport.start(l.checks.run) })
		}
		reason := l.waits()
		s.tell(func() { s.hookEndpoint(hookAdded, e, reason) })
	}
	s.rebuild()
	s.outliers.begin()
	for _, e := range gone {
		after.add(links.Of(e).retire)
		s.tell(func() { s.hookEndpoint(hookRemoved, e, "") })
	}
	return after
}

// sameWay reports whether an instance is still reached as it was. One at
// another address is another endpoint, even under the same ID.
func sameWay(a, b discovery.Instance) bool {
	return a.Addr == b.Addr && a.Scheme == b.Scheme
}
