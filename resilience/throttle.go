package resilience

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	defaultThrottleK      = 2
	defaultThrottleWindow = 2 * time.Minute
	defaultMaxRejection   = 0.9

	// A throttled service gets a call at least this often, however few calls
	// there are.
	probeInterval = time.Second

	// The two counts of a window, as a throttle reads them. A call that is
	// not sent is both.
	oneRequest = oneSuccess
	oneLoss    = oneFailure
)

// A ThrottleConfig says how soon a [Throttle] spares a service calls that it
// would refuse.
type ThrottleConfig struct {
	// K is how many calls the service is sent for each that it accepts, once
	// it refuses some. A larger one wastes more of its effort on refusals and
	// sees its recovery sooner. Default 2; anything else is at least 1.
	K float64

	// Window is the time that the decision looks back on, in ten steps.
	// Default 2 min.
	Window time.Duration

	// MaxRejection is the greatest share of calls that are not sent, so that
	// a recovery is seen. Besides, one call a second is always sent. Default
	// 0.9; at most 1. Negative: nothing is ever rejected.
	MaxRejection float64
}

func (c ThrottleConfig) normal() ThrottleConfig {
	c.K = max(normalRate(c.K, defaultThrottleK, 1e6), 1)
	if c.Window <= 0 {
		c.Window = defaultThrottleWindow
	}
	c.MaxRejection = normalRate(c.MaxRejection, defaultMaxRejection, 1)
	return c
}

// A Throttle keeps calls from a service that refuses them for overload: a
// refusal costs the service effort, too, and a service that spends all of its
// effort on refusals serves nobody. The more it refuses, the more calls are
// not sent, at random: each with the probability
//
//	max(0, (requests − K·accepts) / (requests + 1))
//
// of the Window. Requests are all calls, whether sent or not, and counted
// before they are sent. So a service that can take A calls a second, and is
// wanted for far more, gets K·A. That is a throttle and no switch: it serves
// as many as it can all the time.
//
// A call that is sent counts as accepted until [Throttle.Refused] says
// otherwise. Were it the other way round, the first calls after a silence, all
// of which are still in flight, would look like an outage.
//
// It belongs to a service, or to one endpoint, if only that is overloaded; and
// it takes several refusals in the Window to be of any use, hence not few calls
// a minute. It does not see a service that is broken and not overloaded: that
// is for a [Breaker].
//
// The rule is that of "Site Reliability Engineering" (Beyer et al., 2016),
// chapter 21, "client-side throttling". All methods may be called
// concurrently, take no lock and allocate nothing.
type Throttle struct {
	cfg    ThrottleConfig
	window window
	probed atomic.Int64   // ns since window.started, when a call was last sent in spite of all
	chance func() float64 // in [0, 1)
}

// NewThrottle returns a throttle that has seen no calls.
func NewThrottle(cfg ThrottleConfig) *Throttle {
	t := &Throttle{cfg: cfg.normal(), chance: rand.Float64}
	t.window.init(t.cfg.Window)
	t.probed.Store(-int64(probeInterval))
	return t
}

// Allow counts a call, and returns nil if it is to be sent, else
// [ErrThrottled].
func (t *Throttle) Allow() error {
	slot := t.window.now()
	if p := t.rejection(slot); p > 0 && t.chance() < p && !t.probe() {
		t.window.add(slot, oneRequest+oneLoss)
		return ErrThrottled
	}
	t.window.add(slot, oneRequest)
	return nil
}

// Refused reports that the service refused, for overload, a call that was sent:
// with status 429 or 503, say. A call that failed otherwise, was canceled, or
// got no answer is none of these: it says nothing of overload.
func (t *Throttle) Refused() { t.window.add(t.window.now(), oneLoss) }

// Rejection returns the probability with which the next call is not sent, for
// metrics.
func (t *Throttle) Rejection() float64 { return t.rejection(t.window.now()) }

func (t *Throttle) rejection(slot uint64) float64 {
	requests, losses := t.window.countsAt(slot)
	if losses == 0 { // spare the usual case the arithmetic
		return 0
	}
	accepts := requests - min(losses, requests) // a refusal may outlast its request in the window
	return min(throttleRejection(requests, accepts, t.cfg.K), t.cfg.MaxRejection)
}

func throttleRejection(requests, accepts uint64, k float64) float64 {
	return max(0, (float64(requests)-k*float64(accepts))/float64(requests+1))
}

// probe reports whether it is time to send a call in spite of all.
func (t *Throttle) probe() bool {
	now := int64(Now() - t.window.started)
	last := t.probed.Load()
	return now-last >= int64(probeInterval) && t.probed.CompareAndSwap(last, now)
}
