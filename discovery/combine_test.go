package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/stretchr/testify/assert"
)

// silent says nothing until its context is done, and takes a while to end.
func silent(ended *bool) discovery.Watcher {
	return discovery.WatcherFunc(func(ctx context.Context, _ string) seq {
		return func(func([]discovery.Instance, error) bool) {
			<-ctx.Done()
			time.Sleep(time.Second)
			*ended = true
		}
	})
}

func TestMerge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := new(discovery.Memory), new(discovery.Memory)
		a.Set("orders", named("x", "z")...)
		b.Set("orders", named("y")...)
		w := start(t, discovery.Merge(a, b), "orders")
		heard := w.heard() // one of the two may have come first
		assert.Equal(t, "[x y z]", heard[len(heard)-1])
		b.Set("orders", named("w", "x")...)
		w.says("[w x z]")
		a.Set("orders")
		w.says("[w x]") // x of b is another copy than x of a was
		b.Set("orders")
		w.says("[]")
	})
}

func TestMergeEarlierWins(t *testing.T) {
	in := func(addr string) discovery.Instance { return discovery.Instance{ID: "x", Addr: addr} }
	w := discovery.Merge(discovery.Static{"orders": {in("a:1")}}, discovery.Static{"orders": {in("b:1"), {Addr: "c:1"}}})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var last []discovery.Instance
		for set, err := range w.Watch(ctx, "orders") {
			assert.NoError(t, err)
			last = set
		}
		assert.Equal(t, []discovery.Instance{{Addr: "c:1"}, in("a:1")}, last)
	})
}

func TestMergeDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		m := new(discovery.Memory)
		m.Set("orders", named("a")...)
		w := start(t, discovery.Merge(silent(&ended), m), "orders")
		w.says("[a]")
		m.Set("orders")
		w.says("[]") // it has been known, and is known to be gone
		w.stop()
		assert.True(t, ended, "the end of a watch waits for all watchers")
	})
}

// An empty set that is only a part is no better than none.
func TestFirstSetIsEmptyOnlyWhenAllHaveSpoken(t *testing.T) {
	for name, combine := range map[string]func(...discovery.Watcher) discovery.Watcher{
		"Merge": discovery.Merge, "Fallback": discovery.Fallback,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slow := discovery.Poll(func(context.Context, string) ([]discovery.Instance, error) {
					time.Sleep(time.Second)
					return nil, errors.New("no route")
				}, discovery.PollConfig{Interval: time.Hour})
				w := start(t, combine(new(discovery.Memory), slow), "orders")
				time.Sleep(time.Second - 1)
				w.says()
				time.Sleep(time.Nanosecond)
				w.says("[]", `error: discovery: lookup of "orders": no route`)
			})
			synctest.Test(t, func(t *testing.T) {
				m := new(discovery.Memory)
				m.Fail(errors.New("no route"))
				w := start(t, combine(m, m), "orders")
				assert.NotContains(t, w.heard(), "[]", "errors alone are no answer")
			})
			synctest.Test(t, func(t *testing.T) {
				start(t, combine(), "orders").says("[]")
			})
			assert.PanicsWithValue(t, "discovery: "+name+" with a nil Watcher", func() { combine(discovery.Static{}, nil) })
		})
	}
}

func TestFallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := new(discovery.Memory), new(discovery.Memory), new(discovery.Memory)
		w := start(t, discovery.Fallback(a, b, c), "orders")
		w.says("[]")
		c.Set("orders", named("c")...)
		w.says("[c]")
		a.Set("orders", named("a")...)
		w.says("[a]")
		b.Set("orders", named("b")...)
		w.says() // not used
		a.Fail(errors.New("no route"))
		w.says("error: no route") // its last set stands
		b.Set("orders", named("b", "c")...)
		w.says() // still not used
		a.Fail(nil)
		w.says("[a]") // as before, so the error is over
		a.Set("orders")
		w.says("[b c]")
		b.Set("orders")
		w.says("[c]")
		c.Set("orders")
		w.says("[]")
	})
}

// A set that comes from one watcher does not end the errors of another.
func TestMergeErrorsStand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := new(discovery.Memory), new(discovery.Memory), new(discovery.Memory)
		a.Set("orders", named("a")...)
		w := start(t, discovery.Merge(a, b, c, discovery.Static{}), "orders")
		w.heard()
		a.Fail(errors.New("no route to a"))
		w.says("error: no route to a")
		b.Set("orders", named("b")...)
		w.says("[a b]", "error: no route to a")
		c.Fail(errors.New("no route to c"))
		w.says("error: no route to c")
		b.Set("orders")
		w.says("[a]", "error: no route to a\nno route to c")
		a.Fail(nil)
		w.says("[a]", "error: no route to c")
		c.Fail(nil)
		w.says("[a]") // an unknown service is an answer, and does not stand
	})
}

// An unknown service is an answer of all registries together, and that of one
// of them means that it has no copies.
func TestUnknownServiceInSomeRegistries(t *testing.T) {
	for name, combine := range map[string]func(...discovery.Watcher) discovery.Watcher{
		"Merge": discovery.Merge, "Fallback": discovery.Fallback,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newDenier(), newDenier()
				w := start(t, combine(a, b), "orders")
				a.Set("orders")
				w.says() // b may know it
				b.Set("orders", named("b")...)
				w.says("[b]")
				a.Set("orders", named("a")...)
				w.heard()
				a.Set("orders")
				w.says("[b]") // a's copies are gone
				b.Fail(errors.New("no route"))
				w.says("error: no route")
				b.Fail(nil)
				w.says("[b]")
				b.Set("orders")
				w.says("error: discovery: unknown service")
				b.Set("orders", named("b")...)
				w.says("[b]") // as before, so the error is over
			})
			synctest.Test(t, func(t *testing.T) { // who cannot be asked may know it
				a, b := newDenier(), newDenier()
				b.Fail(errors.New("no route"))
				w := start(t, combine(a, b), "orders")
				a.Set("orders")
				w.says("error: no route")
				b.Fail(nil)
				b.Set("orders")
				w.says("error: discovery: unknown service")
				b.Fail(errors.New("no route"))
				w.says("error: no route")
			})
			synctest.Test(t, func(t *testing.T) { // nor has the copy of one that is not known any more
				a := newDenier()
				ended := false
				a.Set("orders", named("a")...)
				w := start(t, combine(a, silent(&ended)), "orders")
				w.says("[a]")
				a.Set("orders")
				w.says("[]")
			})
		})
	}
}

// A denier is a Memory that says of empty services that it does not know them,
// and nothing at first.
type denier struct {
	*discovery.Memory
	sets atomic.Int32
}

func newDenier() *denier { return &denier{Memory: new(discovery.Memory)} }

func (d *denier) Set(service string, instances ...discovery.Instance) {
	d.sets.Add(1)
	d.Memory.Set(service, discovery.Addrs("none:1")...) // so that the next is news
	synctest.Wait()
	d.Memory.Set(service, instances...)
}

func (d *denier) Watch(ctx context.Context, service string) seq {
	return func(yield func([]discovery.Instance, error) bool) {
		for set, err := range d.Memory.Watch(ctx, service) {
			switch {
			case err == nil && len(set) == 1 && set[0].Addr == "none:1", err == nil && d.sets.Load() == 0:
				continue
			case err == nil && len(set) == 0:
				set, err = nil, discovery.ErrUnknownService
			}
			if !yield(set, err) {
				return
			}
		}
	}
}

func TestFallbackDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		w := start(t, discovery.Fallback(silent(&ended), discovery.Static{"orders": named("b")}), "orders")
		w.says("[b]")
		w.stop()
		assert.True(t, ended, "the end of a watch waits for all watchers")
	})
}

// Copies in two data centers, each with a registry of its own, are one
// service.
func ExampleMerge() {
	east := discovery.Static{"orders": discovery.Addrs("10.1.0.7:8080")}
	west := discovery.Static{"orders": discovery.Addrs("10.2.0.7:8080")}
	for set, err := range discovery.Merge(east, west).Watch(context.Background(), "orders") {
		if err == nil && len(set) == 2 { // one registry may answer first
			fmt.Println(set[0].Addr, set[1].Addr)
			break
		}
	}
	// Output: 10.1.0.7:8080 10.2.0.7:8080
}

// Addresses from the configuration serve while the registry knows none.
func ExampleFallback() {
	registry := new(discovery.Memory)
	configured := discovery.Static{"orders": discovery.Addrs("10.0.0.7:8080")}
	for set, err := range discovery.Fallback(registry, configured).Watch(context.Background(), "orders") {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(set[0].Addr)
		if set[0].Addr == "10.0.0.9:8080" {
			break
		}
		registry.Set("orders", discovery.Addrs("10.0.0.9:8080")...)
	}
	// Output:
	// 10.0.0.7:8080
	// 10.0.0.9:8080
}
