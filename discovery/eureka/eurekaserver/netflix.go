package eurekaserver

import (
	"fmt"
	"time"
)

// NetflixConfig sets the rules of Netflix's server: see [WithNetflixRules].
// Its zero value is that server's.
type NetflixConfig struct {
	// NoPreservation lets leases end however few heartbeats come.
	NoPreservation bool

	// Threshold is the share of the expected heartbeats that must be exceeded
	// for leases to end, and the share of the registry that outlives each run.
	// Zero means 0.85, as does any value that is not between 0 and 1.
	Threshold float64

	// ExpectedInterval is the time between heartbeats that all instances are
	// taken to have, whatever they say. Zero means 30 seconds; so does a
	// negative value.
	ExpectedInterval time.Duration

	// EvictionInterval is the time between two looks for leases that have run
	// out. Zero means 60 seconds; so does a negative value.
	EvictionInterval time.Duration

	// ExpectedClients is how many instances are expected from the start, as if
	// they had been copied from another server. At zero, which is the default,
	// the number never grows, and no lease ever ends unless NoPreservation is
	// set. Spring's servers start with 1.
	ExpectedClients int
}

func (c NetflixConfig) withDefaults() NetflixConfig {
	if !(c.Threshold > 0 && c.Threshold < 1) {
		c.Threshold = 0.85
	}
	if c.ExpectedInterval <= 0 {
		c.ExpectedInterval = 30 * time.Second
	}
	if c.EvictionInterval <= 0 {
		c.EvictionInterval = time.Minute
	}
	c.ExpectedClients = max(c.ExpectedClients, 0)
	return c
}

// netflixRules is the guard with the rules of Netflix's server, mistakes
// included.
type netflixRules struct {
	NetflixConfig
	started   time.Time
	scheduled time.Time // the run that is due next

	clients       int // that are expected to send heartbeats
	minute        int64
	current, last int // heartbeats of this minute and the one before

	active bool
	since  time.Time
	reason string
	held   int
}

func newNetflixRules(c NetflixConfig, now time.Time) *netflixRules {
	c = c.withDefaults()
	return &netflixRules{NetflixConfig: c, started: now, scheduled: now.Add(c.EvictionInterval), clients: c.ExpectedClients}
}

func (n *netflixRules) joined(_, old *lease, _ time.Time) {
	if old == nil && n.clients > 0 {
		n.clients++
	}
}

func (n *netflixRules) left(*lease, time.Time) { n.clients = max(n.clients-1, 0) }

// The lease counts from one duration after the heartbeat, so that it lasts two.
func (n *netflixRules) renewed(l *lease, now time.Time) time.Time {
	n.turnMinute(now)
	n.current++
	return now.Add(l.duration())
}

// turnMinute begins another minute when it is time. They are counted from the
// start and do not slide.
func (n *netflixRules) turnMinute(now time.Time) {
	minute := int64(now.Sub(n.started) / time.Minute)
	switch minute - n.minute {
	case 0:
		return
	case 1:
		n.last = n.current
	default:
		n.last = 0
	}
	n.minute, n.current = minute, 0
}

func (n *netflixRules) threshold() int {
	return int(float64(n.clients) * (60 / n.ExpectedInterval.Seconds()) * n.Threshold)
}

func (n *netflixRules) next(first, now time.Time) time.Time {
	if n.scheduled.Before(now) && first.After(now) { // there was nothing to look after
		n.scheduled = n.scheduled.Add((now.Sub(n.scheduled)/n.EvictionInterval + 1) * n.EvictionInterval)
	}
	return n.scheduled
}

// A run that comes late, because the whole server stood still, gives each
// lease as much time more.
func (n *netflixRules) cutoff(now time.Time) time.Time {
	late := now.Sub(n.scheduled)
	return now.Add(-max(late, 0) - 1) // a lease that runs out just now is not overdue yet
}

func (n *netflixRules) protecting() bool { return n.active }

func (n *netflixRules) admit(overdue int, all []*lease, now time.Time) (allowed int, again time.Time) {
	again = now // whenever the next run is
	n.scheduled = now.Add(n.EvictionInterval)
	n.turnMinute(now)
	threshold := n.threshold()
	active := !n.NoPreservation && (threshold == 0 || n.last <= threshold)
	if active != n.active {
		n.active, n.since = active, now
		n.reason = fmt.Sprintf("%d heartbeats in the last minute, threshold %d", n.last, threshold)
	}
	if active {
		n.held = overdue
		return 0, again
	}
	allowed = min(overdue, len(all)-int(float64(len(all))*n.Threshold))
	n.held = overdue - allowed
	return allowed, again
}

func (n *netflixRules) state(_ []*lease, now time.Time) Preservation {
	n.turnMinute(now)
	return Preservation{
		Rules:    "netflix",
		Expected: float64(n.clients) * (60 / n.ExpectedInterval.Seconds()), Received: float64(n.last), Threshold: float64(n.threshold()),
		Active: n.active, Since: n.since, Reason: n.reason, Held: n.held,
	}
}
