package eurekaserver

import (
	"context"
	"net/http"
	"time"
)

// PeersConfig names the other servers of a cluster, which is any mix of servers
// of this package, Netflix's and Spring's. See the package documentation for
// what they tell each other.
type PeersConfig struct {
	// URLs are those that clients are given, such as
	// http://user:password@eureka-2:8761/eureka/. All servers may have the
	// same list: a server recognizes itself and leaves itself out.
	URLs []string

	// Lookup, if it is not nil, returns the URLs in place of the field above.
	// It is called when replication starts, and then every LookupInterval.
	// Whoever is in the list no more is told nothing more. While it returns an
	// error or nothing, the last list stays in use. It must return when ctx is
	// done.
	Lookup func(ctx context.Context) ([]string, error)

	// LookupInterval is the time between calls of Lookup. Zero means 30
	// seconds; so does a negative value.
	LookupInterval time.Duration

	// HTTP is what connects to peers, for TLS above all. Its timeout has to
	// leave 5 seconds for an answer. Redirects are not followed. Nil means a
	// client of the server's own, without a proxy.
	HTTP *http.Client

	// Name is how this server presents itself to peers. Empty means a random
	// one. It has no meaning for the protocol.
	Name string

	// GateTime bounds how long lists are held back after the start, until they
	// have been copied from a peer: see the package documentation. Zero means
	// 30 seconds. Negative means that there is no gate.
	GateTime time.Duration

	// ReconcileInterval is how often servers of this package compare what they
	// know, to repair what got lost, give or take a third. Zero means 15
	// seconds; so does a negative value.
	ReconcileInterval time.Duration
}

// What PeersConfig leaves out.
const (
	defaultLookupInterval    = 30 * time.Second
	defaultGateTime          = 30 * time.Second
	defaultReconcileInterval = 15 * time.Second
)

// WithPeers makes the server one of a cluster: what clients write at one server
// is forwarded to the others. Replication starts with [Server.Start] or the
// first request, and ends with [Server.Close].
func WithPeers(c PeersConfig) Option {
	if c.LookupInterval <= 0 {
		c.LookupInterval = defaultLookupInterval
	}
	if c.GateTime == 0 {
		c.GateTime = defaultGateTime
	}
	if c.ReconcileInterval <= 0 {
		c.ReconcileInterval = defaultReconcileInterval
	}
	return optionFunc(func(s *settings) { s.peers = &c })
}

// A PeerKind says what a peer is, which is learned from its answers.
type PeerKind string

// The kinds of peers.
const (
	PeerUnknown  PeerKind = "unknown"  // it has not answered yet
	PeerNamesake PeerKind = "namesake" // a server of this package
	PeerEureka   PeerKind = "eureka"   // Netflix's or Spring's, or like them
	peerSelf     PeerKind = "self"
)

// A PeerStatus says how a peer is doing.
type PeerStatus struct {
	URL  string // without credentials
	Kind PeerKind

	// Reachable says whether the last exchange succeeded; Since is when that
	// last changed, zero if there was no exchange yet. LastError is why the
	// last one that failed did, without credentials, even if others have
	// succeeded since.
	Reachable bool
	Since     time.Time
	LastError string

	// Queue is how many instances have news that the peer has not been told,
	// and Lag since how long the oldest of them waits.
	Queue int
	Lag   time.Duration

	// LastSync is when the registry was last copied from the peer or compared
	// with it, zero if never.
	LastSync time.Time
}

// startPeers begins to talk to the peers, without waiting for anything.
func (s *Server) startPeers() {
	if s.cluster != nil {
		s.cluster.start()
	}
}

// Peers returns how the peers are doing, ordered by URL: those that are in use,
// without the server itself, and those whose URL cannot be used.
func (s *Server) Peers() []PeerStatus {
	if s.cluster == nil {
		return nil
	}
	return s.cluster.status()
}
