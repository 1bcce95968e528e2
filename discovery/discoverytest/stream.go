package discoverytest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/namesake-go/namesake/discovery"
)

// flood is how many pieces of news within one check are too many.
const flood = 1000

// A stream reads one watch on a goroutine of its own.
type stream struct {
	f      *fixture
	t      testing.TB
	cancel context.CancelFunc
	news   chan item // closed when the sequence has ended
	seen   []item
	last   string // the latest item in words
}

// An item is one pair that a watch has yielded.
type item struct {
	set   []discovery.Instance
	clone []discovery.Instance // the set as it was when yielded
	err   error
}

// follow starts to read a watch of a service. The caller must stop it.
func (f *fixture) follow(service string) *stream { return f.followSlowly(service, nil) }

// followSlowly is follow, but stays in the body of the loop for the first set
// until resume is closed.
func (f *fixture) followSlowly(service string, resume <-chan struct{}) *stream {
	ctx, cancel := context.WithCancel(context.Background())
	s := &stream{f: f, t: f.t, cancel: cancel, news: make(chan item, flood), last: "nothing at all"}
	go func() { // ended by stop
		defer close(s.news)
		for set, err := range f.Watcher.Watch(ctx, service) {
			it := item{set: set, clone: deepClone(set), err: err}
			select {
			case s.news <- it:
			default:
				return // stop reports the flood
			}
			if resume != nil && err == nil {
				select {
				case <-resume:
				case <-ctx.Done():
				}
			}
		}
	}()
	return s
}

func deepClone(set []discovery.Instance) []discovery.Instance {
	clone := slices.Clone(set)
	for i := range clone {
		clone[i].Metadata = maps.Clone(clone[i].Metadata)
	}
	return clone
}

// stop ends the watch, and checks that it ends in time and has not changed
// what it yielded.
func (s *stream) stop() {
	s.t.Helper()
	s.cancel()
	deadline := time.NewTimer(prompt)
	defer deadline.Stop()
	for ended := false; !ended; {
		select {
		case it, ok := <-s.news:
			if ok {
				s.note(it)
			}
			ended = !ok
		case <-deadline.C:
			s.t.Errorf("the watch goes on %v after its context was done", prompt)
			ended = true
		}
	}
	if len(s.seen) >= flood {
		s.t.Errorf("%d pieces of news: the watch does not pace itself", len(s.seen))
	}
	for _, it := range s.seen {
		if !slices.EqualFunc(it.set, it.clone, discovery.Instance.Equal) {
			s.t.Errorf("a yielded set was changed afterwards: %s became %s", describe(it.clone), describe(it.set))
		}
	}
}

// note checks what must be true of everything yielded.
func (s *stream) note(it item) {
	s.t.Helper()
	s.seen = append(s.seen, it)
	if it.err != nil {
		s.last = fmt.Sprintf("error %q", it.err)
		if it.set != nil {
			s.t.Errorf("an error came with a set: %v, %s", it.err, describe(it.clone))
		}
		return
	}
	s.last = describe(it.clone)
	keys := make(map[string]bool)
	for _, in := range it.clone {
		if err := in.Validate(); err != nil {
			s.t.Errorf("yielded an invalid instance: %v", err)
		}
		if keys[in.Key()] {
			s.t.Errorf("the key %q is twice in a set: %s", in.Key(), describe(it.clone))
		}
		keys[in.Key()] = true
	}
}

// awaitSet waits for exactly these copies, whatever comes before.
func (s *stream) awaitSet(when string, want ...discovery.Instance) {
	s.t.Helper()
	s.await(when, describe(want), func(it item) bool { return it.err == nil && s.f.same(it.clone, want) })
}

// awaitError waits for an error, and returns it.
func (s *stream) awaitError(when string) error {
	s.t.Helper()
	return s.await(when, "an error", func(it item) bool { return it.err != nil }).err
}

func (s *stream) await(when, what string, found func(item) bool) item {
	s.t.Helper()
	deadline := time.NewTimer(s.f.patience)
	defer deadline.Stop()
	for {
		select {
		case it, ok := <-s.news:
			if !ok {
				s.t.Fatalf("%s: want %s, but the watch ended while its context was alive, after %s", when, what, s.last)
			}
			s.note(it)
			if found(it) {
				return it
			}
		case <-deadline.C:
			s.t.Fatalf("%s: want %s within %v, got %s", when, what, s.f.patience, s.last)
		}
	}
}

// hold looks on for a while, in which every set must be these copies, and news
// must be rare.
func (s *stream) hold(when string, want ...discovery.Instance) {
	s.t.Helper()
	const many = 200
	deadline := time.NewTimer(s.f.quiet)
	defer deadline.Stop()
	for n := 0; ; n++ {
		select {
		case it, ok := <-s.news:
			if !ok {
				s.t.Fatalf("%s: the watch ended while its context was alive", when)
			}
			s.note(it)
			if it.err == nil && !s.f.same(it.clone, want) {
				s.t.Fatalf("%s: want no set but %s, got %s", when, describe(want), s.last)
			}
			if n == many {
				s.t.Fatalf("%s: %d pieces of news within %v; last: %s", when, n, s.f.quiet, s.last)
			}
		case <-deadline.C:
			return
		}
	}
}

func describe(set []discovery.Instance) string {
	if len(set) == 0 {
		return "an empty set"
	}
	return fmt.Sprintf("%+v", set)
}
