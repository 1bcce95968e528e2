package discovery_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/namesake-go/namesake/discovery"
	"github.com/stretchr/testify/assert"
)

type seq = iter.Seq2[[]discovery.Instance, error]

// A watch is one watch, read by a goroutine of its own in a synctest bubble.
type watch struct {
	t      *testing.T
	cancel context.CancelFunc
	ended  chan struct{}
	mu     sync.Mutex // guards news
	news   []string   // what came and has not been taken, see line
}

// start begins to watch. The watch ends with the test.
func start(t *testing.T, w discovery.Watcher, service string) *watch {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &watch{t: t, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		for set, err := range w.Watch(ctx, service) {
			r.mu.Lock()
			r.news = append(r.news, line(set, err))
			r.mu.Unlock()
		}
	}()
	t.Cleanup(r.stop)
	return r
}

// line puts a pair into words: the keys in the set's order, or the error.
func line(set []discovery.Instance, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	keys := make([]string, len(set))
	for i, in := range set {
		keys[i] = in.Key()
	}
	return fmt.Sprintf("[%s]", strings.Join(keys, " "))
}

// says waits until nothing moves in the bubble, and asserts what has come
// since the last call.
func (r *watch) says(want ...string) {
	r.t.Helper()
	assert.Equal(r.t, want, r.heard())
}

// heard waits until nothing moves in the bubble, and returns what has come
// since the last call.
func (r *watch) heard() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	news := r.news
	r.news = nil
	return news
}

// first returns what a watch yields first, in words, and breaks off.
func first(ctx context.Context, w discovery.Watcher, service string) string {
	for set, err := range w.Watch(ctx, service) {
		return line(set, err)
	}
	return "nothing"
}

func (r *watch) stop() {
	r.cancel()
	<-r.ended
}

// named returns instances with these IDs, each at an address of its own.
func named(ids ...string) []discovery.Instance {
	set := make([]discovery.Instance, len(ids))
	for i, id := range ids {
		set[i] = discovery.Instance{ID: id, Addr: id + ".example:80"}
	}
	return set
}
