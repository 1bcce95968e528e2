package discovery

import (
	"context"
	"fmt"
	"iter"
)

// Static is a [Watcher] of fixed sets, by service: the registry of programs
// that have none.
//
// A watch yields the service's set, ordered by key, and then nothing more. A
// service that is not in the map is an error that wraps [ErrUnknownService];
// one with a nil set is known, and empty. Instances that [CleanSet] leaves out
// are named by an error after the set, or instead of it if nothing is left.
//
// The map and the sets in it must not change while they are watched.
type Static map[string][]Instance

// Watch implements [Watcher].
func (s Static) Watch(ctx context.Context, service string) iter.Seq2[[]Instance, error] {
	return func(yield func([]Instance, error) bool) {
		if ctx.Err() != nil {
			return
		}
		set, err := s.lookup(service)
		if (err == nil || len(set) > 0) && !yield(set, nil) {
			return
		}
		if err != nil && !yield(nil, err) {
			return
		}
		<-ctx.Done()
	}
}

func (s Static) lookup(service string) ([]Instance, error) {
	instances, ok := s[service]
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrUnknownService, service)
	}
	set, err := CleanSet(instances)
	if err != nil {
		err = fmt.Errorf("discovery: set of %q: %w", service, err)
	}
	return set, err
}
