package xds

import (
	"context"
	"slices"
	"sync"

	"github.com/namesake-go/namesake/discovery"
)

// news is the latest of a resource, for any number of readers. It is no queue:
// a reader who is slow finds the latest set and the latest error, not those in
// between. The zero value holds no news yet.
type news struct {
	mu      sync.Mutex // guards the rest
	count   uint64     // of all news
	latest  latest
	changed chan struct{} // closed by the next news; nil if nobody waits for it
}

// latest is the last set and the last error, and when each came: the greater
// number is the later, and zero means never.
type latest struct {
	set   []discovery.Instance
	err   error
	setAt uint64
	errAt uint64
}

// publish makes a clean set the latest.
func (n *news) publish(set []discovery.Instance) {
	n.tell(func(l *latest, now uint64) { l.set, l.setAt = set, now })
}

// fail makes err the latest error. The last set stands.
func (n *news) fail(err error) {
	n.tell(func(l *latest, now uint64) { l.err, l.errAt = err, now })
}

// lose is like fail, but hides the last set from readers who have not seen it
// yet.
func (n *news) lose(err error) {
	n.tell(func(l *latest, now uint64) { *l = latest{err: err, errAt: now} })
}

func (n *news) tell(change func(l *latest, now uint64)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.count++
	change(&n.latest, n.count)
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}

// load returns the latest, and a channel that is closed by the next news.
func (n *news) load() (latest, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changed == nil {
		n.changed = make(chan struct{})
	}
	return n.latest, n.changed
}

// watch yields the last set, the last error if that is newer, and then what is
// new, in the order in which it came, until ctx is done or yield reports
// false, which watch returns. A set equal to the one before is not new, unless
// an error was yielded in between, which it ends.
func (n *news) watch(ctx context.Context, yield func([]discovery.Instance, error) bool) bool {
	var seen latest
	if l, _ := n.load(); l.errAt < l.setAt {
		seen.errAt = l.errAt
	}
	first := true
	for ctx.Err() == nil {
		l, changed := n.load()
		newSet, newErr := l.setAt > seen.setAt, l.errAt > seen.errAt
		switch {
		case newErr && (!newSet || l.errAt < l.setAt):
			seen.err, seen.errAt = l.err, l.errAt
			if !yield(nil, l.err) {
				return false
			}
		case newSet:
			same := !first && seen.err == nil && slices.EqualFunc(seen.set, l.set, discovery.Instance.Equal)
			seen.set, seen.setAt, seen.err, first = l.set, l.setAt, nil, false
			if !same && !yield(l.set, nil) {
				return false
			}
		default:
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
	return true
}
