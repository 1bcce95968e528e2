package transport

import (
	"cmp"
	"log/slog"
	"maps"
	"slices"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/resilience"
)

// A view is one state of a service, ready to pick from. It is built by
// rebuild, the one place that decides who is available, and never changed.
type view struct {
	picker balancer.Picker // nil if err is set
	err    error           // why nothing can be picked
	trials []*link         // half-open: the next calls decide about them
	homes  balancer.Picker // as picker would be with those; nil if there are none, or no keys

	available []*balancer.Endpoint // what picker chooses from
}

// home returns the endpoint that a call with a key belongs to, be it half-open,
// or nil.
func (v *view) home(info balancer.PickInfo) *balancer.Endpoint {
	if v.homes == nil || info.Key == "" {
		return nil
	}
	e, _ := v.homes.Pick(info)
	return e
}

// publish makes calls see v. The caller holds mu.
func (s *service) publish(v *view) {
	if s.view.Swap(v) == nil {
		close(s.ready)
	}
}

// rebuild decides which endpoints are available and has the policy build a
// picker for them. It is the only place that does. The caller holds mu.
func (s *service) rebuild() {
	all := s.sorted()
	candidates := slices.DeleteFunc(slices.Clone(all), func(e *balancer.Endpoint) bool { return links.Of(e).waits() != "" })
	if len(candidates) == 0 { // there is nobody to call meanwhile
		candidates = all
		for _, e := range all { // nor are the others to wait when the first is ready
			links.Of(e).checks.release()
		}
	}
	available := make([]*balancer.Endpoint, 0, len(candidates))
	var trials []*link
	var withTrials []*balancer.Endpoint
	for _, e := range candidates {
		l := links.Of(e)
		l.state = l.breaker.State() // may change at any time: look once
		switch {
		case l.ails() == "":
			available = append(available, e)
		case l.state == resilience.HalfOpen && l.rests() == "":
			trials = append(trials, l)
		}
		if s.cfg.keyed() && l.state != resilience.Open && l.rests() == "" {
			withTrials = append(withTrials, e)
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
		if len(trials) > 0 && len(withTrials) > 0 {
			v.homes = s.cfg.policy(balancer.Set{Available: withTrials, All: all})
		}
		s.publish(v)
	}

	for _, e := range candidates {
		l := links.Of(e)
		reason := l.ails()
		switch ejected := !panicking && reason != ""; {
		case ejected == l.ejected:
		case ejected:
			l.ejected = true
			s.tell(func() { s.hookEndpoint(hookEjected, e, reason) })
		default:
			l.ejected = false
			why := ReasonRecovered
			if reason != "" {
				why = ReasonPanic
			}
			s.tell(func() { s.hookEndpoint(hookRestored, e, why) })
		}
	}
	if panicking != s.panicking && len(all) > 1 {
		s.panicking = panicking
		if panicking {
			s.tell(func() {
				s.transport.cfg.logger.Warn("too few endpoints look healthy; all are used",
					slog.String("service", s.name), slog.Int("endpoints", len(all)))
			})
		}
	}
}

// sorted returns the endpoints in the order of their keys. The caller holds mu.
func (s *service) sorted() []*balancer.Endpoint {
	return slices.SortedFunc(maps.Values(s.endpoints), func(a, b *balancer.Endpoint) int {
		return cmp.Compare(a.Key(), b.Key())
	})
}

// breakerChanged rebuilds, so that the next pick knows.
func (s *service) breakerChanged(l *link, from, to resilience.State) {
	s.locked(func() deferred {
		if !s.has(l) {
			return nil
		}
		s.tell(func() {
			for _, h := range s.transport.cfg.hooks {
				if h.BreakerChanged != nil {
					h.BreakerChanged(BreakerEvent{Service: s.name, Endpoint: l.endpoint, From: from, To: to})
				}
			}
		})
		s.rebuild()
		return nil
	})
}
