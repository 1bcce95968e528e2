package transport

import (
	"slices"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/resilience"
)

// maxPicks bounds how often a call picks again because it was given an
// endpoint that has just been retired.
const maxPicks = 16

const (
	// trialPatience is how long a half-open endpoint waits for a call that can
	// be repeated, and so risks nothing, before any call will do.
	trialPatience = time.Second

	// keyPatience is how long it waits for a call without a key, or with one
	// that belongs to it, before it takes a call away from where its key does.
	keyPatience = 10 * time.Second
)

// choose picks an endpoint and counts the attempt there as in flight.
func (c *call) choose(v *view) (l *link, a balancer.Attempt, trial resilience.Trial, err error) {
	info := balancer.PickInfo{Tried: c.tried, Now: c.service.balancer.Now(), Key: c.affinity.key, Class: c.affinity.class}
	if p := c.service.prober; p != nil {
		p.saw(c.req.URL)
	}
	if len(c.tried) == 0 && len(v.trials) > 0 {
		if l, a, trial, ok := c.takeTrial(v, info); ok {
			return l, a, trial, nil
		}
	}
	// A picked endpoint can have been retired since the view was loaded. Then
	// there is a newer view, which does not have it.
	for range maxPicks + len(v.available) {
		if v.err != nil {
			return nil, a, noTrial, v.err
		}
		e, err := v.picker.Pick(info)
		if err != nil {
			return nil, a, noTrial, err
		}
		if e == nil {
			break
		}
		l := links.Of(e)
		if l.service != c.service {
			break
		}
		if l.plaintext(c.req) {
			if slices.Contains(c.tried, e) {
				return nil, a, noTrial, ErrPlaintext // there are no others
			}
			c.try(e)
			info.Tried = c.tried
			continue
		}
		if a, ok := e.Begin(info); ok {
			if l.breaker.State() == resilience.HalfOpen { // used although ejected, in a panic
				trial, _ = l.breaker.Trial()
			}
			return l, a, trial, nil
		}
		v = c.service.view.Load()
	}
	return nil, a, noTrial, errNotOurs
}

// takeTrial gives the call to a half-open endpoint that waits for one.
func (c *call) takeTrial(v *view, info balancer.PickInfo) (*link, balancer.Attempt, resilience.Trial, bool) {
	var patience time.Duration
	if !idempotent(c.req) || !c.replayable() {
		patience = trialPatience
	}
	home := v.home(info)
	for _, l := range v.trials {
		waited := info.Now - time.Duration(l.halfOpen.Load())
		if waited < patience || waited < keyPatience && info.Key != "" && l.endpoint != home {
			continue
		}
		if l.plaintext(c.req) {
			continue
		}
		trial, ok := l.breaker.Trial()
		if !ok {
			continue
		}
		if a, ok := l.endpoint.Begin(info); ok {
			return l, a, trial, true
		}
		trial.Release()
	}
	return nil, balancer.Attempt{}, noTrial, false
}
