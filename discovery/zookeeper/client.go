package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/life"
	"github.com/namesake-go/namesake/discovery/internal/retry"
	"github.com/namesake-go/namesake/discovery/internal/turn"
)

// ErrClosed says that the [Client], or a registration, has been closed.
var ErrClosed = errors.New("zookeeper: closed")

// errUnauthenticated is what happens before there is a connection.
var errUnauthenticated = errors.New("not authenticated yet")

// errDisconnected is what a watch yields while there is no connection.
var errDisconnected = errors.New("not connected to any server")

// maxPacket bounds what a server may send at once, and with it the number of
// copies of a service: some 50,000.
const maxPacket = 4 << 20

// A Client reads from and writes to a ZooKeeper ensemble, in one session for
// everything. It is a [discovery.Watcher] and a [discovery.Registrar]. Its
// methods may be called concurrently.
type Client struct {
	config
	servers  []string
	unusable error // why it cannot be used; nil if it can
	shared   discovery.Watcher

	authenticated chan struct{} // closed when that has been done, if it is to be

	ctx    context.Context // done when the client is closed
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup // what keeps copies announced, and what authenticates

	lines turn.Lines[string, registration] // by path

	mu    sync.Mutex // guards the rest, and that no task starts once the client is closed
	conn  *zk.Conn   // nil until it is needed
	state state
}

// A state says whether there is a connection with a session.
type state struct {
	connected bool
	count     int           // of connections so far
	changed   chan struct{} // closed by the next
}

var (
	_ discovery.Watcher   = (*Client)(nil)
	_ discovery.Registrar = (*Client)(nil)
)

// New returns a client of the servers at addresses, comma-separated, each
// host:port, or host for port 2181. It does no I/O and starts nothing: it
// connects when it is first used, and looks names up for each connection.
// Addresses that cannot be used are reported by
// then: [Client.Register] fails with that, and [Client.Watch] yields it.
func New(addresses string, opts ...Option) *Client {
	c := &Client{config: newConfig(opts), authenticated: make(chan struct{})}
	c.servers, c.unusable = parseServers(addresses)
	c.state.changed = make(chan struct{})
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.shared = discovery.Share(discovery.WatcherFunc(c.follow))
	return c
}

func parseServers(list string) ([]string, error) {
	var servers []string
	for addr := range strings.SplitSeq(list, ",") {
		addr = strings.TrimSpace(addr)
		if addr == "" {
			continue
		}
		if strings.ContainsAny(addr, "/@") {
			return nil, fmt.Errorf("zookeeper: %q is not host:port", addr[strings.LastIndexAny(addr, "/@")+1:])
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			if strings.Contains(addr, ":") {
				return nil, fmt.Errorf("zookeeper: %q is not host:port", addr)
			}
			addr = net.JoinHostPort(addr, "2181")
		}
		servers = append(servers, addr)
	}
	if len(servers) == 0 {
		return nil, errors.New("zookeeper: no server")
	}
	return servers, nil
}

// Watch follows the copies of a service. Watches of the same service share one
// set of ZooKeeper's watches. A watch of a client that is closed yields
// [ErrClosed] and ends.
//
// See [discovery.Watcher] for the contract.
func (c *Client) Watch(ctx context.Context, service string) iter.Seq2[[]discovery.Instance, error] {
	return life.Watch(ctx, c.ctx, c.shared, service)
}

// Close ends all watches and the session, and waits for that. Watches yield
// [ErrClosed] before they end. What was announced in the session goes with it:
// copies that are to be withdrawn in order are closed first.
//
// Close may be called more than once.
func (c *Client) Close() {
	c.mu.Lock() // so that no task starts any more
	c.cancel(ErrClosed)
	conn := c.conn
	c.mu.Unlock()
	if conn != nil {
		conn.Close() // which makes all that wait for an answer fail
	}
	c.tasks.Wait()
}

// spawn runs a task that the client waits for, unless it has been closed.
func (c *Client) spawn(task func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed() {
		return false
	}
	c.tasks.Go(task)
	return true
}

func (c *Client) closed() bool { return c.ctx.Err() != nil }

// usable reports why the client cannot be used.
func (c *Client) usable() error {
	if c.closed() {
		return ErrClosed
	}
	return c.unusable
}

// connection returns the connection, which it makes if there is none.
func (c *Client) connection() (*zk.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed() {
		return nil, ErrClosed
	}
	if c.conn != nil {
		return c.conn, nil
	}
	conn, _, err := zk.Connect(c.servers, c.session, zk.WithDialer(c.connect), zk.WithEventCallback(c.event), zk.WithHostProvider(new(hosts)),
		zk.WithLogger(log.New(io.Discard, "", 0)), zk.WithLogInfo(false), zk.WithMaxBufferSize(maxPacket), zk.WithMaxConnBufferSize(maxPacket))
	if err != nil {
		return nil, err
	}
	c.conn = conn
	if c.scheme != "" {
		c.tasks.Go(func() { c.authenticate(conn) })
	}
	return conn, nil
}

// authenticate says who we are, as soon as there is somebody to say it to. The
// connection repeats it whenever it is made anew.
func (c *Client) authenticate(conn *zk.Conn) {
	delays := retry.New(c.session)
	for {
		before := c.now()
		err := conn.AddAuth(c.scheme, []byte(c.credentials))
		if err == nil {
			close(c.authenticated)
			return
		}
		if !c.closed() && !errors.Is(err, zk.ErrNoServer) {
			c.log.Warn("authentication failed", "scheme", c.scheme, "error", err)
		}
		if !c.ready(c.ctx, before, delays.Delay()) {
			return
		}
	}
}

// trusted returns the connection when it has authenticated, if it is to.
func (c *Client) trusted() (*zk.Conn, error) {
	conn, err := c.connection()
	if err != nil || c.scheme == "" {
		return conn, err
	}
	timeout := time.NewTimer(c.session)
	defer timeout.Stop()
	select {
	case <-c.authenticated:
		return conn, nil
	case <-c.ctx.Done():
		return nil, ErrClosed
	case <-timeout.C:
		return nil, errUnauthenticated
	}
}

// event hears of the session. It must not block.
func (c *Client) event(e zk.Event) {
	if e.Type != zk.EventSession {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	connected := c.state.connected
	switch e.State {
	case zk.StateHasSession:
		connected = true
	case zk.StateDisconnected, zk.StateExpired, zk.StateAuthFailed:
		connected = false
	}
	if connected != c.state.connected {
		c.state.connected = connected
		if connected {
			c.state.count++
		}
		close(c.state.changed)
		c.state.changed = make(chan struct{})
	}
}

// now returns the state of the session.
func (c *Client) now() state {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}
