package eureka

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/turn"
)

// ErrClosed says that the [Client], or the [Registration], has been closed.
var ErrClosed = errors.New("eureka: closed")

// A Client reads from and writes to the Eureka servers of one cluster. It is a
// [discovery.Watcher] and a [discovery.Registrar]. Its methods may be called
// concurrently.
type Client struct {
	config
	cluster  cluster
	unusable error // why the server URLs cannot be used; nil if they can
	http     *http.Client
	own      *http.Transport // to be closed by us; nil under a user's client

	// Reads and writes choose their servers apart: one that refuses to be
	// written to may be good to read from.
	reads, writes pool

	ctx    context.Context // done when the client is closed
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup // feeds, heartbeats, and the search for servers

	lines turn.Lines[copyKey, Registration] // of those who speak for a copy

	mu    sync.Mutex       // guards the rest; taken before a feed's
	feeds map[string]*feed // the running ones: by service, or one without a name for all
}

var (
	_ discovery.Watcher   = (*Client)(nil)
	_ discovery.Registrar = (*Client)(nil)
)

// New returns a client of the servers at serverURLs, comma-separated, such as
// "http://10.0.0.1:8761/eureka,http://10.0.0.2:8761/eureka". One of them is
// chosen at random and used until it fails, and for some 20 min at most: see
// "Choosing a server" in the package's documentation, and [WithServersInOrder].
// User and password belong into the URL, percent-encoded:
// "https://user:pass%2Fword@host/eureka". With [WithZone] or [WithServers],
// serverURLs may be empty.
//
// New does no I/O and starts nothing. A URL that cannot be used is reported by
// the first use of the client: [Client.Register] fails with it, and
// [Client.Watch] yields it.
func New(serverURLs string, opts ...Option) *Client {
	c := &Client{config: newConfig(opts), feeds: make(map[string]*feed)}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.unusable = c.cluster.init(c, serverURLs)
	c.reads.cluster, c.writes.cluster = &c.cluster, &c.cluster
	c.reads.ordered, c.writes.ordered = c.ordered, c.ordered
	c.writes.strict = true

	base := c.httpClient
	if base == nil {
		c.own = newTransport()
		base = &http.Client{Transport: c.own}
	}
	client := *base
	client.Timeout = 0 // requests that wait for changes have longer bounds than others
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &client
	return c
}

// newTransport returns what connects to servers unless the user says
// otherwise. It uses no proxy: a registry is a neighbor, and a proxy may cut
// off requests that wait.
func newTransport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout:    connectTimeout,
		MaxIdleConnsPerHost:    4,
		MaxConnsPerHost:        50,
		IdleConnTimeout:        45 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		Protocols:              protocols,
	}
}

// Close ends all watches, the fetching and the heartbeats, and waits for
// them. Watches yield [ErrClosed] before they end.
//
// Close withdraws nothing: close each [Registration] first. One that is
// forgotten is renewed no more, so that its lease runs out. A Registration
// may be closed afterwards as well.
//
// Close may be called more than once.
func (c *Client) Close() {
	c.mu.Lock() // so that no task starts any more
	c.cancel(ErrClosed)
	c.mu.Unlock()
	c.tasks.Wait()
	c.closeIdle()
}

// spawn runs a task that ends when the client is closed, which waits for it.
// It reports false if the client has been closed.
func (c *Client) spawn(task func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed() {
		return false
	}
	c.tasks.Go(task)
	return true
}

// closed reports whether Close has been called.
func (c *Client) closed() bool { return c.ctx.Err() != nil }

func (c *Client) closeIdle() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// usable reports why the client cannot be used: it is closed, or was made
// with an unusable URL.
func (c *Client) usable() error {
	if c.closed() {
		return ErrClosed
	}
	return c.unusable
}
