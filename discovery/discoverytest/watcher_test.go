package discoverytest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/stretchr/testify/assert"
)

type (
	seq     = iter.Seq2[[]discovery.Instance, error]
	yielder = func([]discovery.Instance, error) bool
)

// A lab is what broken watchers are made of.
type lab struct {
	*discovery.Memory
	asked atomic.Int32
	stop  chan struct{} // closed when the check is over
}

// each makes a watcher that does f with every pair of a sound one; f reports
// whether to go on.
func (l *lab) each(f func(service string, set []discovery.Instance, err error, yield yielder) bool) discovery.Watcher {
	return discovery.WatcherFunc(func(ctx context.Context, service string) seq {
		return func(yield func([]discovery.Instance, error) bool) {
			for set, err := range l.Watch(ctx, service) {
				if !f(service, set, err, yield) {
					return
				}
			}
		}
	})
}

// Every rule of the suite is broken here by a watcher that is otherwise sound.
func TestWatcherCatches(t *testing.T) {
	type set = []discovery.Instance
	tests := []struct {
		fault  string
		check  string
		says   string
		broken func(l *lab) discovery.Watcher
	}{
		{"silent", "first set", "want [{ID:", func(l *lab) discovery.Watcher {
			return l.each(func(string, set, error, yielder) bool { return true })
		}},
		{"first instance only", "first set", "want [{ID:", func(l *lab) discovery.Watcher {
			return l.each(func(_ string, s set, err error, yield yielder) bool { return yield(s[:min(1, len(s))], err) })
		}},
		{"no facts but the address", "first set", "want [{ID:", func(l *lab) discovery.Watcher {
			return l.each(func(_ string, s set, err error, yield yielder) bool {
				bare := make(set, len(s))
				for i, in := range s {
					bare[i] = discovery.Instance{ID: in.ID, Addr: in.Addr}
				}
				return yield(bare, err)
			})
		}},
		{"twice the same key", "first set", "is twice in a set", func(l *lab) discovery.Watcher {
			return l.each(func(_ string, s set, err error, yield yielder) bool { return yield(slices.Concat(s, s), err) })
		}},
		{"invalid instance", "first set", "invalid instance", func(l *lab) discovery.Watcher {
			return l.each(func(_ string, s set, err error, yield yielder) bool {
				return yield(append(slices.Clone(s), discovery.Instance{ID: "bad"}), err)
			})
		}},
		{"set repeated without a pause", "first set", "pieces of news within", func(l *lab) discovery.Watcher {
			return l.each(func(_ string, s set, err error, yield yielder) bool {
				again := true
				for again {
					again = yield(s, err)
				}
				return false
			})
		}},
		{"ends after the first set", "first set", "ended while its context was alive", func(l *lab) discovery.Watcher {
			return l.each(func(_ string, s set, err error, yield yielder) bool { yield(s, err); return false })
		}},
		{"first set only", "every change", "after a copy came", func(l *lab) discovery.Watcher {
			return discovery.WatcherFunc(func(ctx context.Context, service string) seq {
				return func(yield func([]discovery.Instance, error) bool) {
					for s, err := range l.Watch(ctx, service) {
						if yield(s, err) {
							<-ctx.Done()
						}
						return
					}
				}
			})
		}},
		{"what came, not what is", "every change", "after a copy came", func(l *lab) discovery.Watcher {
			return discovery.WatcherFunc(func(ctx context.Context, service string) seq {
				return func(yield func([]discovery.Instance, error) bool) {
					seen := make(map[string]bool)
					for s, err := range l.Watch(ctx, service) {
						s = slices.DeleteFunc(slices.Clone(s), func(in discovery.Instance) bool { return seen[in.Key()] })
						for _, in := range s {
							seen[in.Key()] = true
						}
						if !yield(s, err) {
							return
						}
					}
				}
			})
		}},
		{"one buffer for all sets", "every change", "changed afterwards", func(l *lab) discovery.Watcher {
			return discovery.WatcherFunc(func(ctx context.Context, service string) seq {
				return func(yield func([]discovery.Instance, error) bool) {
					buffer := make(set, 0, 10)
					for s, err := range l.Watch(ctx, service) {
						buffer = append(buffer[:0], s...)
						if !yield(buffer, err) {
							return
						}
					}
				}
			})
		}},
		{"same IDs are no change", "every change", "all facts about a copy but its ID", func(l *lab) discovery.Watcher {
			return discovery.WatcherFunc(func(ctx context.Context, service string) seq {
				return func(yield func([]discovery.Instance, error) bool) {
					last := "none"
					for s, err := range l.Watch(ctx, service) {
						var ids strings.Builder
						for _, in := range s {
							ids.WriteString(in.ID + ",")
						}
						if ids.String() != last && !yield(s, err) {
							return
						}
						last = ids.String()
					}
				}
			})
		}},
		{"no empty sets", "empty set after the last copy", "after the last copy left", func(l *lab) discovery.Watcher {
			return l.each(func(_ string, s set, err error, yield yielder) bool { return len(s) == 0 || yield(s, err) })
		}},
		{"unknown is any error", "service without copies", "ErrUnknownService", func(l *lab) discovery.Watcher {
			return l.each(func(_ string, _ set, _ error, yield yielder) bool { return yield(nil, errors.New("404")) })
		}},
		{"unknown services have a copy", "service without copies", "ErrUnknownService", func(l *lab) discovery.Watcher {
			return l.each(func(_ string, s set, err error, yield yielder) bool {
				return yield(append(slices.Clone(s), discovery.Instance{Addr: "192.0.2.99:80"}), err)
			})
		}},
		{"one watch at a time", "two watches of a service", "watch: want", func(l *lab) discovery.Watcher {
			busy := make(chan struct{}, 1)
			return discovery.WatcherFunc(func(ctx context.Context, service string) seq {
				return func(yield func([]discovery.Instance, error) bool) {
					select {
					case busy <- struct{}{}:
						defer func() { <-busy }()
						l.Watch(ctx, service)(yield)
					case <-ctx.Done():
					}
				}
			})
		}},
		{"end of one watch ends the other", "two watches of a service", "in the watch that is left", func(l *lab) discovery.Watcher {
			var all sync.Map
			return discovery.WatcherFunc(func(ctx context.Context, service string) seq {
				return func(yield func([]discovery.Instance, error) bool) {
					ctx, cancel := context.WithCancel(ctx)
					all.Store(&cancel, cancel)
					defer all.Range(func(_, cancel any) bool { cancel.(context.CancelFunc)(); return true })
					l.Watch(ctx, service)(yield)
				}
			})
		}},
		{"one service for all", "two services", "service: want [{ID:", func(l *lab) discovery.Watcher {
			var first atomic.Pointer[string]
			return discovery.WatcherFunc(func(ctx context.Context, service string) seq {
				first.CompareAndSwap(nil, &service)
				return l.Watch(ctx, *first.Load())
			})
		}},
		{"changes missed by a slow reader", "slow reader", "too slow for", func(l *lab) discovery.Watcher {
			return discovery.WatcherFunc(func(ctx context.Context, service string) seq {
				return func(yield func([]discovery.Instance, error) bool) {
					ctx, cancel := context.WithCancel(ctx)
					defer cancel()
					sets := make(chan set) // and nobody waits for its reader
					go func() {
						for s, err := range l.Watch(ctx, service) {
							if err != nil {
								continue
							}
							select {
							case sets <- s:
							case <-time.After(time.Millisecond):
							}
						}
					}()
					for {
						select {
						case s := <-sets:
							if !yield(s, nil) {
								return
							}
							<-time.After(10 * time.Millisecond)
						case <-ctx.Done():
							return
						}
					}
				}
			})
		}},
		{"deaf to its context", "context ends the watch", "after its context was done", func(l *lab) discovery.Watcher {
			return discovery.WatcherFunc(func(ctx context.Context, service string) seq {
				return func(yield func([]discovery.Instance, error) bool) {
					for s, err := range l.Watch(ctx, service) {
						if !yield(s, err) {
							return
						}
					}
					<-l.stop
				}
			})
		}},
		{"context looked at late", "context ends the watch", "done before it began", func(l *lab) discovery.Watcher {
			return discovery.WatcherFunc(func(ctx context.Context, service string) seq {
				return func(yield func([]discovery.Instance, error) bool) {
					if ctx.Err() != nil {
						<-l.stop
					}
					l.Watch(ctx, service)(yield)
				}
			})
		}},
		{"deaf to a break", "break ends the watch", "after a break", func(l *lab) discovery.Watcher {
			return discovery.WatcherFunc(func(ctx context.Context, service string) seq {
				return func(yield func([]discovery.Instance, error) bool) {
					l.Watch(ctx, service)(yield)
					<-ctx.Done()
				}
			})
		}},
		{"goroutine left behind", "nothing is left behind", "watches that were broken off", func(l *lab) discovery.Watcher {
			return discovery.WatcherFunc(func(ctx context.Context, service string) seq {
				return func(yield func([]discovery.Instance, error) bool) {
					go func() { <-l.stop }()
					l.Watch(ctx, service)(yield)
				}
			})
		}},
		{"goroutine before ranging", "nothing before ranging", "that nobody ranged over", func(l *lab) discovery.Watcher {
			return discovery.WatcherFunc(func(ctx context.Context, service string) seq {
				go func() { <-ctx.Done() }()
				return l.Watch(ctx, service)
			})
		}},
		{"request before ranging", "nothing before ranging", "was asked 20 times", func(l *lab) discovery.Watcher {
			return discovery.WatcherFunc(func(ctx context.Context, service string) seq {
				l.asked.Add(1)
				return l.Watch(ctx, service)
			})
		}},
		{"errors swallowed", "errors are news", "after the registry failed", func(l *lab) discovery.Watcher {
			return l.each(func(_ string, s set, err error, yield yielder) bool { return err != nil || yield(s, nil) })
		}},
		{"ends at an error", "errors are news", "ended while its context was alive", func(l *lab) discovery.Watcher {
			return l.each(func(_ string, s set, err error, yield yielder) bool { return yield(s, err) && err == nil })
		}},
		{"set with an error", "errors are news", "an error came with a set", func(l *lab) discovery.Watcher {
			return l.each(func(_ string, s set, err error, yield yielder) bool {
				if err != nil {
					s = set{}
				}
				return yield(s, err)
			})
		}},
		{"empty set after an error", "errors are news", "while the registry fails: want no set but", func(l *lab) discovery.Watcher {
			return l.each(func(_ string, s set, err error, yield yielder) bool {
				return yield(s, err) && (err == nil || yield(nil, nil))
			})
		}},
		{"error repeated without a pause", "errors are news", "pieces of news within", func(l *lab) discovery.Watcher {
			return l.each(func(_ string, s set, err error, yield yielder) bool {
				again := yield(s, err)
				for again && err != nil {
					again = yield(nil, err)
				}
				return again
			})
		}},
		{"unknown when it fails", "errors are news", "whether it exists", func(l *lab) discovery.Watcher {
			return l.each(func(_ string, s set, err error, yield yielder) bool {
				if err != nil {
					err = discovery.ErrUnknownService
				}
				return yield(s, err)
			})
		}},
		{"no word of a recovery", "errors are news", "repaired and nothing had changed", func(l *lab) discovery.Watcher {
			return discovery.WatcherFunc(func(ctx context.Context, service string) seq {
				return func(yield func([]discovery.Instance, error) bool) {
					var last set
					for s, err := range l.Watch(ctx, service) {
						if err == nil && last != nil && slices.EqualFunc(last, s, discovery.Instance.Equal) {
							continue
						}
						if err == nil {
							last = s
						}
						if !yield(s, err) {
							return
						}
					}
				}
			})
		}},
		{"no recovery", "errors are news", "when the registry was repaired", func(l *lab) discovery.Watcher {
			return discovery.WatcherFunc(func(ctx context.Context, service string) seq {
				return func(yield func([]discovery.Instance, error) bool) {
					for s, err := range l.Watch(ctx, service) {
						if !yield(s, err) {
							return
						}
						if err != nil {
							<-ctx.Done()
						}
					}
				}
			})
		}},
	}
	for _, test := range tests {
		t.Run(test.fault, func(t *testing.T) {
			got := failures(t, watcherChecks, test.check, Harness{New: func(t testing.TB) Subject {
				l := &lab{Memory: new(discovery.Memory), stop: make(chan struct{})}
				t.Cleanup(func() { close(l.stop) })
				s := subject(l.Memory)
				s.Watcher = test.broken(l)
				s.Asked = func() int { return int(l.asked.Load()) }
				return s
			}})
			assert.Contains(t, got, test.says)
		})
	}
	caught := make(map[string]bool)
	for _, test := range tests {
		caught[test.check] = true
	}
	for _, c := range watcherChecks {
		assert.True(t, caught[c.name], "no broken watcher for the check %q", c.name)
	}
}
