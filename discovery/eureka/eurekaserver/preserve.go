package eurekaserver

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// A guard decides which leases that have run out may end, and when to look for
// them. The registry calls it under its lock.
type guard interface {
	// joined tells of a registration, left of an instance that is gone. old is
	// the lease that the new one replaces, or nil.
	joined(l, old *lease, now time.Time)
	left(l *lease, now time.Time)

	// renewed tells of a heartbeat before it is noted, and returns the time to
	// note.
	renewed(l *lease, now time.Time) time.Time

	// next returns when to look for leases that have run out, if the first
	// does so at the given time.
	next(first, now time.Time) time.Time

	// cutoff returns the time up to which leases have to have run out to be
	// overdue now.
	cutoff(now time.Time) time.Time

	// admit returns how many overdue leases may end, all being all that there
	// are, and when the others are looked at again.
	admit(overdue int, all []*lease, now time.Time) (n int, again time.Time)

	// protecting reports whether leases are protected, and state all that the
	// guard sees.
	protecting() bool
	state(all []*lease, now time.Time) Preservation
}

// Preservation is how the server protects leases when many heartbeats stop at
// once: see [Server.Stats].
type Preservation struct {
	// Rules names the rules in force: "namesake", "netflix" or "off".
	Rules string

	// Expected is how many heartbeats a minute all instances together have
	// promised, Received how many still come, and Threshold below how many
	// leases are protected. With the rules of Netflix Received is the count of
	// the last complete minute, and leases are protected up to the Threshold.
	Expected, Received, Threshold float64

	// Active says whether leases are protected, since when, and why, or if
	// not why it ended the last time. Since is zero as long as it has never
	// happened.
	Active bool
	Since  time.Time
	Reason string

	// Held is how many leases have run out and have not ended: because they
	// are protected, or because others came first.
	Held int
}

// PreservationConfig sets the protection of leases: see
// [WithSelfPreservation].
type PreservationConfig struct {
	// Off ends every lease when it runs out, whatever happens to others.
	Off bool

	// Threshold is the share of the expected heartbeats below which leases are
	// protected; the rest, 15 % by default, is also the share of the registry
	// that may end at once. It lies between 0 and 1. Zero means 0.85, as does
	// any value out of range.
	Threshold float64

	// MinInstances is the size of the registry from which on leases are
	// protected. Below, a single instance would be too large a share. Zero
	// means 10, negative any size.
	MinInstances int

	// Window is how long the heartbeats of an instance that falls silent fade
	// from what is Received: from one interval after its last heartbeat to a
	// window later, or to the end of its lease if that is earlier. Leases are
	// not protected before the server is two windows old. Zero means one
	// minute; so does a negative value.
	Window time.Duration

	// MaxHold is how long leases are protected at a stretch. After that they
	// end, a share at a time, since what has been away so long is not coming
	// back. Zero means 15 minutes, negative for ever.
	MaxHold time.Duration
}

func (c PreservationConfig) withDefaults() PreservationConfig {
	if !(c.Threshold > 0 && c.Threshold < 1) { // nor NaN
		c.Threshold = 0.85
	}
	switch {
	case c.MinInstances == 0:
		c.MinInstances = 10
	case c.MinInstances < 0:
		c.MinInstances = 1
	}
	if c.Window <= 0 {
		c.Window = time.Minute
	}
	switch {
	case c.MaxHold == 0:
		c.MaxHold = 15 * time.Minute
	case c.MaxHold < 0:
		c.MaxHold = math.MaxInt64
	}
	return c
}

// A preservation is the guard of this package. It compares the heartbeats that
// come with those that the leases promised, and lets no lease end while too
// few come: then it is more likely that the way to the server is broken than
// that so many instances are. What it lets end it lets end in portions, so
// that whoever comes back while leases end in masses is most likely still
// there.
//
// It looks at the leases when some have run out, and not at heartbeats when
// they come.
type preservation struct {
	PreservationConfig
	started time.Time

	read               time.Time // when the figures below were
	expected, received float64

	active bool
	gaveUp bool // after MaxHold, until enough heartbeats come
	since  time.Time
	reason string
	held   int

	portionEnd time.Time
	portion    int // how many may end until then
}

// How often things happen in a window.
const (
	looks    = 12 // while leases are protected, to see whether that is over
	portions = 4  // of leases that end in masses
)

// freshness is how long figures are good enough for another decision. When
// thousands of leases run out one after the other it saves adding up as often.
const freshness = 100 * time.Millisecond

func newPreservation(c PreservationConfig, now time.Time) *preservation {
	return &preservation{PreservationConfig: c.withDefaults(), started: now}
}

func (p *preservation) joined(_, _ *lease, _ time.Time) {}

func (p *preservation) left(*lease, time.Time) {}

func (p *preservation) renewed(_ *lease, now time.Time) time.Time { return now }

// measure adds up what the leases promised and what they keep. An instance
// that sends more than it promised does not hide the silence of others, and
// one that has just registered is not taken for silent.
func (p *preservation) measure(all []*lease, now time.Time) {
	p.read, p.expected, p.received = now, 0, 0
	for _, l := range all {
		interval := time.Duration(max(l.info.Lease.RenewalInterval, 1)) * time.Second
		rate := float64(time.Minute) / float64(interval)
		p.expected += rate
		late, fade := now.Sub(l.renewed)-interval, min(p.Window, l.duration()-interval)
		switch {
		case !now.Before(l.expires()):
		case late <= 0:
			p.received += rate
		case late < fade:
			p.received += rate * (1 - float64(late)/float64(fade))
		}
	}
}

func (p *preservation) next(first, now time.Time) time.Time {
	if again := now.Add(p.Window / looks); p.active && again.Before(first) {
		return again
	}
	return first
}

func (p *preservation) protecting() bool { return p.active }

func (p *preservation) cutoff(now time.Time) time.Time { return now }

func (p *preservation) admit(overdue int, all []*lease, now time.Time) (n int, again time.Time) {
	p.held = 0
	if p.Off || overdue == 0 && !p.active {
		return overdue, now
	}
	p.judge(all, now)
	if p.active {
		p.held = overdue
		return 0, now.Add(p.Window / looks)
	}
	if len(all) < p.MinInstances {
		return overdue, now
	}
	if !now.Before(p.portionEnd) {
		p.portionEnd = now.Add(p.Window / portions)
		p.portion = len(all) - int(float64(len(all))*p.Threshold)
	}
	n = min(overdue, p.portion)
	p.portion -= n
	p.held = overdue - n
	return n, p.portionEnd
}

// judge begins and ends the protection. It begins with the first lease that
// would end, and not before: until then there is nothing to protect.
func (p *preservation) judge(all []*lease, now time.Time) {
	if p.active || now.Sub(p.read) >= freshness {
		p.measure(all, now)
	}
	enough := p.received >= p.Threshold*p.expected-1e-6 // sums of fractions are not exact
	if enough {
		p.gaveUp = false
	}
	figures := fmt.Sprintf("%.0f heartbeats a minute of %.0f", p.received, p.expected)
	switch {
	case !p.active:
		young := now.Before(p.started.Add(2 * p.Window))
		if !enough && !p.gaveUp && !young && len(all) >= p.MinInstances {
			p.turn(true, now, figures)
		}
	case enough:
		p.turn(false, now, figures)
	case len(all) < p.MinInstances:
		p.turn(false, now, "too few instances")
	case now.Sub(p.since) >= p.MaxHold:
		p.gaveUp = true
		p.turn(false, now, "held for long enough")
	}
}

func (p *preservation) turn(active bool, now time.Time, reason string) {
	p.active, p.since, p.reason = active, now, reason
}

func (p *preservation) state(all []*lease, now time.Time) Preservation {
	if now.Sub(p.read) >= freshness {
		p.measure(all, now)
	}
	rules := "namesake"
	if p.Off {
		rules = "off"
	}
	return Preservation{
		Rules: rules, Expected: p.expected, Received: p.received, Threshold: p.Threshold * p.expected,
		Active: p.active, Since: p.since, Reason: p.reason, Held: p.held,
	}
}

// pick moves n leases chosen at random to the front.
func pick(leases []*lease, n int) {
	for i := range n {
		j := i + rand.IntN(len(leases)-i)
		leases[i], leases[j] = leases[j], leases[i]
	}
}

// protectionHeader returns the header that tells readers that the list may
// hold instances that are gone, or nil if leases are not protected.
func protectionHeader(p Preservation) *string {
	if !p.Active {
		return nil
	}
	return new("since=" + p.Since.UTC().Format(time.RFC3339))
}
