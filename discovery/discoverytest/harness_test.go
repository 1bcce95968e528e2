package discoverytest

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/namesake-go/namesake/discovery"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A recorder is a testing.TB that remembers failures instead of reporting them.
type recorder struct {
	testing.TB
	mu       sync.Mutex // guards the rest
	failures []string
	cleanups []func()
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Error(args ...any) { r.Errorf("%s", fmt.Sprint(args...)) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.failures) > 0
}

func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

// failures runs one check in a bubble and returns what it complains of.
func failures(t *testing.T, checks []check, name string, h Harness) string {
	t.Helper()
	i := slices.IndexFunc(checks, func(c check) bool { return c.name == name })
	require.GreaterOrEqual(t, i, 0, "no check %q", name)
	r := &recorder{}
	synctest.Test(t, func(t *testing.T) {
		r.TB = t
		var running sync.WaitGroup
		running.Go(func() { checks[i].run(newFixture(r, h)) })
		running.Wait()
		for _, f := range slices.Backward(r.cleanups) {
			f()
		}
	})
	return strings.Join(r.failures, "\n")
}

// subject is what tests of the suite break: a Memory that is in order.
func subject(m *discovery.Memory) Subject {
	return Subject{Watcher: m, Registrar: m, Set: m.Set, Fail: func(failing bool) {
		if failing {
			m.Fail(errOutage)
		} else {
			m.Fail(nil)
		}
	}}
}

var errOutage = fmt.Errorf("outage made by a test")

func TestHarnessWithoutMeans(t *testing.T) {
	for name, s := range map[string]Subject{
		"no Watcher": {Registrar: new(discovery.Memory)},
		"no Set":     {Watcher: new(discovery.Memory)},
	} {
		got := failures(t, watcherChecks, "first set", Harness{New: func(testing.TB) Subject { return s }})
		assert.Contains(t, got, "discoverytest: the harness makes", name)
	}
}

// A registry that can be changed only by registering is tested in full.
func TestSetByRegistrar(t *testing.T) {
	h := Harness{Run: synctest.Test, New: func(testing.TB) Subject {
		s := subject(new(discovery.Memory))
		s.Set = nil
		return s
	}}
	TestWatcher(t, h)
	TestRegistrar(t, h)
}

// In real time too, the suite finds nothing wrong with what is right.
func TestRealTime(t *testing.T) {
	h := Harness{New: func(testing.TB) Subject { return subject(new(discovery.Memory)) }}
	TestWatcher(t, h)
	TestRegistrar(t, h)
}

func TestStrip(t *testing.T) {
	bare := func(in discovery.Instance) discovery.Instance { return discovery.Instance{Addr: in.Addr} }
	lossy := func(testing.TB) Subject {
		s := subject(new(discovery.Memory))
		set := s.Set
		s.Set = func(service string, instances ...discovery.Instance) {
			stripped := make([]discovery.Instance, len(instances))
			for i, in := range instances {
				stripped[i] = bare(in)
			}
			set(service, stripped...)
		}
		return s
	}
	TestWatcher(t, Harness{New: lossy, Strip: bare, Run: synctest.Test})
	assert.NotEmpty(t, failures(t, watcherChecks, "first set", Harness{New: lossy}), "without Strip, lost facts are faults")
}
