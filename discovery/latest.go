package discovery

import (
	"context"
	"sync"
)

// A latest holds the latest news of a service, for any number of readers. It
// is no queue: a reader who is slow finds the latest set and the latest error,
// not those in between. The zero value holds no news yet.
type latest struct {
	mu      sync.Mutex // guards the rest
	count   uint64     // of all news
	news    news
	changed chan struct{} // closed by the next news; nil if nobody waits for it
}

// news is the last set and the last error, and when each came: the greater
// number is the later, and zero means never.
type news struct {
	set   []Instance
	err   error
	setAt uint64
	errAt uint64
}

// publish makes a clean set the latest.
func (l *latest) publish(set []Instance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	l.news.set, l.news.setAt = set, l.count
	l.wake()
}

// fail makes err the latest error. The last set stands.
func (l *latest) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	l.news.err, l.news.errAt = err, l.count
	l.wake()
}

// lose is like fail, but hides the last set from readers who have not seen it
// yet, until the next is published.
func (l *latest) lose(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	l.news = news{err: err, errAt: l.count}
	l.wake()
}

// wake must be called with mu held.
func (l *latest) wake() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// load returns the news, and a channel that is closed by the next.
func (l *latest) load() (news, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.news, l.changed
}

// watch yields the last set, the last error if that is newer, and then what is
// new, in the order in which it came, until ctx is done or yield reports
// false. A set equal to the one before is not new, unless an error was yielded
// in between, which it ends.
func (l *latest) watch(ctx context.Context, yield func([]Instance, error) bool) {
	var seen news
	if n, _ := l.load(); n.errAt < n.setAt {
		seen.errAt = n.errAt
	}
	first := true
	for ctx.Err() == nil {
		n, changed := l.load()
		newSet, newErr := n.setAt > seen.setAt, n.errAt > seen.errAt
		switch {
		case newErr && (!newSet || n.errAt < n.setAt):
			seen.err, seen.errAt = n.err, n.errAt
			if !yield(nil, n.err) {
				return
			}
		case newSet:
			same := !first && seen.err == nil && equalSets(seen.set, n.set)
			seen.set, seen.setAt, seen.err, first = n.set, n.setAt, nil, false
			if !same && !yield(n.set, nil) {
				return
			}
		default:
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
}
