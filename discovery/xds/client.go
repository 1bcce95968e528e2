package xds

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/life"
)

// ErrClosed says that the [Client] has been closed.
var ErrClosed = errors.New("xds: closed")

// A Client follows services that an xDS control plane knows. It is a
// [discovery.Watcher]. Its methods may be called concurrently.
type Client struct {
	config
	plane discoveryv3.AggregatedDiscoveryServiceClient

	ctx    context.Context // done when the client is closed
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup // sessions

	mu      sync.Mutex // guards session, and what it says
	session *session   // nil while nobody watches
}

var _ discovery.Watcher = (*Client)(nil)

// New returns a client of the control plane at the other end of conn, which
// stays its maker's to close; see [DialOptions]. New does no I/O and starts
// nothing.
func New(conn grpc.ClientConnInterface, opts ...Option) *Client {
	if conn == nil {
		panic("xds: New with a nil connection")
	}
	c := &Client{config: newConfig(opts), plane: discoveryv3.NewAggregatedDiscoveryServiceClient(conn)}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	return c
}

// Watch follows the copies of a service. All watches of a client share one
// stream, which begins with the first of them and ends with the last. A watch
// of a client that is closed yields [ErrClosed] and ends.
//
// See [discovery.Watcher] for the contract.
func (c *Client) Watch(ctx context.Context, service string) iter.Seq2[[]discovery.Instance, error] {
	return func(yield func([]discovery.Instance, error) bool) {
		if ctx.Err() != nil {
			return
		}
		s, r := c.join(c.resourceName(service))
		if r == nil {
			yield(nil, ErrClosed)
			return
		}
		defer c.leave(s, r)
		bound, cancel := life.Within(ctx, c.ctx)
		defer cancel()
		over := !r.news.watch(bound, func(set []discovery.Instance, err error) bool {
			if err != nil {
				err = fmt.Errorf("xds: service %q: %w", service, err)
			}
			return yield(set, err)
		})
		if !over && c.closed() && ctx.Err() == nil {
			yield(nil, ErrClosed)
		}
	}
}

// Close ends all watches, which yield [ErrClosed] before, and the stream, and
// waits for that. It does not close the connection. Close may be called more
// than once.
func (c *Client) Close() {
	c.mu.Lock() // so that no session begins any more
	c.cancel(ErrClosed)
	c.mu.Unlock()
	c.tasks.Wait()
}

func (c *Client) closed() bool { return c.ctx.Err() != nil }

// join adds a reader to a resource. It returns nil if the client is closed.
func (c *Client) join(name string) (*session, *resource) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed() {
		return nil, nil
	}
	if c.session == nil {
		c.session = newSession(c)
		c.tasks.Go(c.session.run)
	}
	s := c.session
	r := s.resources[name]
	if r == nil {
		r = &resource{name: name}
		s.resources[name] = r
		s.notify()
	}
	r.readers++
	s.readers++
	return s, r
}

// leave takes a reader from a resource. The last of all ends the session, and
// waits for it.
func (c *Client) leave(s *session, r *resource) {
	c.mu.Lock()
	r.readers--
	s.readers--
	last := s.readers == 0
	if last {
		c.session = nil
	} else if r.readers == 0 {
		s.notify()
	}
	c.mu.Unlock()
	if last {
		s.cancel()
		<-s.done
	}
}
