package file

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A feed is one run of the loop that looks at the files for all watches of a
// Watcher. It begins with the first watch and ends with the last.
type feed struct {
	watches int // guarded by the Watcher
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex    // guards the rest
	latest  *catalog      // nil before the first look
	changed chan struct{} // closed by the next catalog
}

func startFeed(path string, cfg config) *feed {
	ctx, cancel := context.WithCancel(context.Background())
	f := &feed{cancel: cancel, changed: make(chan struct{})}
	s := newScanner(path, cfg)
	f.running.Go(func() { f.run(ctx, s, cfg.interval) }) // ended by stop
	return f
}

func (f *feed) stop() {
	f.cancel()
	f.running.Wait()
}

func (f *feed) run(ctx context.Context, s *scanner, interval time.Duration) {
	timer := time.NewTimer(interval)
	defer timer.Stop()
	for {
		c := s.scan(ctx)
		if ctx.Err() != nil {
			return
		}
		f.publish(c)
		timer.Reset(interval)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// publish makes c the catalog, unless it says what the last one said.
func (f *feed) publish(c *catalog) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.latest != nil && slices.Equal(f.latest.docs, c.docs) && message(f.latest.err) == message(c.err) {
		return
	}
	f.latest = c
	close(f.changed)
	f.changed = make(chan struct{})
}

// load returns the catalog, and a channel that is closed by the next.
func (f *feed) load() (*catalog, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.latest, f.changed
}
