package eurekaserver

import (
	"time"
)

// facts are what the page tells, gathered at one time. What the server does
// not know is nil or empty, and the page has no section for it.
type facts struct {
	Title    string
	Revision string // as the protocol names it
	Now      time.Time
	Uptime   time.Duration
	Waiting  int // clients that wait for a change

	Gated    bool          // lists are held back until they have been copied from a peer
	Renewals *renewalFacts // nil: heartbeats are not counted
	Peers    []peerFacts
	Changes  []event // the latest first
	Registry *listing
}

// renewalFacts say how many heartbeats come, and what the server makes of
// that.
type renewalFacts struct {
	LastMinute float64 // heartbeats per minute
	Expected   float64 // if all instances were well
	Threshold  float64 // below it, leases are protected

	Protected bool
	Since     time.Time // when the protection began
	Why       string    // in words
	Held      int       // leases that have run out and have not ended
}

// peerFacts say how the copy of the registry on another server is.
type peerFacts struct {
	URL       string
	Kind      string
	OK        bool
	Queue     int           // instances of which it has not been told the news
	Lag       time.Duration // age of the oldest of them
	LastSync  time.Time     // when the registries were last compared; zero: never
	LastError string
}

// facts gathers everything. This is the only place where the page asks the
// server.
func (p *page) facts() *facts {
	s := p.server
	listing := p.listings.latest()
	f := &facts{
		Title:    p.config.Title,
		Revision: s.registry.tag(listing.rev),
		Now:      time.Now(),
		Uptime:   time.Since(s.started),
		Waiting:  s.waiting.size(),
		Changes:  s.registry.recentEvents(shownChanges),
		Registry: listing,
		Gated:    s.cluster.gateClosed(),
	}
	if g := s.registry.stats().Preservation; g.Rules != "off" {
		f.Renewals = &renewalFacts{
			LastMinute: g.Received, Expected: g.Expected, Threshold: g.Threshold,
			Protected: g.Active, Since: g.Since, Why: g.Reason, Held: g.Held,
		}
	}
	for _, peer := range s.Peers() {
		f.Peers = append(f.Peers, peerFacts{
			URL: peer.URL, Kind: string(peer.Kind), OK: peer.Reachable,
			Queue: peer.Queue, Lag: peer.Lag, LastSync: peer.LastSync, LastError: peer.LastError,
		})
	}
	return f
}
