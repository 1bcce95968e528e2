package registrytest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/namesake-go/namesake/discovery"
)

// A watched service, and the sets that have come of it.
type watched struct {
	t   testing.TB
	mu  sync.Mutex // guards the rest
	all chan struct{}

	sets [][]discovery.Instance
	err  error // the last
}

// watch follows a service until the end of the test.
func watch(t testing.TB, watcher discovery.Watcher, service string) *watched {
	t.Helper()
	w := &watched{t: t, all: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for set, err := range watcher.Watch(ctx, service) {
			w.mu.Lock()
			if err != nil {
				w.err = err
			} else {
				w.sets = append(w.sets, set)
			}
			w.mu.Unlock()
			select {
			case w.all <- struct{}{}:
			default:
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return w
}

// until waits until the last set is as wanted.
func (w *watched) until(patience time.Duration, what string, wanted func([]discovery.Instance) bool) {
	w.t.Helper()
	timeout := time.After(patience)
	for {
		w.mu.Lock()
		n, err := len(w.sets), w.err
		var last []discovery.Instance
		if n > 0 {
			last = w.sets[n-1]
		}
		w.mu.Unlock()
		if n > 0 && wanted(last) {
			return
		}
		select {
		case <-w.all:
		case <-timeout:
			w.t.Fatalf("after %v there is not: %s; the last set has %d copies, the last error is: %v", patience, what, len(last), err)
		}
	}
}
