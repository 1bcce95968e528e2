package eurekaserver

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// headerServer carries the random id of a server of this package, on requests
// to peers and on answers to them. By it a server recognizes itself under
// whatever name, and others of its kind.
const headerServer = "X-Namesake-Server"

// A peer is another server. Two goroutines talk to it: one sends news, and one
// reconciles.
type peer struct {
	cluster *cluster
	url     peerURL
	queue   *queue
	loops   context.Context // done when the peer is dropped or the server closes
	stop    context.CancelFunc
	kick    chan struct{} // has an element when reconciling cannot wait

	mu        sync.Mutex // guards the rest
	is        PeerKind
	identity  string        // of the server that answers there, if it is of our kind
	known     chan struct{} // closed while the kind is known
	contacted bool
	reachable bool
	since     time.Time
	lastError string
	lastSync  time.Time
	copied    bool // its registry was copied, whatever it was worth
	complete  bool // it was worth something
	missed    bool // it was out of reach for long
}

func newPeer(c *cluster, u peerURL) *peer {
	p := &peer{cluster: c, url: u, queue: newQueue(), kick: make(chan struct{}, 1), is: PeerUnknown, known: make(chan struct{})}
	p.loops, p.stop = context.WithCancel(c.loops)
	return p
}

func (p *peer) kind() PeerKind {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.is
}

// awaitKind waits until the peer has said what it is.
func (p *peer) awaitKind() (PeerKind, bool) {
	for {
		p.mu.Lock()
		kind, known := p.is, p.known
		p.mu.Unlock()
		if kind != PeerUnknown {
			return kind, true
		}
		select {
		case <-p.loops.Done():
			return kind, false
		case <-known:
		}
	}
}

// learn takes from an answer what the peer is. A server of our kind that is
// another than before has to be compared with at once.
func (p *peer) learn(code int, h http.Header) PeerKind {
	identity := h.Get(headerServer)
	kind := PeerNamesake
	switch {
	case identity == p.cluster.server.id:
		kind = peerSelf
	case identity != "":
	case code == http.StatusOK:
		kind = PeerEureka
	default:
		kind = PeerUnknown // anything may answer so
	}
	p.mu.Lock()
	before := p.is
	replaced := kind == PeerNamesake && p.identity != "" && p.identity != identity
	switch {
	case kind != PeerUnknown:
		p.become(kind, identity)
	case code == http.StatusBadRequest && before == PeerNamesake:
		p.become(PeerUnknown, "") // it does not understand what only our kind does
	}
	kind = p.is
	p.mu.Unlock()
	if kind != before {
		p.cluster.log().Info("peer known", "peer", p.url.base, "kind", kind)
		if kind == peerSelf {
			p.cluster.review()
		}
	}
	if replaced {
		p.hurry()
	}
	return kind
}

func (p *peer) become(kind PeerKind, identity string) {
	if p.is == PeerUnknown && kind != PeerUnknown {
		close(p.known)
	}
	if p.is != PeerUnknown && kind == PeerUnknown {
		p.known = make(chan struct{})
	}
	p.is, p.identity = kind, identity
}

// hurry makes the next reconciliation come at once.
func (p *peer) hurry() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// succeeded and failed note how an exchange went. It returns whether that is
// another result than before, and how long that had lasted.
func (p *peer) succeeded() (news bool, lasted time.Duration) { return p.note(true, "") }

func (p *peer) failed(err error) {
	if news, _ := p.note(false, err.Error()); news {
		p.cluster.log().Warn("peer out of reach", "peer", p.url.base, "error", err)
	}
}

func (p *peer) note(reachable bool, problem string) (news bool, lasted time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if problem != "" {
		p.lastError = problem
	}
	if p.contacted && p.reachable == reachable {
		return false, 0
	}
	now := time.Now()
	if p.contacted {
		lasted = now.Sub(p.since)
	}
	p.contacted, p.reachable, p.since = true, reachable, now
	return true, lasted
}

func (p *peer) isReachable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reachable
}

// synced notes that the registry was compared with that of the peer, which is
// complete if the peer is not just starting itself.
func (p *peer) synced(complete bool) {
	p.mu.Lock()
	p.lastSync = time.Now()
	p.copied = true
	p.complete = p.complete || complete
	p.mu.Unlock()
	p.cluster.review()
}

func (p *peer) progress() (kind PeerKind, copied, complete bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.is, p.copied, p.complete
}

func (p *peer) status() PeerStatus {
	length, oldest := p.queue.state()
	p.mu.Lock()
	defer p.mu.Unlock()
	st := PeerStatus{
		URL: p.url.base, Kind: p.is, Reachable: p.reachable, Since: p.since, LastError: p.lastError,
		Queue: length, LastSync: p.lastSync,
	}
	if !oldest.IsZero() {
		st.Lag = time.Since(oldest)
	}
	return st
}
