package kubernetes

import (
	"context"
	"errors"
	"sync"

	"github.com/namesake-go/namesake/discovery"
)

// ErrClosed says that the [Client] has been closed.
var ErrClosed = errors.New("kubernetes: closed")

// A Client reads from the API server of one cluster. It is a
// [discovery.Watcher]. Its methods may be called concurrently.
type Client struct {
	config
	access *access

	ctx    context.Context // done when the client is closed
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup // the feeds

	mu    sync.Mutex // guards feeds; taken before a feed's
	feeds map[name]*feed
}

var _ discovery.Watcher = (*Client)(nil)

// New returns a client of the cluster that the program runs in, or of another
// one ([WithCluster]).
//
// New does no I/O and starts nothing. What is wrong with the cluster's
// settings is yielded by watches.
func New(opts ...Option) *Client {
	c := &Client{config: newConfig(opts), feeds: make(map[name]*feed)}
	c.access = newAccess(c.cluster, c.httpClient)
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	return c
}

// Close ends all watches and all requests, and waits for them. Watches yield
// [ErrClosed] before they end. Close may be called more than once.
func (c *Client) Close() {
	c.mu.Lock() // so that no feed starts any more
	c.cancel(ErrClosed)
	c.mu.Unlock()
	c.tasks.Wait()
	c.access.close()
}

// closed reports whether Close has been called.
func (c *Client) closed() bool { return c.ctx.Err() != nil }
