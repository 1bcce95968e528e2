package consul

import (
	"context"
	"errors"
	"iter"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/life"
	"github.com/namesake-go/namesake/discovery/internal/turn"
)

// ErrClosed says that the [Client], or a registration, has been closed.
var ErrClosed = errors.New("consul: closed")

// A Client reads from and writes to Consul by the HTTP API of an agent or a
// server. It is a [discovery.Watcher] and a [discovery.Registrar]. Its methods
// may be called concurrently.
type Client struct {
	config
	agents   []*agent
	unusable error // why it cannot be used; nil if it can
	http     *http.Client
	own      *http.Transport // to be closed by us; nil under a user's client
	shared   discovery.Watcher

	ctx    context.Context // done when the client is closed
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup                   // what keeps copies announced
	lines  turn.Lines[string, registration] // by ID

	mu   sync.Mutex // guards good, and that no task starts once the client is closed
	good int        // the agent that answered last
}

var (
	_ discovery.Watcher   = (*Client)(nil)
	_ discovery.Registrar = (*Client)(nil)
)

// New returns a client of the agents at urls, comma-separated, such as
// "http://127.0.0.1:8500". Services are read from the one that answers, in the
// order written; copies are announced to the first, since each agent looks
// after its own.
//
// New does no I/O and starts nothing. A URL that cannot be used is reported by
// the first use of the client: [Client.Register] fails with it, and
// [Client.Watch] yields it.
func New(urls string, opts ...Option) *Client {
	c := &Client{config: newConfig(opts)}
	c.agents, c.unusable = parseAgents(urls)
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.shared = discovery.Share(discovery.WatcherFunc(c.follow))

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

// newTransport returns what connects to agents unless the user says otherwise.
// It uses no proxy: an agent is a neighbor. Each service that is watched has a
// request waiting, over a connection of its own unless there is HTTP/2.
func newTransport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout:    connectTimeout,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        45 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		Protocols:              protocols,
	}
}

// Watch follows the copies of a service that are not critical. Watches of the
// same service share one request that waits for changes. Every failure to read
// is yielded, and the last set stands meanwhile. A watch of a client that is
// closed yields [ErrClosed] and ends.
//
// See [discovery.Watcher] for the contract.
func (c *Client) Watch(ctx context.Context, service string) iter.Seq2[[]discovery.Instance, error] {
	if c.unusable == nil {
		return life.Watch(ctx, c.ctx, c.shared, service)
	}
	return func(yield func([]discovery.Instance, error) bool) {
		if ctx.Err() != nil {
			return
		}
		if err := c.usable(); yield(nil, err) && !c.closed() {
			c.rest(ctx, yield)
		}
	}
}

// rest waits, with nothing to yield but the end of the client.
func (c *Client) rest(ctx context.Context, yield func([]discovery.Instance, error) bool) {
	select {
	case <-ctx.Done():
	case <-c.ctx.Done():
		yield(nil, ErrClosed)
	}
}

// Close ends all watches and the heartbeats, and waits for the latter. Watches
// yield [ErrClosed] before they end.
//
// Close withdraws nothing: close each registration first. One that is
// forgotten is renewed no more, so that its check becomes critical. A
// registration may be closed afterwards as well.
//
// Close may be called more than once.
func (c *Client) Close() {
	c.mu.Lock() // so that no task starts any more
	c.cancel(ErrClosed)
	c.mu.Unlock()
	c.tasks.Wait()
	c.closeIdle()
}

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
