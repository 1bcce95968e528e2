package file

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/namesake-go/namesake/discovery"
)

// A Watcher follows the services that are listed in a file or a folder. It is a
// [discovery.Watcher]. Its methods may be called concurrently. It need not be
// closed: it does nothing while nobody watches.
type Watcher struct {
	config
	path string

	mu   sync.Mutex // guards the rest
	feed *feed      // the running one; nil while nothing is watched
}

var _ discovery.Watcher = (*Watcher)(nil)

// New returns a Watcher of the file or folder at path. It does no I/O: the path
// need not exist yet, and may change from one to the other.
func New(path string, opts ...Option) *Watcher {
	return &Watcher{config: newConfig(opts), path: path}
}

// Watch follows the copies that the files list for a service, by its exact
// name. Sets are ordered by key. What is wrong with the files is an error, as
// the package documentation says, which is yielded when it comes and not
// repeated; the last set stands, and is yielded again when the error is over.
//
// All watches of a Watcher share one loop that looks at the files, which runs
// only while something is watched. A watch that begins later is given what is
// known at once.
//
// See [discovery.Watcher] for the contract.
func (w *Watcher) Watch(ctx context.Context, service string) iter.Seq2[[]discovery.Instance, error] {
	return func(yield func([]discovery.Instance, error) bool) {
		if ctx.Err() != nil {
			return
		}
		f := w.join()
		defer w.leave(f)
		var last answer // what was yielded: the last set, and the error since
		for {
			c, changed := f.load()
			if c != nil {
				a := c.answer(service)
				same := message(a.err) == message(last.err)
				if a.known && (!last.known || !same && last.err != nil || !equal(a.set, last.set)) {
					same = a.err == nil
					last = answer{set: a.set, known: true}
					if !yield(a.set, nil) {
						return
					}
				}
				if ctx.Err() != nil {
					return
				}
				if a.err != nil && !same {
					last.err = a.err
					if !yield(nil, a.err) {
						return
					}
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}

// join adds a watch to the running feed, or to a new one.
func (w *Watcher) join() *feed {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.feed == nil {
		w.feed = startFeed(w.path, w.config)
	}
	w.feed.watches++
	return w.feed
}

// leave ends a watch, and its feed if that was the last one.
func (w *Watcher) leave(f *feed) {
	w.mu.Lock()
	f.watches--
	last := f.watches == 0
	if last {
		w.feed = nil
	}
	w.mu.Unlock()
	if last {
		f.stop()
	}
}

func equal(a, b []discovery.Instance) bool { return slices.EqualFunc(a, b, discovery.Instance.Equal) }

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
