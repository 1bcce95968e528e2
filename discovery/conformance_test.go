package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/discoverytest"
)

var errOutage = errors.New("outage made by a test")

// outage returns a harness's Fail for these registries.
func outage(memories ...*discovery.Memory) func(failing bool) {
	return func(failing bool) {
		var err error
		if failing {
			err = errOutage
		}
		for _, m := range memories {
			m.Fail(err)
		}
	}
}

// counted counts how often a watcher's sequences are ranged over.
func counted(w discovery.Watcher, count *atomic.Int32) discovery.Watcher {
	return discovery.WatcherFunc(func(ctx context.Context, service string) seq {
		return func(yield func([]discovery.Instance, error) bool) {
			count.Add(1)
			w.Watch(ctx, service)(yield)
		}
	})
}

func TestStaticConforms(t *testing.T) {
	discoverytest.TestWatcher(t, discoverytest.Harness{
		Run:   synctest.Test,
		Fixed: true,
		New: func(testing.TB) discoverytest.Subject {
			static := make(discovery.Static)
			return discoverytest.Subject{
				Watcher: static,
				Set:     func(service string, instances ...discovery.Instance) { static[service] = instances },
			}
		},
	})
}

func TestMemoryConforms(t *testing.T) {
	h := discoverytest.Harness{
		Run: synctest.Test,
		New: func(testing.TB) discoverytest.Subject {
			m := new(discovery.Memory)
			return discoverytest.Subject{Watcher: m, Registrar: m, Set: m.Set, Fail: outage(m)}
		},
	}
	t.Run("watcher", func(t *testing.T) { discoverytest.TestWatcher(t, h) })
	t.Run("registrar", func(t *testing.T) { discoverytest.TestRegistrar(t, h) })
	h.Run = nil
	t.Run("watcher in real time", func(t *testing.T) { discoverytest.TestWatcher(t, h) })
	t.Run("registrar in real time", func(t *testing.T) { discoverytest.TestRegistrar(t, h) })
}

// A directory is a registry that can only be looked up.
type directory struct {
	mu      sync.Mutex // guards the rest
	sets    map[string][]discovery.Instance
	failing bool
	asked   int
}

func (d *directory) set(service string, instances ...discovery.Instance) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sets[service] = instances
}

func (d *directory) fail(failing bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failing = failing
}

func (d *directory) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked
}

func (d *directory) lookup(_ context.Context, service string) ([]discovery.Instance, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	if d.failing {
		return nil, errOutage
	}
	set, ok := d.sets[service]
	if !ok {
		return nil, fmt.Errorf("directory: %w", discovery.ErrUnknownService)
	}
	return set, nil
}

func TestPollConforms(t *testing.T) {
	newSubject := func(cfg discovery.PollConfig) func(testing.TB) discoverytest.Subject {
		return func(testing.TB) discoverytest.Subject {
			d := &directory{sets: make(map[string][]discovery.Instance)}
			return discoverytest.Subject{Watcher: discovery.Poll(d.lookup, cfg), Set: d.set, Fail: d.fail, Asked: d.count}
		}
	}
	t.Run("defaults", func(t *testing.T) {
		discoverytest.TestWatcher(t, discoverytest.Harness{
			Run: synctest.Test, Patience: 10 * time.Minute, New: newSubject(discovery.PollConfig{}),
		})
	})
	t.Run("real time", func(t *testing.T) {
		discoverytest.TestWatcher(t, discoverytest.Harness{New: newSubject(discovery.PollConfig{Interval: 10 * time.Millisecond})})
	})
}

func TestMergeConforms(t *testing.T) {
	discoverytest.TestWatcher(t, discoverytest.Harness{
		Run: synctest.Test,
		New: func(testing.TB) discoverytest.Subject {
			a, b := new(discovery.Memory), new(discovery.Memory)
			var asked atomic.Int32
			return discoverytest.Subject{
				Watcher: discovery.Merge(counted(a, &asked), counted(b, &asked)),
				Set: func(service string, instances ...discovery.Instance) {
					half := len(instances) / 2
					a.Set(service, instances[:half]...)
					b.Set(service, instances[half:]...)
				},
				Fail:  outage(a, b),
				Asked: func() int { return int(asked.Load()) },
			}
		},
	})
}

func TestFallbackConforms(t *testing.T) {
	for used, name := range []string{"first is used", "second is used"} {
		t.Run(name, func(t *testing.T) {
			discoverytest.TestWatcher(t, discoverytest.Harness{
				Run: synctest.Test,
				New: func(testing.TB) discoverytest.Subject {
					memories := [2]discovery.Memory{}
					var asked atomic.Int32
					return discoverytest.Subject{
						Watcher: discovery.Fallback(counted(&memories[0], &asked), counted(&memories[1], &asked)),
						Set:     memories[used].Set,
						Fail:    outage(&memories[0], &memories[1]),
						Asked:   func() int { return int(asked.Load()) },
					}
				},
			})
		})
	}
}

func TestShareConforms(t *testing.T) {
	discoverytest.TestWatcher(t, discoverytest.Harness{
		Run: synctest.Test,
		New: func(testing.TB) discoverytest.Subject {
			m := new(discovery.Memory)
			var asked atomic.Int32
			return discoverytest.Subject{
				Watcher: discovery.Share(counted(m, &asked)),
				Set:     m.Set,
				Fail:    outage(m),
				Asked:   func() int { return int(asked.Load()) },
			}
		},
	})
}
