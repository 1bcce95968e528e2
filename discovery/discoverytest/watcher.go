package discoverytest

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/namesake-go/namesake/discovery"
)

// TestWatcher checks the rules of [discovery.Watcher], each in a subtest.
func TestWatcher(t *testing.T, h Harness) {
	t.Helper()
	h.test(t, watcherChecks)
}

var watcherChecks = []check{
	{name: "first set", run: firstSet},
	{name: "every change", run: everyChange, changes: true},
	{name: "empty set after the last copy", run: lastCopyLeaves, changes: true},
	{name: "service without copies", run: noCopies},
	{name: "two watches of a service", run: twoWatches},
	{name: "two services", run: twoServices},
	{name: "slow reader", run: slowReader, changes: true},
	{name: "context ends the watch", run: contextEnds},
	{name: "break ends the watch", run: breakEnds},
	{name: "nothing is left behind", run: leavesNothing},
	{name: "nothing before ranging", run: nothingEarly},
	{name: "errors are news", run: errorsAreNews, changes: true},
}

func firstSet(f *fixture) {
	f.Set(f.service, f.copies(1, 2, 3)...)
	s := f.follow(f.service)
	defer s.stop()
	s.awaitSet("at first", f.copies(1, 2, 3)...)
	s.hold("while nothing changes", f.copies(1, 2, 3)...)
}

func everyChange(f *fixture) {
	f.Set(f.service, f.copies(1)...)
	s := f.follow(f.service)
	defer s.stop()
	s.awaitSet("at first", f.copies(1)...)
	f.Set(f.service, f.copies(1, 2)...)
	s.awaitSet("after a copy came", f.copies(1, 2)...)
	f.Set(f.service, f.copies(2)...)
	s.awaitSet("after a copy left", f.copies(2)...)
	f.Set(f.service, f.copies(3)...)
	s.awaitSet("after one copy replaced another", f.copies(3)...)
	moved := instance(f.service, 4)
	moved.ID = instance(f.service, 3).ID
	f.Set(f.service, moved)
	s.awaitSet("after all facts about a copy but its ID changed", moved)
}

func lastCopyLeaves(f *fixture) {
	f.Set(f.service, f.copies(1)...)
	s := f.follow(f.service)
	defer s.stop()
	s.awaitSet("at first", f.copies(1)...)
	f.Set(f.service)
	s.awaitSet("after the last copy left")
	f.Set(f.service, f.copies(1)...)
	s.awaitSet("after it came back", f.copies(1)...)
}

// noCopies accepts both answers that the contract allows.
func noCopies(f *fixture) {
	s := f.follow(f.service)
	defer s.stop()
	s.await("of a service that was never announced", "an empty set or ErrUnknownService", func(it item) bool {
		return it.err == nil && len(it.clone) == 0 || errors.Is(it.err, discovery.ErrUnknownService)
	})
	s.hold("while it is not announced")
}

func twoWatches(f *fixture) {
	f.Set(f.service, f.copies(1, 2)...)
	a, b := f.follow(f.service), f.follow(f.service)
	defer b.stop()
	defer a.stop()
	a.awaitSet("in one watch", f.copies(1, 2)...)
	b.awaitSet("in the other watch", f.copies(1, 2)...)
	if f.harness.Fixed {
		return
	}
	f.Set(f.service, f.copies(2, 3)...)
	a.awaitSet("in one watch after a change", f.copies(2, 3)...)
	b.awaitSet("in the other watch after a change", f.copies(2, 3)...)
	a.stop()
	f.Set(f.service, f.copies(4)...)
	b.awaitSet("in the watch that is left", f.copies(4)...)
}

func twoServices(f *fixture) {
	other := newService("payments")
	f.Set(f.service, instance(f.service, 1))
	f.Set(other, instance(other, 2))
	a, b := f.follow(f.service), f.follow(other)
	defer b.stop()
	defer a.stop()
	a.awaitSet("in one service", instance(f.service, 1))
	b.awaitSet("in the other service", instance(other, 2))
	if f.harness.Fixed {
		return
	}
	f.Set(other, instance(other, 2), instance(other, 3))
	b.awaitSet("in the service that changed", instance(other, 2), instance(other, 3))
	a.hold("in the service that did not change", instance(f.service, 1))
}

func slowReader(f *fixture) {
	f.Set(f.service, f.copies(1)...)
	resume := make(chan struct{})
	s := f.followSlowly(f.service, resume)
	defer s.stop()
	s.awaitSet("at first", f.copies(1)...)
	for n := 2; n < 10; n++ {
		f.Set(f.service, f.copies(1, n)...)
	}
	close(resume)
	s.awaitSet("after changes that the reader was too slow for", f.copies(1, 9)...)
	s.hold("after the latest set", f.copies(1, 9)...)
}

func contextEnds(f *fixture) {
	f.Set(f.service, f.copies(1)...)
	s := f.follow(f.service)
	s.awaitSet("at first", f.copies(1)...)
	s.stop()

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	ended := make(chan struct{})
	go func() { // ended by ctx; if it is not, the check fails
		defer close(ended)
		f.Watcher.Watch(ctx, f.service)(func([]discovery.Instance, error) bool { return true })
	}()
	if !happens(ended, prompt) {
		f.t.Errorf("a watch whose context was done before it began goes on after %v", prompt)
	}
}

func breakEnds(f *fixture) {
	f.Set(f.service, f.copies(1)...)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := f.watchOnce(ctx); err != nil {
		f.t.Error(err)
	}
}

func leavesNothing(f *fixture) {
	f.Set(f.service, f.copies(1)...)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	watch := func() {
		if err := f.watchOnce(ctx); err != nil {
			f.t.Fatal(err)
		}
	}
	watch() // what it leaves may be for all the others, such as a connection
	f.mustNotGrow("watches that were broken off", watch)
}

func nothingEarly(f *fixture) {
	f.Set(f.service, f.copies(1)...)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	asked := 0
	if f.Asked != nil {
		asked = f.Asked()
	}
	f.mustNotGrow("watches that nobody ranged over", func() { f.Watcher.Watch(ctx, f.service) })
	wait(f.quiet)
	if f.Asked != nil && f.Asked() != asked {
		f.t.Errorf("the registry was asked %d times before anyone ranged over a watch", f.Asked()-asked)
	}
}

func errorsAreNews(f *fixture) {
	if f.Fail == nil {
		f.t.Skip("the harness cannot make the registry fail")
	}
	f.Set(f.service, f.copies(1)...)
	s := f.follow(f.service)
	defer s.stop()
	s.awaitSet("at first", f.copies(1)...)
	f.Fail(true)
	if err := s.awaitError("after the registry failed"); errors.Is(err, discovery.ErrUnknownService) {
		f.t.Errorf("a registry that fails knows of no service whether it exists: %v", err)
	}
	s.hold("while the registry fails", f.copies(1)...)

	late := f.follow(f.service)
	defer late.stop()
	late.await("in a watch that began while the registry fails", "an error or the last set", func(it item) bool {
		return it.err != nil || f.same(it.clone, f.copies(1))
	})
	late.hold("in a watch that began while the registry fails", f.copies(1)...)

	f.Fail(false)
	s.awaitSet("when the registry was repaired and nothing had changed", f.copies(1)...)
	late.awaitSet("in the later watch when the registry was repaired", f.copies(1)...)
	f.Set(f.service, f.copies(1, 2)...)
	s.awaitSet("after the registry was repaired", f.copies(1, 2)...)
	late.awaitSet("in the later watch after the registry was repaired", f.copies(1, 2)...)
}

// watchOnce watches until the first set, breaks off, and returns an error if
// that does not end the watch in time.
func (f *fixture) watchOnce(ctx context.Context) error {
	reached, ended := make(chan struct{}), make(chan struct{})
	go func() { // ended by its break, and at the latest by ctx
		defer close(ended)
		for _, err := range f.Watcher.Watch(ctx, f.service) {
			if err == nil {
				close(reached)
				break
			}
		}
	}()
	if !happens(reached, f.patience) {
		return errors.New("no set within " + f.patience.String())
	}
	if !happens(ended, prompt) {
		return errors.New("the watch goes on " + prompt.String() + " after a break")
	}
	return nil
}

// mustNotGrow does something many times, and checks that there are not about
// as many goroutines more than before soon afterwards. It allows for a few,
// which may serve a pool of connections.
func (f *fixture) mustNotGrow(what string, do func()) {
	f.t.Helper()
	const times, few = 20, 10
	before := runtime.NumGoroutine()
	for range times {
		do()
	}
	for start := time.Now(); runtime.NumGoroutine() > before+few; wait(10 * time.Millisecond) {
		if time.Since(start) > prompt {
			f.t.Errorf("%d goroutines, and %d more after %d %s", before, runtime.NumGoroutine()-before, times, what)
			return
		}
	}
}

// happens reports whether a channel is closed within d.
func happens(c <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c:
		return true
	case <-timer.C:
		return false
	}
}

func wait(d time.Duration) { <-time.After(d) }
