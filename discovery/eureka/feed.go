package eureka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/retry"
)

// A feed is one run of the loop that fetches the registry for all watches of
// a client, or one service for all watches of that. It begins with the first
// watch and ends with the last.
type feed struct {
	c       *Client
	service string // the only one fetched; empty with a client that fetches all
	cancel  context.CancelFunc
	done    chan struct{} // closed when run has returned

	// Of run alone:
	source   *server   // where the registry comes from; nil asks for all of it
	revision string    // of the registry; empty if its server cannot wait for changes
	due      time.Time // when to fetch all of it again
	shrunk   bool      // in this fetch, a server said that most copies are gone
	doubt    bool      // so it was in the last fetch, and no server knew better
	changed  bool      // the last answer was a delta with changes
	pace     pace

	mu       sync.Mutex // guards the rest, and the watches
	registry *registry  // nil until the first has been read; set by run alone
	server   string     // the one that last confirmed or changed it
	read     time.Time  // when that was; set by run alone
	failure  error      // why it cannot be read now; nil if it can
	watches  map[*watch]struct{}
}

func newFeed(c *Client, service string, cancel context.CancelFunc) *feed {
	return &feed{c: c, service: service, cancel: cancel, done: make(chan struct{}), watches: make(map[*watch]struct{})}
}

// run fetches until ctx is done.
func (f *feed) run(ctx context.Context) {
	defer close(f.done)
	r := retry.New(f.c.poll)
	for {
		start := time.Now()
		waiting := f.revision != ""
		err := f.fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		f.report(err)
		var pause time.Duration
		switch {
		case f.doubt: // in the meantime, copies announce themselves again
			pause = retry.Jitter(min(f.c.poll, f.registry.renewal()*6/5))
		case err != nil:
			pause = r.Delay()
		case f.revision == "":
			r.Reset()
			pause = retry.Jitter(f.c.poll)
		case waiting:
			r.Reset()
			pause = f.pace.after(time.Since(start), f.changed, f.c.poll)
		default:
			// All of the registry has been read, and now its changes are
			// waited for, at once. Only when that works is the failure over.
		}
		if !retry.Sleep(ctx, pause) {
			return
		}
	}
}

// report tells everyone that the registry could not be read, or remembers
// that it could.
func (f *feed) report(err error) {
	f.mu.Lock()
	before := f.failure
	if err != nil {
		if f.registry == nil {
			err = fmt.Errorf("eureka: no registry yet: %w", err)
		} else {
			err = fmt.Errorf("eureka: registry not read for %v: %w", time.Since(f.read).Round(time.Millisecond), err)
		}
	}
	f.failure = err
	for w := range f.watches {
		if err != nil {
			w.fail(err)
		} else {
			w.recover()
		}
	}
	f.mu.Unlock()
	switch {
	case err != nil && before == nil:
		f.c.log.Warn("registry cannot be read", "error", err)
	case err == nil && before != nil:
		f.c.log.Info("registry can be read again")
	}
}

// confirm takes note that s says that the registry is up to date.
func (f *feed) confirm(s *server) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.server, f.read = s.String(), time.Now()
}

// publish makes r the registry.
func (f *feed) publish(r *registry) {
	f.mu.Lock()
	f.registry = r
	var unusable []error
	for w := range f.watches {
		unusable = append(unusable, f.offer(w)...)
	}
	f.mu.Unlock()
	f.logUnusable(unusable)
}

// add begins a watch, with what is known already.
func (f *feed) add(w *watch) (unusable []error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watches[w] = struct{}{}
	if f.registry != nil {
		unusable = f.offer(w)
	}
	if f.failure != nil {
		w.fail(f.failure)
	}
	return unusable
}

// offer must be called with mu held.
func (f *feed) offer(w *watch) (unusable []error) {
	app := f.registry.named(w.service)
	if app != nil && app == w.app {
		return nil // it has not changed
	}
	w.app = app
	set, unusable := f.registry.set(w.service, f.c.hostNames)
	w.offer(set)
	return unusable
}

// remove ends a watch, and returns how many are left.
func (f *feed) remove(w *watch) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.watches, w)
	return len(f.watches)
}

// take returns the next piece of news for a watch, if there is any.
func (f *feed) take(w *watch) ([]discovery.Instance, error, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return w.take()
}

func (f *feed) logUnusable(unusable []error) {
	for _, err := range unusable {
		f.c.log.Debug("instance left out", "error", err)
	}
}
