package discovery

import (
	"context"
	"iter"
	"sync"
)

// Share returns a [Watcher] that watches each service once, however many
// readers it has: what one watch of w yields goes to all of them. It spares
// the registry, where several clients in a process follow the same services.
//
// The first reader of a service starts the watch, later ones are given the
// last set at once, and then the last error if that is newer, and the last one
// to leave ends the watch and waits for it. The watch has a context of its own,
// without the values of any reader's. A reader who is slow holds up nobody: it
// gets the latest set, and misses those in between.
//
// A reader who comes while a watch is being ended starts a new one beside it.
// If a watch of w ends of itself, which it should not, its readers keep the
// last set, and a new watch begins when all of them have left.
func Share(w Watcher) Watcher {
	if w == nil {
		panic("discovery: Share of a nil Watcher")
	}
	return &shared{watcher: w, feeds: make(map[string]*feed)}
}

type shared struct {
	watcher Watcher

	mu    sync.Mutex // guards feeds, and readers of each
	feeds map[string]*feed
}

// A feed is the one watch of a service. The last of its readers stops it.
type feed struct {
	news    latest
	readers int
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// Watch implements [Watcher].
func (s *shared) Watch(ctx context.Context, service string) iter.Seq2[[]Instance, error] {
	return func(yield func([]Instance, error) bool) {
		if ctx.Err() != nil {
			return
		}
		f := s.join(service)
		defer s.leave(service, f)
		f.news.watch(ctx, yield)
	}
}

func (s *shared) join(service string) *feed {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.feeds[service]
	if f == nil {
		ctx, cancel := context.WithCancel(context.Background())
		f = &feed{cancel: cancel}
		f.running.Go(func() { f.follow(s.watcher.Watch(ctx, service)) })
		s.feeds[service] = f
	}
	f.readers++
	return f
}

func (s *shared) leave(service string, f *feed) {
	s.mu.Lock()
	f.readers--
	last := f.readers == 0
	if last {
		delete(s.feeds, service)
	}
	s.mu.Unlock()
	if last {
		f.cancel()
		f.running.Wait()
	}
}

func (f *feed) follow(watch iter.Seq2[[]Instance, error]) {
	for set, err := range watch {
		if err != nil {
			f.news.fail(err)
		} else {
			f.news.publish(set)
		}
	}
}
