package kubernetes

import (
	"maps"
	"slices"
	"sync"
)

// A board shows the slices of a Service, and whether they can be read, to any
// number of readers. It is no queue: a reader who is slow finds what is so now.
// The zero value shows nothing yet.
type board struct {
	mu      sync.Mutex // guards the rest
	slices  map[string]*slice
	news    news
	changed chan struct{} // closed by the next change; nil if nobody waits for it
}

// news is what a board shows. The slices do not change, and their order means
// nothing.
type news struct {
	slices   []*slice
	edition  uint64 // of the slices; grows when they are read; 0 before they have been
	err      error  // why they cannot be read now; nil if they can
	failures uint64
}

// replace shows other slices.
func (b *board) replace(all map[string]*slice) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slices = all
	b.read()
}

// apply shows a change of one slice. It reports false if there are too many.
func (b *board) apply(e event) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.kind == "DELETED" {
		delete(b.slices, e.slice.Metadata.Name)
	} else {
		b.slices[e.slice.Metadata.Name] = e.slice
	}
	b.read()
	return len(b.slices) <= maxSlices
}

// confirm says that the slices can be read.
func (b *board) confirm() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.news.err != nil {
		b.read()
	}
}

// fail shows why the slices cannot be read.
func (b *board) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.news.err = err
	b.news.failures++
	b.wake()
}

// read must be called with mu held.
func (b *board) read() {
	b.news.edition++
	b.news.err = nil
	b.wake()
}

// wake must be called with mu held.
func (b *board) wake() {
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// load returns the news, with the slices if they are not of the edition that
// is known, and a channel that is closed by the next.
func (b *board) load(known uint64) (news, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	n := b.news
	if n.edition != known {
		n.slices = slices.Collect(maps.Values(b.slices))
	}
	return n, b.changed
}
