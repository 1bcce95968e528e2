package registrytest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// A Proxy passes TCP connections on to a server, well or badly. Its methods
// may be called concurrently.
type Proxy struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu    sync.Mutex // guards the rest
	links map[*link]bool
	cut   bool
	delay time.Duration
}

// A link is a connection through a proxy, in both directions.
type link struct {
	client, server net.Conn
	stranded       chan struct{} // closed when nothing passes any more
	once           sync.Once
	closed         chan struct{}
}

// NewProxy returns a proxy for the server at an address, until the end of the
// test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, target: target, links: make(map[*link]bool)}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.Cut()
		p.running.Wait()
	})
	return p
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Cut breaks all connections, and each new one at once, until Heal.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for l := range p.links {
		l.close()
	}
}

// Strand leaves all connections of now open, and lets nothing through them any
// more, as a firewall does that has forgotten them. New ones work.
func (p *Proxy) Strand() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		select {
		case <-l.stranded:
		default:
			close(l.stranded)
		}
	}
}

// Slow delays whatever passes by d, in each direction, until Heal.
func (p *Proxy) Slow(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Heal ends Cut and Slow. What was stranded remains so.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.delay = false, 0
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	server, err := net.DialTimeout("tcp", p.target, time.Second)
	if err != nil {
		_ = client.Close()
		return
	}
	l := &link{client: client, server: server, stranded: make(chan struct{}), closed: make(chan struct{})}
	p.mu.Lock()
	if p.cut {
		l.close()
	} else {
		p.links[l] = true
	}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pass(l, l.server, l.client) })
	both.Go(func() { p.pass(l, l.client, l.server) })
	both.Wait()
	l.close()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// pass copies what arrives at one end to the other. The end of one direction
// ends both, which no registry's client minds.
func (p *Proxy) pass(l *link, to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		select {
		case <-l.stranded:
			<-l.closed
			return
		default:
		}
		p.mu.Lock()
		delay := p.delay
		p.mu.Unlock()
		if delay > 0 {
			select {
			case <-time.After(delay):
			case <-l.closed:
				return
			}
		}
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				err = werr
			}
		}
		if err != nil {
			l.close()
			return
		}
	}
}

func (l *link) close() {
	l.once.Do(func() {
		close(l.closed)
		_ = l.client.Close()
		_ = l.server.Close()
	})
}
