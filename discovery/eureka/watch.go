package eureka

import (
	"context"
	"iter"
	"slices"

	"github.com/namesake-go/namesake/discovery"
)

// Watch follows the copies of a service that are UP: those registered under
// the application name service or, if no application bears it, under that
// virtual address (VIP), plain or secure. Case does not matter. A service that
// the servers do not list is an empty set.
//
// All watches of a client share one copy of the registry, and one loop that
// keeps it up to date, which runs only while something is watched; with
// [WithFetchByService] it is one for each service. Every failure to read the
// registry is yielded to all of them, and says for how long it has not been
// read; the last set stands meanwhile, and is yielded again when the registry
// has been read. A watch of a client that is closed yields [ErrClosed] and ends.
//
// See [discovery.Watcher] for the contract.
func (c *Client) Watch(ctx context.Context, service string) iter.Seq2[[]discovery.Instance, error] {
	return func(yield func([]discovery.Instance, error) bool) {
		if ctx.Err() != nil {
			return
		}
		if err := c.usable(); err != nil {
			if yield(nil, err) && !c.closed() {
				c.rest(ctx, yield)
			}
			return
		}
		w := &watch{service: service, ready: make(chan struct{}, 1)}
		f := c.join(w)
		if f == nil {
			yield(nil, ErrClosed)
			return
		}
		defer c.leave(f, w)
		for {
			select {
			case <-ctx.Done():
			case <-c.ctx.Done():
			case <-w.ready:
			}
			for {
				if ctx.Err() != nil {
					return
				}
				if c.closed() {
					yield(nil, ErrClosed)
					return
				}
				set, err, ok := f.take(w)
				if !ok {
					break
				}
				if !yield(set, err) {
					return
				}
			}
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

// join adds a watch to the running feed, or to a new one. It returns nil if
// the client has been closed.
func (c *Client) join(w *watch) *feed {
	c.mu.Lock()
	if c.closed() {
		c.mu.Unlock()
		return nil
	}
	var name string
	if c.byService {
		name = w.service
	}
	f := c.feeds[name]
	if f == nil {
		ctx, cancel := context.WithCancel(c.ctx)
		f = newFeed(c, name, cancel)
		c.feeds[name] = f
		c.tasks.Go(func() { f.run(ctx) }) // stopped by leave or Close, which wait for it
	}
	unusable := f.add(w)
	c.mu.Unlock()
	f.logUnusable(unusable)
	return f
}

// leave ends a watch, and its feed if that was the last one.
func (c *Client) leave(f *feed, w *watch) {
	c.mu.Lock()
	last := f.remove(w) == 0
	if last {
		delete(c.feeds, f.service)
	}
	c.mu.Unlock()
	if last {
		f.cancel()
		<-f.done
	}
}

// A watch holds the news for one who ranges. It is no queue: a reader who is
// slow finds the latest set and the latest error, not those in between. All
// but ready is guarded by its feed.
type watch struct {
	service string
	ready   chan struct{} // holds a token when there is news

	app   *application         // which the latest set was made of; nil if of virtual addresses
	set   []discovery.Instance // the latest
	known bool                 // there is one
	fresh bool                 // it is to be taken
	err   error                // the latest, if newer than the last success; nil when taken
	stale bool                 // an error has been taken since a set was
}

// offer takes note of a set, which is news if it differs from the last.
func (w *watch) offer(set []discovery.Instance) {
	if w.known && slices.EqualFunc(w.set, set, discovery.Instance.Equal) {
		return
	}
	w.set, w.known, w.fresh = set, true, true
	w.wake()
}

func (w *watch) fail(err error) {
	w.err = err
	w.wake()
}

// recover ends the failure. Who has heard of it is given the set again.
func (w *watch) recover() {
	w.err = nil
	if w.stale && w.known {
		w.fresh = true
		w.wake()
	}
}

func (w *watch) wake() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// take returns the next piece of news, if there is any.
func (w *watch) take() (set []discovery.Instance, err error, ok bool) {
	switch {
	case w.fresh:
		w.fresh, w.stale = false, false
		return w.set, nil, true
	case w.err != nil:
		err, w.err, w.stale = w.err, nil, true
		return nil, err, true
	}
	return nil, nil, false
}
