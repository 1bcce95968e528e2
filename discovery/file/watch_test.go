package file_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/file"
)

// A folder is one on disk, whose path is left out of what watches say.
type folder struct {
	t    *testing.T
	path string
}

func newFolder(t *testing.T) folder { return folder{t, t.TempDir()} }

func (f folder) join(name string) string { return filepath.Join(f.path, name) }

// write replaces a file at once.
func (f folder) write(name, text string) {
	f.t.Helper()
	replace(f.t, f.join(name), text)
}

func replace(t testing.TB, path, text string) {
	t.Helper()
	half := filepath.Join(filepath.Dir(path), ".new")
	require.NoError(t, os.WriteFile(half, []byte(text), 0o600))
	require.NoError(t, os.Rename(half, path))
}

func (f folder) remove(name string) {
	f.t.Helper()
	require.NoError(f.t, os.Remove(f.join(name)))
}

// A watch is one watch, read by a goroutine of its own in a synctest bubble.
type watch struct {
	folder
	cancel context.CancelFunc
	ended  chan struct{}
	mu     sync.Mutex // guards news
	news   []string   // what came and has not been taken, see line
}

// start begins to watch. The watch ends with the test.
func (f folder) start(w *file.Watcher, service string) *watch {
	ctx, cancel := context.WithCancel(context.Background())
	r := &watch{folder: f, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		for set, err := range w.Watch(ctx, service) {
			r.mu.Lock()
			r.news = append(r.news, strings.ReplaceAll(line(set, err), f.path, "DIR"))
			r.mu.Unlock()
		}
	}()
	f.t.Cleanup(r.stop)
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
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	assert.Equal(r.t, want, r.news)
	r.news = nil
}

func (r *watch) stop() {
	r.cancel()
	<-r.ended
}
