package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/stretchr/testify/assert"
)

// gauged counts a watcher's sequences as they begin and end.
type gauged struct {
	discovery.Watcher
	begun, open atomic.Int32
	delay       time.Duration // how long a sequence takes to end
}

func (g *gauged) Watch(ctx context.Context, service string) seq {
	return func(yield func([]discovery.Instance, error) bool) {
		g.begun.Add(1)
		g.open.Add(1)
		defer g.open.Add(-1)
		g.Watcher.Watch(ctx, service)(yield)
		time.Sleep(g.delay)
	}
}

func TestShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(discovery.Memory)
		m.Set("orders", named("a")...)
		g := &gauged{Watcher: m, delay: time.Second}
		shared := discovery.Share(g)
		first, second := start(t, shared, "orders"), start(t, shared, "orders")
		first.says("[a]")
		second.says("[a]")
		start(t, shared, "payments").says("[]")
		assert.EqualValues(t, 2, g.begun.Load(), "one for each service")

		m.Set("orders", named("a", "b")...)
		first.says("[a b]")
		second.says("[a b]")
		m.Fail(errOutage)
		first.says("error: outage made by a test")
		second.says("error: outage made by a test")
		late := start(t, shared, "orders")
		late.says("[a b]", "error: outage made by a test") // the last set stands
		m.Fail(nil)
		first.says("[a b]")
		second.says("[a b]")
		late.says("[a b]")
		start(t, shared, "orders").says("[a b]") // and no error that is over

		began := time.Now()
		first.stop()
		assert.Zero(t, time.Since(began), "others are there: there is nothing to wait for")
		assert.EqualValues(t, 2, g.open.Load())
	})
}

func TestShareEndsWithTheLastReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gauged{Watcher: discovery.Static{"orders": named("a")}, delay: time.Second}
		shared := discovery.Share(g)
		for n := range int32(3) {
			began := time.Now()
			first, second := start(t, shared, "orders"), start(t, shared, "orders")
			second.says("[a]")
			first.stop()
			second.stop()
			assert.Equal(t, time.Second, time.Since(began), "the last waits for the end of the watch")
			assert.Zero(t, g.open.Load())
			assert.Equal(t, n+1, g.begun.Load())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		assert.Equal(t, "nothing", first(ctx, shared, "orders"))
		assert.EqualValues(t, 3, g.begun.Load(), "a reader whose context is done starts nothing")
	})
}

func TestShareBeginsAnewBesideOneThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gauged{Watcher: discovery.Static{"orders": named("a")}, delay: time.Minute}
		shared := discovery.Share(g)
		first := start(t, shared, "orders")
		first.says("[a]")
		first.cancel()
		synctest.Wait()
		start(t, shared, "orders").says("[a]")
		assert.EqualValues(t, 2, g.open.Load())
	})
}

func TestShareLastErrorWithoutSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(discovery.Memory)
		m.Fail(errors.New("no route"))
		shared := discovery.Share(m)
		first := start(t, shared, "orders")
		first.says("error: no route")
		second := start(t, shared, "orders")
		second.says("error: no route")
		m.Fail(nil)
		first.says("[]")
		second.says("[]")
	})
}

func TestShareSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(discovery.Memory)
		shared := discovery.Share(m)
		var slow []string
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			for set, err := range shared.Watch(ctx, "orders") {
				slow = append(slow, line(set, err))
				time.Sleep(time.Minute)
			}
		})
		fast := start(t, shared, "orders")
		fast.says("[]")
		for _, id := range []string{"a", "b", "c"} {
			m.Set("orders", named(id)...)
			fast.says("[" + id + "]")
		}
		time.Sleep(time.Hour)
		cancel()
		running.Wait()
		assert.Equal(t, []string{"[]", "[c]"}, slow)
	})
}

// A reader that breaks, or panics, in the middle of a flood of news lets go.
func TestShareLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flood := discovery.WatcherFunc(func(ctx context.Context, _ string) seq {
			return func(yield func([]discovery.Instance, error) bool) {
				for i := 0; ctx.Err() == nil && yield(named(fmt.Sprint(i)), nil); i++ {
					time.Sleep(time.Nanosecond)
				}
			}
		})
		g := &gauged{Watcher: flood}
		shared := discovery.Share(g)
		assert.NotEqual(t, "nothing", first(t.Context(), shared, "orders"))
		assert.Zero(t, g.open.Load())
		assert.Panics(t, func() {
			for set, err := range shared.Watch(t.Context(), "orders") {
				panic(line(set, err))
			}
		})
		assert.Zero(t, g.open.Load())
	})
}

func TestShareContext(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		shared := discovery.Share(discovery.WatcherFunc(func(ctx context.Context, service string) seq {
			assert.Nil(t, ctx.Value(key{}), "one reader's values are not for the others")
			return discovery.Static{"orders": nil}.Watch(ctx, service)
		}))
		assert.Equal(t, "[]", first(context.WithValue(t.Context(), key{}, "secret"), shared, "orders"))
	})
	assert.PanicsWithValue(t, "discovery: Share of a nil Watcher", func() { discovery.Share(nil) })
}

func TestShareConcurrently(t *testing.T) {
	m := new(discovery.Memory)
	g := &gauged{Watcher: m}
	shared := discovery.Share(g)
	var running sync.WaitGroup
	for i := range 8 {
		running.Go(func() {
			for j := range 100 {
				m.Set("orders", named(fmt.Sprintf("%d-%d", i, j))...)
				assert.NotEqual(t, "nothing", first(t.Context(), shared, "orders"))
			}
		})
	}
	running.Wait()
	assert.Zero(t, g.open.Load())
}

func ExampleShare() {
	asked := 0
	registry := discovery.Poll(func(context.Context, string) ([]discovery.Instance, error) {
		asked++
		return discovery.Addrs("10.0.0.7:8080"), nil
	}, discovery.PollConfig{})
	shared := discovery.Share(registry)

	ctx := context.Background()
	for set, err := range shared.Watch(ctx, "orders") {
		fmt.Println("first reader:", set[0].Addr, err)
		for set, err := range shared.Watch(ctx, "orders") {
			fmt.Println("second reader:", set[0].Addr, err)
			break
		}
		break
	}
	fmt.Println("lookups:", asked)
	// Output:
	// first reader: 10.0.0.7:8080 <nil>
	// second reader: 10.0.0.7:8080 <nil>
	// lookups: 1
}
