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

// trialPatience is how long a half-open endpoint waits for a call that can be
// repeated, and so risks nothing, before any call will do.
const trialPatience = time.Second

// choose picks an endpoint and counts the attempt there as in flight.
func (c *call) choose(v *view) (*link, resilience.Trial, error) {
	if len(c.tried) == 0 && len(v.trials) > 0 {
		if l, trial, ok := c.takeTrial(v); ok {
			return l, trial, nil
		}
	}
	// A picked endpoint can have been retired since the view was loaded. Then
	// there is a newer view, which does not have it.
	for range maxPicks + len(v.available) {
		if v.err != nil {
			return nil, noTrial, v.err
		}
		e, err := v.picker.Pick(balancer.PickInfo{Tried: c.tried})
		if err != nil {
			return nil, noTrial, err
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
				return nil, noTrial, ErrPlaintext // there are no others
			}
			c.try(e)
			continue
		}
		if e.Begin() {
			var trial resilience.Trial
			if l.breaker.State() == resilience.HalfOpen { // used although ejected, in a panic
				trial, _ = l.breaker.Trial()
			}
			return l, trial, nil
		}
		v = c.service.view.Load()
	}
	return nil, noTrial, errNotOurs
}

// takeTrial gives the call to a half-open endpoint that waits for one.
func (c *call) takeTrial(v *view) (*link, resilience.Trial, bool) {
	safe := idempotent(c.req) && c.replayable()
	for _, l := range v.trials {
		if waited := l.service.age() - time.Duration(l.halfOpen.Load()); !safe && waited < trialPatience {
			continue
		}
		if l.plaintext(c.req) {
			continue
		}
		trial, ok := l.breaker.Trial()
		if !ok {
			continue
		}
		if l.endpoint.Begin() {
			return l, trial, true
		}
		trial.Release()
	}
	return nil, noTrial, false
}
