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
// comes first in the arguments wins. Registries that know the same copies by
// different IDs are made to agree by [ByAddr]. Weights and priorities are taken
// as they are, and must mean the same in all of them: where some say nothing of
// weights, 1 should be the usual one in the others.
//
// It yields as soon as one of them knows any instance, without waiting for the
// others, because some copies to call are better than none, and a registry
// that hangs must not keep the rest from being used. An empty set, though, is
// not yielded first before every watcher has said something, be it an error:
// until then it may only mean that the others have not answered yet.
//
// Errors of all watchers pass as news. One stands until its own watcher yields
// a set: a set that comes from another is followed by the errors that stand,
// joined.
//
// [ErrUnknownService] is an answer: from one watcher, it means that this one
// has no copies, whatever it had before. It passes only when all say so, since
// a service that one registry does not know may well be in another that has not
// answered yet.
//
// What a watcher says of its own copies is believed at once, also that there
// are none, as a copy that is withdrawn must get no more calls. A registry that
// may lose its memory is for its watcher to doubt, as package eureka does:
// readers that doubt an empty set, such as package transport, see the union only.
// One that fails keeps its last set in the union, so that copies should leave a
// registry before it is shut down for good.
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
// Merge, and a watcher that says [ErrUnknownService] knows no instance.
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

	mu        sync.Mutex // guards the rest; news is locked within it
	parts     []part
	known     bool // whether any set has come
	denied    bool // whether ErrUnknownService was passed on since the last set
	published bool
	last      []Instance // what was published
}

// A part is what one watcher has said.
type part struct {
	spoken  bool
	set     []Instance // the last; none if the service is unknown
	unknown bool       // the last answer was that the service is
	err     error      // since the last answer
}

func newParts(combine func([][]Instance) []Instance, n int) *parts {
	p := &parts{combine: combine, parts: make([]part, n)}
	if n == 0 {
		p.news.publish(nil)
	}
	return p
}

// hear takes in what watcher i has yielded.
func (p *parts) hear(i int, set []Instance, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	said := &p.parts[i]
	recovered := said.err != nil
	unknown := errors.Is(err, ErrUnknownService)
	said.spoken = true
	switch {
	case err == nil:
		said.set, said.unknown, said.err = set, false, nil
		p.known = true
	case unknown:
		said.set, said.unknown, said.err = nil, true, nil
	default:
		said.err, recovered = err, false
	}
	if p.all(func(p part) bool { return p.unknown }) {
		p.denied = true
		p.news.fail(err)
		return
	}
	whole, isNew := p.whole(recovered || p.denied && err == nil)
	switch {
	case isNew:
		p.published, p.last, p.denied = true, whole, false
		p.news.publish(whole)
		if standing := p.standing(); standing != nil {
			p.news.fail(standing)
		}
	case said.err != nil:
		p.news.fail(err)
	}
}

// whole returns the combined set, and whether it is to be published.
func (p *parts) whole(recovered bool) (set []Instance, isNew bool) {
	if !p.known {
		return nil, false
	}
	sets := make([][]Instance, len(p.parts))
	for i, part := range p.parts {
		sets[i] = part.set
	}
	set = p.combine(sets)
	if !p.published {
		return set, len(set) > 0 || p.all(func(p part) bool { return p.spoken })
	}
	return set, recovered || !equalSets(p.last, set)
}

// standing returns the errors that stand, joined.
func (p *parts) standing() error {
	errs := make([]error, len(p.parts))
	for i, part := range p.parts {
		errs[i] = part.err
	}
	return errors.Join(errs...)
}

func (p *parts) all(are func(part) bool) bool {
	return !slices.ContainsFunc(p.parts, func(p part) bool { return !are(p) })
}
