package discoverytest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/namesake-go/namesake/discovery"
)

// TestRegistrar checks the rules of [discovery.Registrar] and
// [discovery.Registration], each in a subtest. It sees what happens through
// the harness's Watcher.
func TestRegistrar(t *testing.T, h Harness) {
	t.Helper()
	h.test(t, registrarChecks)
}

var registrarChecks = []check{
	{name: "registered copy is seen", run: registeredIsSeen},
	{name: "close withdraws", run: closeWithdraws},
	{name: "close twice", run: closeTwice},
	{name: "same ID replaces", run: sameIDReplaces},
	{name: "context bounds the announcement only", run: contextAfterwards},
	{name: "context done before", run: contextBefore},
	{name: "context done during an outage", run: contextDuringOutage},
	{name: "outage is waited out", run: outageIsWaitedOut},
	{name: "invalid instance", run: invalidInstance},
	{name: "many copies at once", run: manyAtOnce},
}

// register announces a copy, and closes it when the check is over.
func (f *fixture) register(in discovery.Instance) discovery.Registration {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), f.patience)
	defer cancel()
	r, err := f.Registrar.Register(ctx, f.service, in)
	if err != nil {
		f.t.Fatalf("register %q: %v", in.ID, err)
	}
	f.t.Cleanup(func() { _ = f.close(r) })
	return r
}

func (f *fixture) close(r discovery.Registration) error {
	ctx, cancel := context.WithTimeout(context.Background(), f.patience)
	defer cancel()
	return r.Close(ctx)
}

// mustClose withdraws a copy.
func (f *fixture) mustClose(r discovery.Registration) {
	f.t.Helper()
	if err := f.close(r); err != nil {
		f.t.Errorf("close: %v", err)
	}
}

func registeredIsSeen(f *fixture) {
	s := f.follow(f.service)
	defer s.stop()
	f.register(instance(f.service, 1))
	s.awaitSet("after one was registered", f.copies(1)...)
	f.register(instance(f.service, 2))
	s.awaitSet("after another was registered", f.copies(1, 2)...)
}

func closeWithdraws(f *fixture) {
	s := f.follow(f.service)
	defer s.stop()
	a, b := f.register(instance(f.service, 1)), f.register(instance(f.service, 2))
	s.awaitSet("after two were registered", f.copies(1, 2)...)
	f.mustClose(a)
	s.awaitSet("after one was withdrawn", f.copies(2)...)
	s.hold("after one was withdrawn", f.copies(2)...)
	f.mustClose(b)
	s.awaitSet("after both were withdrawn")
	f.register(instance(f.service, 1))
	s.awaitSet("after one was registered again", f.copies(1)...)
}

func closeTwice(f *fixture) {
	s := f.follow(f.service)
	defer s.stop()
	r := f.register(instance(f.service, 1))
	s.awaitSet("after one was registered", f.copies(1)...)
	first := f.close(r)
	if first != nil {
		f.t.Errorf("close: %v", first)
	}
	s.awaitSet("after it was withdrawn")
	f.register(instance(f.service, 1))
	s.awaitSet("after it was registered again", f.copies(1)...)
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, ctx := range []context.Context{context.Background(), canceled} {
		if err := r.Close(ctx); !sameError(err, first) {
			f.t.Errorf("the first close returned %v, a later one %v", first, err)
		}
	}
	s.hold("after the first registration was closed again", f.copies(1)...)
}

// sameError reports whether two errors say the same. They may be errors that
// cannot be compared.
func sameError(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

func sameIDReplaces(f *fixture) {
	s := f.follow(f.service)
	defer s.stop()
	f.register(instance(f.service, 1))
	s.awaitSet("after one was registered", f.copies(1)...)
	moved := instance(f.service, 2)
	moved.ID = instance(f.service, 1).ID
	r := f.register(moved)
	s.awaitSet("after another with its ID was registered", moved)
	s.hold("after another with its ID was registered", moved)
	f.mustClose(r)
	s.awaitSet("after the other was withdrawn")
}

func contextAfterwards(f *fixture) {
	s := f.follow(f.service)
	defer s.stop()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := f.Registrar.Register(ctx, f.service, instance(f.service, 1))
	if err != nil {
		cancel()
		f.t.Fatalf("register: %v", err)
	}
	f.t.Cleanup(func() { _ = f.close(r) })
	s.awaitSet("after one was registered", f.copies(1)...)
	cancel()
	s.hold("after the context of its announcement was done", f.copies(1)...)
	f.register(instance(f.service, 2))
	s.awaitSet("after another was registered", f.copies(1, 2)...)
}

var errGivenUp = errors.New("given up by the suite")

func contextBefore(f *fixture) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errGivenUp)
	f.registerInVain(ctx)
	f.mustHaveLeftNothing()
}

func contextDuringOutage(f *fixture) {
	if f.Fail == nil {
		f.t.Skip("the harness cannot make the registry fail")
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	f.Fail(true)
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() {
		wait(f.quiet)
		cancel(errGivenUp)
	})
	f.registerInVain(ctx)
	f.Fail(false)
	f.mustHaveLeftNothing()
}

// registerInVain registers a copy, which must fail because ctx is done.
func (f *fixture) registerInVain(ctx context.Context) {
	f.t.Helper()
	ended := make(chan struct{})
	var r discovery.Registration
	var err error
	go func() { // ended by ctx; if it is not, the check fails
		defer close(ended)
		r, err = f.Registrar.Register(ctx, f.service, instance(f.service, 1))
	}()
	if !happens(ended, f.quiet+prompt) {
		f.t.Fatalf("registering goes on %v after its context was done", prompt)
	}
	if err == nil {
		f.t.Cleanup(func() { _ = f.close(r) })
		f.t.Fatal("registered, though the context was done before")
	}
	if !errors.Is(err, errGivenUp) {
		f.t.Errorf("want an error that wraps the context's cause, got %v", err)
	}
}

func (f *fixture) mustHaveLeftNothing() {
	f.t.Helper()
	s := f.follow(f.service)
	defer s.stop()
	f.register(instance(f.service, 2))
	s.awaitSet("after another was registered", f.copies(2)...)
	s.hold("after one could not be registered", f.copies(2)...)
}

func outageIsWaitedOut(f *fixture) {
	if f.Fail == nil {
		f.t.Skip("the harness cannot make the registry fail")
	}
	s := f.follow(f.service)
	defer s.stop()
	f.Fail(true)
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() {
		wait(f.quiet)
		f.Fail(false)
	})
	f.register(instance(f.service, 1))
	s.awaitSet("after the registry was repaired", f.copies(1)...)
}

func invalidInstance(f *fixture) {
	bad := instance(f.service, 1)
	bad.Addr = "nowhere"
	ended := make(chan struct{})
	var r discovery.Registration
	var err error
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // ended by its error, and at the latest by ctx
		defer close(ended)
		r, err = f.Registrar.Register(ctx, f.service, bad)
	}()
	if !happens(ended, prompt) {
		f.t.Fatalf("an invalid instance is not refused within %v", prompt)
	}
	if err == nil {
		f.t.Cleanup(func() { _ = f.close(r) })
		f.t.Fatalf("an invalid instance was registered: %+v", bad)
	}
	if !strings.Contains(err.Error(), bad.ID) && !strings.Contains(err.Error(), bad.Addr) {
		f.t.Errorf("the error does not name the invalid instance %q: %v", bad.ID, err)
	}
}

func manyAtOnce(f *fixture) {
	s := f.follow(f.service)
	defer s.stop()
	want := f.copies(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
	registrations := make([]discovery.Registration, len(want))
	var running sync.WaitGroup
	ctx, cancel := context.WithTimeout(context.Background(), f.patience)
	defer cancel()
	for i, in := range want {
		running.Go(func() {
			var err error
			if registrations[i], err = f.Registrar.Register(ctx, f.service, in); err != nil {
				f.t.Errorf("register %q: %v", in.ID, err)
			}
		})
	}
	running.Wait()
	if f.t.Failed() {
		return
	}
	s.awaitSet("after many were registered at once", want...)
	for _, r := range registrations {
		running.Go(func() {
			if err := r.Close(ctx); err != nil {
				f.t.Errorf("close: %v", err)
			}
		})
	}
	running.Wait()
	s.awaitSet("after all of them were withdrawn at once")
}
