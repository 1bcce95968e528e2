package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/retry"
)

// Watch follows the endpoints of a Service, named as in the package's
// documentation. A Service without endpoint slices is an empty set, whether
// there is such a Service or not.
//
// Watches of one Service share a request, whichever ports they are for. Every
// failure to read the slices is yielded to all of them; the last set stands
// meanwhile, and is yielded again when the slices can be read. A watch of a
// client that is closed yields [ErrClosed] and ends.
//
// A name that no Service can have, and a port that none of the slices lists,
// are errors that wrap [discovery.ErrUnknownService].
//
// See [discovery.Watcher] for the contract.
func (c *Client) Watch(ctx context.Context, service string) iter.Seq2[[]discovery.Instance, error] {
	return func(yield func([]discovery.Instance, error) bool) {
		if ctx.Err() != nil {
			return
		}
		n, port, ok := c.resolve(ctx, service, yield)
		if !ok {
			return
		}
		f := c.join(n)
		if f == nil {
			yield(nil, ErrClosed)
			return
		}
		defer c.leave(f)
		r := reader{yield: yield, name: n, port: cmp.Or(port, c.port), ipv6: c.ipv6}
		for {
			news, changed := f.board.load(r.edition)
			if !r.take(ctx, news) || !c.wait(ctx, changed, yield) {
				return
			}
		}
	}
}

// resolve returns which Service is meant, and which port, or "". It reports
// false when the watch is over.
func (c *Client) resolve(ctx context.Context, service string, yield func([]discovery.Instance, error) bool) (n name, port string, ok bool) {
	n, port, err := parseName(strings.ToLower(service))
	if err == nil {
		err = c.access.unusable
	}
	if err != nil && !c.closed() {
		if yield(nil, err) { // and that will not change
			c.wait(ctx, nil, yield)
		}
		return n, port, false
	}
	if n.namespace == "" {
		n.namespace = c.namespace
	}
	for r := retry.New(maxRetry); n.namespace == "" && !c.closed(); {
		n.namespace, err = c.access.namespace()
		if err == nil && !isLabel(n.namespace) {
			err = fmt.Errorf("kubernetes: default namespace %.70q is not valid", n.namespace)
		}
		if err != nil {
			n.namespace = ""
			pause, cancel := context.WithTimeout(ctx, r.Delay())
			ok := yield(nil, err) && c.wait(ctx, pause.Done(), yield)
			cancel()
			if !ok {
				return n, port, false
			}
		}
	}
	return n, port, true
}

// wait waits for a change, and reports false when the watch is over.
func (c *Client) wait(ctx context.Context, changed <-chan struct{}, yield func([]discovery.Instance, error) bool) bool {
	select {
	case <-changed:
	case <-ctx.Done():
	case <-c.ctx.Done():
	}
	switch {
	case ctx.Err() != nil:
		return false
	case c.closed():
		yield(nil, ErrClosed)
		return false
	}
	return true
}

// join adds a watch to the running feed, or to a new one. It returns nil if
// the client has been closed.
func (c *Client) join(n name) *feed {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed() {
		return nil
	}
	f := c.feeds[n]
	if f == nil {
		ctx, cancel := context.WithCancel(c.ctx)
		f = newFeed(c, n, cancel)
		c.feeds[n] = f
		c.tasks.Go(func() { f.run(ctx) }) // stopped by leave or Close, which wait for it
	}
	f.watches++
	return f
}

// leave ends a watch, and its feed if that was the last one.
func (c *Client) leave(f *feed) {
	c.mu.Lock()
	f.watches--
	last := f.watches == 0
	if last {
		delete(c.feeds, f.name)
	}
	c.mu.Unlock()
	if last {
		f.cancel()
		<-f.done
	}
}
