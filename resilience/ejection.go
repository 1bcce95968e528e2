package resilience

import (
	"math/rand/v2"
	"time"
)

const (
	defaultBaseEjection = 30 * time.Second
	defaultMaxEjection  = 300 * time.Second
)

// An EjectionConfig says for how long endpoints are ejected.
type EjectionConfig struct {
	// Base is how long an endpoint is ejected the first time; the k-th time
	// it is k times that, up to Max. Default 30 s; at least 1 ms.
	Base time.Duration

	// Max is what that grows to. Default 300 s, or Base if that is longer.
	Max time.Duration
}

func (c EjectionConfig) normal() EjectionConfig {
	if c.Base <= 0 {
		c.Base = defaultBaseEjection
	}
	if c.Max <= 0 {
		c.Max = defaultMaxEjection
	}
	c.Base = min(max(c.Base, time.Millisecond), 24*time.Hour)
	c.Max = min(max(c.Max, c.Base), 24*time.Hour)
	return c
}

// An Ejection is one endpoint's record of ejections. The zero Ejection is that
// of an endpoint which never was. It is not for concurrent use: its owner,
// which has the endpoints judged once an interval, keeps it.
type Ejection struct {
	reason Reason // zero: not ejected
	until  time.Time
	times  int // that it was ejected, less the intervals in which it was not
}

// Eject ejects the endpoint for a reason. It lasts min(Base · k, Max), varied by
// 10 % up or down so that clients do not return to it in step, where k counts
// ejections. Ejecting it once more while it is ejected changes nothing.
func (e *Ejection) Eject(cfg EjectionConfig, reason Reason, now time.Time) {
	if e.Ejected() {
		return
	}
	cfg = cfg.normal()
	e.times++
	e.reason = reason
	d := cfg.Max
	if time.Duration(e.times) <= cfg.Max/cfg.Base {
		d = cfg.Base * time.Duration(e.times)
	}
	e.until = now.Add(d - d/10 + rand.N(d/5+1))
}

// Tick says that an interval has passed, and reports whether the endpoint
// returns with it. An interval in which it was not ejected takes one from the
// count of its ejections, so that old sins are forgotten. While it is ejected,
// Tick may be called at any time, as when its time is over.
func (e *Ejection) Tick(now time.Time) (returned bool) {
	if e.Ejected() {
		if now.Before(e.until) {
			return false
		}
		e.reason = noReason
		return true
	}
	e.times = max(e.times-1, 0)
	return false
}

// Ejected reports whether the endpoint is ejected: from Eject until the first
// Tick after its time.
func (e *Ejection) Ejected() bool { return e.reason != noReason }

// Reason returns why the endpoint is ejected, or zero if it is not.
func (e *Ejection) Reason() Reason { return e.reason }

// Until returns when the time of an ejected endpoint is over.
func (e *Ejection) Until() time.Time { return e.until }

// Times returns how many ejections are remembered, this one included.
func (e *Ejection) Times() int { return e.times }
