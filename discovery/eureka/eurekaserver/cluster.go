package eurekaserver

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// flushTime is how long Close may take to send what is queued.
const flushTime = time.Second

// A cluster is what a server knows of its peers, and the goroutines that talk
// to them. A nil one is that of a server without peers.
type cluster struct {
	PeersConfig
	server *Server
	http   *http.Client
	own    *http.Transport // if it is not the user's

	tasks sync.WaitGroup
	loops context.Context // done when the server closes
	stop  context.CancelFunc
	io    context.Context // done when the server has no more time to close
	abort context.CancelFunc

	opened chan struct{} // closed when lists may be served
	open   sync.Once

	peers atomic.Pointer[[]*peer] // in use, ordered by URL

	mu      sync.Mutex // guards the rest
	listed  bool       // the URLs of the peers are known
	closing bool
	bad     []PeerStatus // of URLs that cannot be used
}

func newCluster(s *Server, c PeersConfig) *cluster {
	cl := &cluster{PeersConfig: c, server: s, opened: make(chan struct{})}
	cl.peers.Store(new([]*peer))
	cl.io, cl.abort = context.WithCancel(context.Background())
	cl.loops, cl.stop = context.WithCancel(cl.io)
	if cl.Name == "" {
		cl.Name = s.id
	}
	base := c.HTTP
	if base == nil {
		cl.own = newPeerTransport()
		base = &http.Client{Transport: cl.own}
	}
	client := *base
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	cl.http = &client
	if c.GateTime < 0 {
		cl.openGate("there is no gate")
	}
	return cl
}

// newID returns an id by which a server recognizes itself.
func newID() string {
	return strconv.FormatUint(rand.Uint64(), 36) + strconv.FormatUint(rand.Uint64(), 36)
}

// start begins to talk to the peers.
func (c *cluster) start() {
	c.tasks.Go(c.limitGate)
	if c.Lookup != nil {
		c.tasks.Go(c.lookUp)
	} else {
		c.use(c.URLs)
	}
}

// close ends all exchanges, and waits for them. Peers that are within reach
// are told what is queued, if that takes no longer than flushTime.
func (c *cluster) close() {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.stop()
	timer := time.AfterFunc(flushTime, c.abort)
	c.tasks.Wait()
	timer.Stop()
	c.abort()
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// lookUp keeps the list of peers up to date.
func (c *cluster) lookUp() {
	for {
		ctx, cancel := context.WithTimeout(c.loops, c.LookupInterval)
		urls, err := c.Lookup(ctx)
		cancel()
		switch {
		case c.loops.Err() != nil:
			return
		case err != nil:
			c.log().Warn("peers not found", "error", err)
		case len(urls) > 0:
			c.use(urls)
		}
		if !sleep(c.loops, c.LookupInterval) {
			return
		}
	}
}

// use makes a list of URLs the peers.
func (c *cluster) use(urls []string) {
	var bad []PeerStatus
	wanted := make(map[peerURL]bool)
	for _, raw := range urls {
		u, err := parsePeerURL(raw)
		if err != nil {
			bad = append(bad, PeerStatus{URL: u.base, Kind: PeerUnknown, LastError: err.Error()})
			c.log().Error("peer not usable", "error", err)
			continue
		}
		wanted[u] = true
	}
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return
	}
	c.bad = bad
	var kept, gone []*peer
	for _, p := range *c.peers.Load() {
		if wanted[p.url] {
			kept = append(kept, p)
			delete(wanted, p.url)
		} else {
			gone = append(gone, p)
		}
	}
	for u := range wanted {
		p := newPeer(c, u)
		kept = append(kept, p)
		c.tasks.Go(p.send)
		c.tasks.Go(p.follow)
	}
	slices.SortFunc(kept, func(p, q *peer) int { return strings.Compare(p.url.base, q.url.base) })
	c.peers.Store(&kept)
	c.listed = true
	c.mu.Unlock()
	for _, p := range gone {
		p.stop()
		c.log().Info("peer dropped", "peer", p.url.base)
	}
	c.review()
}

// tell queues news of an instance for all peers.
func (c *cluster) tell(k key, what news) {
	if c == nil {
		return
	}
	for _, p := range *c.peers.Load() {
		if p.kind() != peerSelf {
			p.queue.add(k, what)
		}
	}
}

func (c *cluster) status() []PeerStatus {
	c.mu.Lock()
	list := slices.Clone(c.bad)
	c.mu.Unlock()
	for _, p := range *c.peers.Load() {
		if st := p.status(); st.Kind != peerSelf {
			list = append(list, st)
		}
	}
	return list
}
