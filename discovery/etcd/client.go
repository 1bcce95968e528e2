package etcd

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/life"
	"github.com/namesake-go/namesake/discovery/internal/turn"
)

// ErrClosed says that the [Client], or a registration, has been closed.
var ErrClosed = errors.New("etcd: closed")

// A Client reads from and writes to an etcd cluster. It is a
// [discovery.Watcher] and a [discovery.Registrar]. Its methods may be called
// concurrently.
type Client struct {
	config
	etcd   *clientv3.Client
	shared discovery.Watcher

	ctx    context.Context // done when the client is closed
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup // what keeps copies announced

	lines turn.Lines[string, registration] // by key

	mu sync.Mutex // guards that no task starts once the client is closed
}

var (
	_ discovery.Watcher   = (*Client)(nil)
	_ discovery.Registrar = (*Client)(nil)
)

// New returns a client that uses client, which stays its maker's to close. See
// [Config] for settings that it should have. New does no I/O and starts
// nothing.
func New(client *clientv3.Client, opts ...Option) *Client {
	if client == nil {
		panic("etcd: New with a nil Client")
	}
	c := &Client{config: newConfig(opts), etcd: client}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.shared = discovery.Share(discovery.WatcherFunc(c.follow))
	return c
}

// maxAnswer bounds what a member may send at once.
const maxAnswer = 64 << 20

// Config returns settings for a client of the cluster at endpoints, such as
// "http://10.0.0.1:2379", which notices within 15 s that a connection has gone
// dead, and bounds what a member may answer at 64 MiB: etcd's own defaults do
// neither. Add credentials and TLS.
func Config(endpoints ...string) clientv3.Config {
	return clientv3.Config{
		Endpoints:            endpoints,
		DialTimeout:          5 * time.Second,
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 5 * time.Second,
		MaxCallRecvMsgSize:   maxAnswer,
	}
}

// Watch follows the copies of a service. Watches of the same service share one
// watch of the cluster. A watch of a client that is closed yields [ErrClosed]
// and ends.
//
// See [discovery.Watcher] for the contract.
func (c *Client) Watch(ctx context.Context, service string) iter.Seq2[[]discovery.Instance, error] {
	return life.Watch(ctx, c.ctx, c.shared, service)
}

// Close ends all watches and stops renewing the leases of what was registered,
// and waits for that. Watches yield [ErrClosed] before they end. It does not
// close the client of etcd.
//
// Close withdraws nothing: close each registration first. The lease of one that
// is forgotten runs out. A registration may be closed afterwards as well.
//
// Close may be called more than once.
func (c *Client) Close() {
	c.mu.Lock() // so that no task starts any more
	c.cancel(ErrClosed)
	c.mu.Unlock()
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
