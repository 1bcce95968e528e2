package discoverytest

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/namesake-go/namesake/discovery"
)

// A Harness says how to test an implementation. Only New is required.
type Harness struct {
	// New makes what is to be tested. It is called once for every check, and
	// cleans up with t.Cleanup.
	New func(t testing.TB) Subject

	// Run runs one check. Nil means to call it; synctest.Test runs each in a
	// bubble with virtual time.
	Run func(t *testing.T, check func(t *testing.T))

	// Strip returns an instance without the facts that the registry cannot
	// carry, or adds of its own. It is applied to what was announced and to
	// what is seen before they are compared. Nil means that all is carried.
	Strip func(in discovery.Instance) discovery.Instance

	// Patience is how long to wait for news: longer than any change takes to
	// be seen. Zero means 10 s. Where nothing should happen, the suite looks
	// on for a hundredth of it.
	Patience time.Duration

	// Fixed says that a watch does not see changes made after it has begun,
	// and leaves out the checks for them.
	Fixed bool
}

// A Subject is what is tested in one check, and the means to do so.
type Subject struct {
	// Watcher is tested by TestWatcher, and shows to TestRegistrar what has
	// been registered. Required.
	Watcher discovery.Watcher

	// Registrar is tested by TestRegistrar, which requires it.
	Registrar discovery.Registrar

	// Set makes the registry list these copies of a service and no others.
	// Nil means to register and withdraw them with Registrar.
	Set func(service string, instances ...discovery.Instance)

	// Fail makes the registry fail, so that it can be neither read nor
	// written, or repairs it. Nil leaves out the checks that need it.
	Fail func(failing bool)

	// Asked returns how often the registry has been asked, or watched, so
	// far. Nil leaves this out when looking for what happens too early.
	Asked func() int
}

const (
	defaultPatience = 10 * time.Second

	// prompt bounds what needs no news from a registry: the end of a watch,
	// the refusal of bad input. It is far above what these take, for the sake
	// of loaded machines, and far below what waiting for a timer takes.
	prompt = 5 * time.Second
)

// A check is one rule of a contract.
type check struct {
	name    string
	run     func(f *fixture)
	changes bool // whether it changes sets while they are watched
}

func (h Harness) test(t *testing.T, checks []check) {
	t.Helper()
	run := h.Run
	if run == nil {
		run = func(t *testing.T, check func(t *testing.T)) { check(t) }
	}
	for _, c := range checks {
		if c.changes && h.Fixed {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			run(t, func(t *testing.T) { c.run(newFixture(t, h)) })
		})
	}
}

// A fixture is a subject in one check.
type fixture struct {
	Subject
	t        testing.TB // not a *testing.T, so that tests of the suite can see a check fail
	harness  Harness
	patience time.Duration
	quiet    time.Duration // how long to look on where nothing should happen
	service  string
	held     map[string]map[string]discovery.Registration // by service and ID, without Subject.Set
}

func newFixture(t testing.TB, h Harness) *fixture {
	t.Helper()
	f := &fixture{
		t:        t,
		harness:  h,
		patience: cmp.Or(h.Patience, defaultPatience),
		service:  newService("orders"),
		held:     make(map[string]map[string]discovery.Registration),
	}
	f.quiet = f.patience / 100
	f.Subject = h.New(t)
	if f.Watcher == nil {
		t.Fatal("discoverytest: the harness makes no Watcher")
	}
	if f.Set == nil {
		if f.Registrar == nil {
			t.Fatal("discoverytest: the harness makes neither Set nor Registrar")
		}
		f.Set = f.setByRegistrar
		t.Cleanup(func() {
			for service := range f.held {
				f.setByRegistrar(service)
			}
		})
	}
	return f
}

// newService returns a name that no other check uses, nor another process that
// shares the registry.
func newService(prefix string) string { return fmt.Sprintf("%s-%08x", prefix, rand.Uint32()) }

// instance returns the ith copy of a service, which differs from the others in
// all it can.
func instance(service string, i int) discovery.Instance {
	return discovery.Instance{
		ID:       fmt.Sprintf("%s-%d", service, i),
		Addr:     fmt.Sprintf("192.0.2.%d:%d", i, 8000+i),
		Scheme:   [...]string{"http", "https"}[i%2],
		Zone:     fmt.Sprintf("zone-%d", i%3),
		Weight:   uint32(1 + i),
		Priority: uint32(i % 2),
		Metadata: map[string]string{"version": fmt.Sprintf("1.%d", i)},
	}
}

// copies returns copies of the fixture's service.
func (f *fixture) copies(numbers ...int) []discovery.Instance {
	set := make([]discovery.Instance, len(numbers))
	for i, n := range numbers {
		set[i] = instance(f.service, n)
	}
	return set
}

func (f *fixture) setByRegistrar(service string, instances ...discovery.Instance) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), f.patience)
	defer cancel()
	held := f.held[service]
	for id, r := range held {
		if err := r.Close(ctx); err != nil {
			f.t.Errorf("withdraw %q: %v", id, err)
		}
	}
	f.held[service] = make(map[string]discovery.Registration)
	for _, in := range instances {
		r, err := f.Registrar.Register(ctx, service, in)
		if err != nil {
			f.t.Fatalf("register %q: %v", in.ID, err)
		}
		f.held[service][in.ID] = r
	}
}

// same reports whether two sets state the same facts, as far as the registry
// carries them.
func (f *fixture) same(got, want []discovery.Instance) bool {
	return slices.EqualFunc(f.strip(got), f.strip(want), discovery.Instance.Equal)
}

func (f *fixture) strip(set []discovery.Instance) []discovery.Instance {
	stripped := slices.Clone(set)
	if f.harness.Strip != nil {
		for i, in := range stripped {
			stripped[i] = f.harness.Strip(in)
		}
	}
	slices.SortFunc(stripped, func(a, b discovery.Instance) int { return cmp.Compare(a.Key(), b.Key()) })
	return stripped
}
