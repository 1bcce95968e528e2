package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMemorySet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(discovery.Memory)
		w := start(t, m, "orders")
		w.says("[]")
		m.Set("orders", named("b", "a")...)
		w.says("[a b]")
		m.Set("orders", named("a", "b")...)
		w.says()
		m.Set("orders", named("g", "f", "e", "d", "c", "b", "a")...)
		w.says("[a b c d e f g]")
		m.Set("payments", named("c")...)
		w.says()
		m.Set("orders")
		w.says("[]")
	})
}

func TestMemorySetLeavesOutFaultyInstances(t *testing.T) {
	const bad = `error: discovery: instance "bad": address "" is not host:port`
	synctest.Test(t, func(t *testing.T) {
		m := new(discovery.Memory)
		m.Set("orders", named("a")...)
		w := start(t, m, "orders")
		w.says("[a]")
		m.Set("orders", append(named("b"), discovery.Instance{ID: "bad"})...)
		w.says("[b]", bad)
		start(t, m, "orders").says("[b]", bad)
		m.Set("orders", named("c", "c")...)
		w.says("[c]", `error: discovery: instance "c" is listed twice: at c.example:80, which is used, and at c.example:80`)
		m.Set("orders", named("c")...)
		w.says("[c]") // which says that all is well again

		m.Set("orders", discovery.Instance{ID: "bad"})
		w.says(bad) // the last set stands
		_, err := m.Register(t.Context(), "orders", named("d")[0])
		require.NoError(t, err)
		w.says("[c d]", bad)
		m.Fail(errOutage)
		w.says("error: outage made by a test")
		m.Fail(nil)
		w.says("[c d]", bad)
	})
}

// A reader who is busy finds the latest set and the latest error, in the order
// in which they came.
func TestMemoryMergesChanges(t *testing.T) {
	m := new(discovery.Memory)
	next, stop := iter.Pull2(m.Watch(t.Context(), "orders"))
	defer stop()
	got := func() string {
		set, err, ok := next()
		require.True(t, ok)
		return line(set, err)
	}
	assert.Equal(t, "[]", got())
	for i := range 100 {
		m.Set("orders", named(fmt.Sprint(i))...)
	}
	assert.Equal(t, "[99]", got())
	m.Set("orders", named("a")...)
	m.Set("orders", discovery.Instance{ID: "bad1"})
	m.Set("orders", discovery.Instance{ID: "bad2"})
	assert.Equal(t, "[a]", got())
	assert.Contains(t, got(), "bad2")
	m.Set("orders", discovery.Instance{ID: "bad3"})
	m.Set("orders", named("b")...)
	assert.Contains(t, got(), "bad3")
	assert.Equal(t, "[b]", got())
	m.Set("orders")
	m.Set("orders", named("b")...) // as it was: no news
	m.Set("orders", discovery.Instance{ID: "bad4"})
	assert.Contains(t, got(), "bad4")
}

func TestMemoryFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(discovery.Memory)
		m.Set("orders", named("a")...)
		w := start(t, m, "orders")
		w.says("[a]")
		m.Fail(errors.New("no route"))
		w.says("error: no route")
		late, fresh := start(t, m, "orders"), start(t, m, "payments")
		late.says("error: no route")
		fresh.says("error: no route")
		m.Fail(errors.New("still none"))
		w.says("error: still none")
		late.says("error: still none")

		m.Set("payments", named("p")...)
		fresh.says("error: still none") // and not again after Set
		m.Fail(nil)
		w.says("[a]") // as before, so the outage is over
		late.says("[a]")
		fresh.says("[p]")
		m.Fail(nil)
		late.says()
	})
}

func TestMemoryRegisterWaitsOutAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(discovery.Memory)
		m.Fail(errors.New("no route"))
		time.AfterFunc(time.Second, func() { m.Fail(errors.New("still none")) })
		time.AfterFunc(time.Minute, func() { m.Fail(nil) })
		began := time.Now()
		r, err := m.Register(t.Context(), "orders", named("a")[0])
		require.NoError(t, err)
		assert.Equal(t, time.Minute, time.Since(began))
		start(t, m, "orders").says("[a]")

		m.Fail(errors.New("no route"))
		time.AfterFunc(time.Minute, func() { m.Fail(nil) })
		began = time.Now()
		assert.NoError(t, r.Close(t.Context()))
		assert.Equal(t, time.Minute, time.Since(began))
		start(t, m, "orders").says("[]")
	})
}

func TestMemoryCloseDuringAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(discovery.Memory)
		r, err := m.Register(t.Context(), "orders", named("a")[0])
		require.NoError(t, err)
		m.Fail(errors.New("no route"))
		tired := errors.New("tired of waiting")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, tired)
		defer cancel()
		first := r.Close(ctx)
		assert.ErrorIs(t, first, tired)
		assert.EqualError(t, first, `discovery: withdraw "a" from "orders": tired of waiting`)
		assert.Equal(t, first, r.Close(t.Context()), "and at once, though the outage goes on")
		m.Fail(nil)
		start(t, m, "orders").says("[]")
	})
}

func TestMemoryRegisterAndSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(discovery.Memory)
		r, err := m.Register(t.Context(), "orders", named("a")[0])
		require.NoError(t, err)
		m.Set("orders", named("a", "b")...)
		require.NoError(t, r.Close(t.Context()))
		w := start(t, m, "orders")
		w.says("[a b]") // Set has replaced what was registered
		_, err = m.Register(t.Context(), "orders", named("c")[0])
		require.NoError(t, err)
		w.says("[a b c]")
	})
}

func TestMemoryConcurrently(t *testing.T) {
	m := new(discovery.Memory)
	ctx, cancel := context.WithCancel(t.Context())
	var readers, writers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for set, err := range m.Watch(ctx, "orders") {
				if _, again := discovery.CleanSet(set); err == nil && again != nil {
					t.Error(again)
				}
			}
		})
	}
	for i := range 4 {
		writers.Go(func() {
			for j := range 50 {
				r, err := m.Register(ctx, "orders", named(fmt.Sprintf("%d-%d", i, j))[0])
				if err != nil {
					t.Error(err)
					return
				}
				m.Fail(errOutage)
				m.Fail(nil)
				if j%2 == 0 {
					assert.NoError(t, r.Close(ctx))
				}
			}
		})
	}
	writers.Wait()
	for set, err := range m.Watch(ctx, "orders") {
		assert.NoError(t, err)
		assert.Len(t, set, 4*25)
		break
	}
	cancel()
	readers.Wait()
}

// Programs whose services live in one process need no other registry.
func ExampleMemory() {
	ctx := context.Background()
	registry := new(discovery.Memory)
	registration, err := registry.Register(ctx, "orders", discovery.Instance{ID: "orders-1", Addr: "10.0.0.7:8080"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for set, err := range registry.Watch(ctx, "orders") {
		fmt.Println(len(set), "copies", err)
		if len(set) == 0 {
			break
		}
		_ = registration.Close(ctx)
	}
	// Output:
	// 1 copies <nil>
	// 0 copies <nil>
}

// A test of code that uses a Watcher changes the set, and makes the registry
// fail, when it likes.
func ExampleMemory_Fail() {
	registry := new(discovery.Memory)
	registry.Set("orders", discovery.Addrs("10.0.0.7:8080")...)
	next, stop := iter.Pull2(registry.Watch(context.Background(), "orders"))
	defer stop()

	set, _, _ := next()
	fmt.Println("at first:", len(set))
	registry.Fail(errors.New("registry: connection refused"))
	_, err, _ := next()
	fmt.Println("outage:", err)
	registry.Set("orders", discovery.Addrs("10.0.0.7:8080", "10.0.0.8:8080")...)
	registry.Fail(nil)
	set, _, _ = next()
	fmt.Println("repaired:", len(set))
	// Output:
	// at first: 1
	// outage: registry: connection refused
	// repaired: 2
}
