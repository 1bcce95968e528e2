// Package memnet is a network in memory: listeners and dialers that meet in
// this process and touch no port. Servers and clients over it run inside a
// testing/synctest bubble, where real sockets would stop the clock.
package memnet

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// A Network is a set of listeners by address. The zero value is ready to use,
// by several goroutines.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*Listener
	dials     map[string]int
	dialing   map[string]int
	conns     map[string]map[*tracked]bool // open
}

// Listen announces addr, a host:port, which must be free.
func (n *Network) Listen(addr string) (*Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[addr] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: address(addr), Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	}
	if n.listeners == nil {
		n.listeners = make(map[string]*Listener)
	}
	l := &Listener{network: n, addr: address(addr), backlog: make(chan net.Conn), closed: make(chan struct{})}
	n.listeners[addr] = l
	return l, nil
}

// DialContext connects to the listener at addr, or fails as TCP would when
// nobody listens there.
func (n *Network) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[addr]
	if n.dials == nil {
		n.dials = make(map[string]int)
		n.dialing = make(map[string]int)
		n.conns = make(map[string]map[*tracked]bool)
	}
	n.dials[addr]++
	n.dialing[addr]++
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.dialing[addr]--
	}()
	refused := &net.OpError{Op: "dial", Net: network, Addr: address(addr), Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	if l == nil {
		return nil, refused
	}
	client, server := pair(address("client"), address(addr))
	select {
	case l.backlog <- server:
		return n.track(client, addr), nil
	case <-l.closed:
		return nil, refused
	case <-ctx.Done():
		err := ctx.Err()
		if errors.Is(err, context.DeadlineExceeded) {
			err = os.ErrDeadlineExceeded
		}
		return nil, &net.OpError{Op: "dial", Net: network, Addr: address(addr), Err: err}
	}
}

// Dials returns how often addr has been dialed, successfully or not.
func (n *Network) Dials(addr string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials[addr]
}

// Dialing returns how many dials of addr are under way.
func (n *Network) Dialing(addr string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dialing[addr]
}

// Open returns how many connections to addr their dialers have not closed.
func (n *Network) Open(addr string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.conns[addr])
}

// Silence makes the connections to addr that are open now lose everything that
// their dialers write, without a word, and receive nothing any more: the cable
// is cut. New connections are not affected.
func (n *Network) Silence(addr string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns[addr] {
		c.silent.Store(true)
	}
}

func (n *Network) track(client *conn, addr string) net.Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conns[addr] == nil {
		n.conns[addr] = make(map[*tracked]bool)
	}
	c := &tracked{conn: client}
	c.closed = func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.conns[addr], c)
	}
	n.conns[addr][c] = true
	return c
}

// A tracked is the dialer's end, which the network knows of.
type tracked struct {
	*conn
	once   sync.Once
	closed func()
	silent atomic.Bool
}

func (c *tracked) Write(p []byte) (int, error) {
	if c.silent.Load() {
		return len(p), nil
	}
	return c.conn.Write(p)
}

func (c *tracked) Close() error {
	c.once.Do(c.closed)
	return c.conn.Close()
}

// A Listener is a net.Listener of a Network. One whose connections nobody
// accepts leaves dialers waiting, as a host that drops packets does.
type Listener struct {
	network *Network
	addr    address
	backlog chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.backlog:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close frees the address. Connections that were accepted live on.
func (l *Listener) Close() error {
	l.once.Do(func() {
		l.network.mu.Lock()
		delete(l.network.listeners, string(l.addr))
		l.network.mu.Unlock()
		close(l.closed)
	})
	return nil
}

// Addr returns the address listened at.
func (l *Listener) Addr() net.Addr { return l.addr }

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }
