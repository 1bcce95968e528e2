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

// A picked is an endpoint that was chosen for an attempt, which has begun there.
type picked struct {
	link    *link
	attempt balancer.Attempt
	trial   resilience.Trial // or noTrial
}

// choose picks an endpoint and counts the attempt there as in flight.
func (c *call) choose(v *view) (picked, error) {
	now := c.now
	c.now = 0
	if now == 0 {
		now = c.service.balancer.Now()
	}
	info := balancer.PickInfo{Tried: c.tried, Now: now, Key: c.affinity.key, Class: c.affinity.class}
	if p := c.service.prober; p != nil {
		p.saw(c.req.URL)
	}
	if len(c.tried) == 0 && len(v.trials) > 0 {
		if p, ok := c.takeTrial(v, info); ok {
			return p, nil
		}
	}
	var full []*balancer.Endpoint
	// A picked endpoint can have been retired since the view was loaded. Then
	// there is a newer view, which does not have it.
	for range maxPicks + len(v.available) {
		if v.err != nil {
			return picked{}, v.err
		}
		e, err := v.picker.Pick(info)
		if err != nil {
			return picked{}, err
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
				return picked{}, ErrPlaintext // there are no others
			}
			c.try(e)
			info.Tried = c.tried
			continue
		}
		a, isFull, ok := l.begin(info)
		if isFull {
			if !slices.Contains(full, e) {
				full = append(full, e)
			}
			if len(full) == len(v.available) {
				return picked{}, resilience.ErrLimitReached
			}
			info.Tried = append(slices.Clip(info.Tried), e)
			continue
		}
		if ok {
			p := picked{link: l, attempt: a}
			if l.breaker.State() == resilience.HalfOpen { // used although ejected, in a panic
				p.trial, _ = l.breaker.Trial()
			}
			return p, nil
		}
		v = c.service.view.Load()
	}
	return picked{}, errNotOurs
}

// takeTrial gives the call to a half-open endpoint that waits for one.
func (c *call) takeTrial(v *view, info balancer.PickInfo) (picked, bool) {
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
		if a, _, ok := l.begin(info); ok {
			return picked{l, a, trial}, true
		}
		trial.Release()
	}
	return picked{}, false
}
