package discovery

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"
)

// Merge returns a [Watcher] of several registries as if they were one: its
// sets are the union of theirs. Where two list the same key, the watcher that
// comes first in the arguments wins.
//
// It yields as soon as one of them knows any instance, without waiting for the
// others, because some copies to call are better than none, and a registry
// that hangs must not keep the rest from being used. An empty set, though, is
// not yielded first before every watcher has said something, be it an error:
// until then it may only mean that the others have not answered yet.
//
// Errors of all watchers pass as news. One stands until its own watcher yields
// a set: a set that comes from another is followed by the errors that stand,
// joined. [ErrUnknownService] does not stand, as it is an answer.
//
// Changes that come faster than a watch is read are merged into the latest set.
// A watch of no watchers at all yields an empty set.
func Merge(watchers ...Watcher) Watcher {
	return newCombination("Merge", union, watchers)
}

// Fallback returns a [Watcher] that uses the first of several registries which
// knows any instance: its set is that of the first watcher whose last set is
// not empty, and empty if there is none. All of them are watched all the time,
// so that a fallback is there at once when it is needed.
//
// Like [Merge] it does not wait: a later watcher that answers first is used
// until an earlier one has answered, and the first set is not an empty one
// before every watcher has said something. A watcher that fails after it has
// yielded a set keeps its place, since its last set stands. Errors pass as with
// Merge.
func Fallback(watchers ...Watcher) Watcher {
	return newCombination("Fallback", firstNonEmpty, watchers)
}

// union takes the sets of all watchers, in their order.
func union(sets [][]Instance) []Instance {
	byKeys := make(map[string]Instance)
	for _, set := range slices.Backward(sets) {
		for _, in := range set {
			byKeys[in.Key()] = in
		}
	}
	return slices.SortedFunc(maps.Values(byKeys), byKey)
}

func firstNonEmpty(sets [][]Instance) []Instance {
	for _, set := range sets {
		if len(set) > 0 {
			return set
		}
	}
	return nil
}

// A combination is a watcher that makes one set of those of others.
type combination struct {
	combine  func(sets [][]Instance) []Instance
	watchers []Watcher
}

func newCombination(name string, combine func([][]Instance) []Instance, watchers []Watcher) *combination {
	if slices.Contains(watchers, nil) {
		panic("discovery: " + name + " with a nil Watcher")
	}
	return &combination{combine: combine, watchers: slices.Clone(watchers)}
}

// Watch implements [Watcher].
func (c *combination) Watch(ctx context.Context, service string) iter.Seq2[[]Instance, error] {
	return func(yield func([]Instance, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel() // runs first
		parts := newParts(c.combine, len(c.watchers))
		for i, w := range c.watchers {
			running.Go(func() {
				for set, err := range w.Watch(ctx, service) {
					parts.hear(i, set, err)
				}
			})
		}
		parts.news.watch(ctx, yield)
	}
}

// parts is what the watchers of one watch have said so far.
type parts struct {
	combine func(sets [][]Instance) []Instance
	news    latest

	mu        sync.Mutex   // guards the rest; news is locked within it
	sets      [][]Instance // the last of each watcher
	errs      []error      // of each watcher since its last set
	silent    map[int]bool // who has said nothing yet
	known     bool         // whether any set has come
	published bool
	last      []Instance // what was published
}

func newParts(combine func([][]Instance) []Instance, n int) *parts {
	p := &parts{combine: combine, sets: make([][]Instance, n), errs: make([]error, n), silent: make(map[int]bool, n)}
	for i := range n {
		p.silent[i] = true
	}
	if n == 0 {
		p.news.publish(nil)
	}
	return p
}

// hear takes in what watcher i has yielded.
func (p *parts) hear(i int, set []Instance, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.silent, i)
	recovered := err == nil && p.errs[i] != nil
	if p.errs[i] = err; errors.Is(err, ErrUnknownService) {
		p.errs[i] = nil
	}
	if err == nil {
		p.sets[i], p.known = set, true
	}
	whole, isNew := p.whole(recovered)
	if err != nil && (!isNew || p.errs[i] == nil) { // otherwise it is said below
		p.news.fail(err)
	}
	if isNew {
		p.published, p.last = true, whole
		p.news.publish(whole)
		if standing := errors.Join(p.errs...); standing != nil {
			p.news.fail(standing)
		}
	}
}

// whole returns the combined set, and whether it is to be published.
func (p *parts) whole(recovered bool) (set []Instance, isNew bool) {
	if !p.known {
		return nil, false
	}
	set = p.combine(p.sets)
	if !p.published {
		return set, len(set) > 0 || len(p.silent) == 0
	}
	return set, recovered || !equalSets(p.last, set)
}
