package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var exact = discovery.PollConfig{Interval: 10 * time.Second, Jitter: -1}

// answers returns a lookup that gives these answers in turn, the last of them
// for ever. Each is a set or an error.
func answers(all ...any) discovery.Lookup {
	return func(context.Context, string) ([]discovery.Instance, error) {
		answer := all[0]
		if len(all) > 1 {
			all = all[1:]
		}
		if err, ok := answer.(error); ok {
			return nil, err
		}
		return answer.([]discovery.Instance), nil
	}
}

func TestPollYieldsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, discovery.Poll(answers(
			named("a", "b"), named("b", "a"), named("b"), named(), []discovery.Instance(nil), named("c"),
		), exact), "orders")
		w.says("[a b]")
		for _, want := range [][]string{nil, {"[b]"}, {"[]"}, nil, {"[c]"}} {
			time.Sleep(exact.Interval - time.Nanosecond)
			w.says()
			time.Sleep(time.Nanosecond)
			w.says(want...)
		}
	})
}

func TestPollEmptyAtFirst(t *testing.T) {
	assert.Equal(t, "[]", first(t.Context(), discovery.Poll(answers(named()), exact), "orders"))
}

func TestPollFacts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, after := named("a"), named("a")
		after[0].Weight = 2
		w := start(t, discovery.Poll(answers(before, after), exact), "orders")
		w.says("[a]")
		time.Sleep(exact.Interval)
		w.says("[a]") // the same key, other facts
	})
}

// waits returns the times between the first n lookups.
func waits(t *testing.T, n int, cfg discovery.PollConfig, lookup discovery.Lookup) []time.Duration {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var times []time.Time
	w := discovery.Poll(func(ctx context.Context, service string) ([]discovery.Instance, error) {
		if times = append(times, time.Now()); len(times) > n {
			cancel()
		}
		return lookup(ctx, service)
	}, cfg)
	w.Watch(ctx, "orders")(func([]discovery.Instance, error) bool { return true })
	require.Len(t, times, n+1)
	between := make([]time.Duration, n)
	for i := range between {
		between[i] = times[i+1].Sub(times[i])
	}
	return between
}

func TestPollInterval(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for name, test := range map[string]struct {
		cfg      discovery.PollConfig
		min, max time.Duration
	}{
		"defaults":            {discovery.PollConfig{}, 27 * time.Second, 33 * time.Second},
		"negative interval":   {discovery.PollConfig{Interval: -1}, 27 * time.Second, 33 * time.Second},
		"no jitter":           {exact, exact.Interval, exact.Interval},
		"half as jitter":      {discovery.PollConfig{Interval: time.Minute, Jitter: 0.5}, 30 * time.Second, 90 * time.Second},
		"too much jitter":     {discovery.PollConfig{Interval: time.Minute, Jitter: 7}, 0, 2 * time.Minute},
		"jitter not a number": {discovery.PollConfig{Interval: time.Minute, Jitter: math.NaN()}, 0, 2 * time.Minute},
		"longest interval":    {discovery.PollConfig{Interval: math.MaxInt64, Jitter: 1}, 0, 2 * year},
		"shortest interval":   {discovery.PollConfig{Interval: 1, Jitter: -1}, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				between := waits(t, 200, test.cfg, answers(named("a")))
				low, high := between[0], between[0]
				for _, d := range between {
					low, high = min(low, d), max(high, d)
				}
				assert.GreaterOrEqual(t, low, test.min)
				assert.LessOrEqual(t, high, test.max)
				// 200 draws that all miss the outer eighth of a range: never.
				assert.LessOrEqual(t, low, test.min+(test.max-test.min)/8)
				assert.GreaterOrEqual(t, high, test.max-(test.max-test.min)/8)
			})
		})
	}
}

// After errors the waits are drawn from zero to limits that double.
func TestPollBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := []time.Duration{
			time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second,
		}
		highest := make([]time.Duration, len(limits))
		for range 200 {
			for i, d := range waits(t, len(limits), discovery.PollConfig{}, answers(errOutage)) {
				highest[i] = max(highest[i], d)
			}
		}
		for i, limit := range limits {
			assert.LessOrEqual(t, highest[i], limit+1, i)
			assert.GreaterOrEqual(t, highest[i], limit*7/8, i)
		}

		// It never gives up, nor stops drawing.
		between := waits(t, 1000, discovery.PollConfig{}, answers(errOutage))
		slices.Sort(between[900:])
		assert.Less(t, between[900], 5*time.Second)
		assert.Greater(t, between[999], 25*time.Second)

		// An interval below a second is the limit from the start.
		for _, d := range waits(t, 200, discovery.PollConfig{Interval: 100 * time.Millisecond}, answers(errOutage)) {
			assert.LessOrEqual(t, d, 100*time.Millisecond+1)
		}

		// A success starts it over.
		between = waits(t, 300, exact, func() discovery.Lookup {
			n := 0
			return func(context.Context, string) ([]discovery.Instance, error) {
				if n++; n%3 == 0 {
					return nil, nil
				}
				return nil, errOutage
			}
		}())
		for i, d := range between {
			assert.LessOrEqual(t, d, []time.Duration{time.Second + 1, 2*time.Second + 1, exact.Interval}[i%3], i)
		}
	})
}

func TestPollErrorsAreNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, discovery.Poll(answers(
			named("a"),
			errOutage,
			errOutage,
			named("a"),
			named("a"),
			[]discovery.Instance{{ID: "bad"}},
			[]discovery.Instance{{ID: "bad"}},
			fmt.Errorf("404: %w", discovery.ErrUnknownService),
			named("b"),
		), exact), "orders")
		w.says("[a]")
		time.Sleep(time.Hour)
		w.says(
			`error: discovery: lookup of "orders": outage made by a test`,
			`error: discovery: lookup of "orders": outage made by a test`,
			`[a]`, // which says that the outage is over
			`error: discovery: lookup of "orders": discovery: instance "bad": address "" is not host:port`,
			`error: discovery: lookup of "orders": discovery: instance "bad": address "" is not host:port`,
			`error: discovery: lookup of "orders": 404: discovery: unknown service`,
			`[b]`,
		)
	})
}

// One copy that has registered itself in a wrong way must not hide the others.
func TestPollLeavesOutFaultyInstances(t *testing.T) {
	const bad = `error: discovery: lookup of "orders": discovery: instance "bad": address "" is not host:port`
	faulty := func(ids ...string) []discovery.Instance { return append(named(ids...), discovery.Instance{ID: "bad"}) }
	synctest.Test(t, func(t *testing.T) {
		w := start(t, discovery.Poll(answers(
			faulty("a"),
			faulty("a"),
			faulty("a", "b"),
			errOutage,
			faulty("a", "b"),
			named("b", "b", "a"),
			named("a", "b"),
			faulty("b", "a"),
			named("a", "b"),
			named("a", "b"),
		), exact), "orders")
		w.says("[a]", bad)
		for _, want := range [][]string{
			nil, // the error stands, and so does the set
			{"[a b]", bad},
			{`error: discovery: lookup of "orders": outage made by a test`},
			{"[a b]", bad},
			{"[a b]", `error: discovery: lookup of "orders": discovery: instance "b" is listed twice: at b.example:80, which is used, and at b.example:80`},
			{"[a b]"},
			{bad},
			{"[a b]"},
			nil,
		} {
			time.Sleep(exact.Interval)
			w.says(want...)
		}
	})
}

func TestPollWrapsErrors(t *testing.T) {
	for _, err := range discovery.Poll(answers(errOutage), exact).Watch(t.Context(), "orders") {
		assert.ErrorIs(t, err, errOutage)
		break
	}
}

func TestPollTimeout(t *testing.T) {
	hang := func(ctx context.Context, _ string) ([]discovery.Instance, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for _, test := range []struct{ timeout, want time.Duration }{{0, 10 * time.Second}, {time.Second, time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			for _, err := range discovery.Poll(hang, discovery.PollConfig{Timeout: test.timeout}).Watch(t.Context(), "orders") {
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				break
			}
			assert.Equal(t, test.want, time.Since(began))
		})
	}
	synctest.Test(t, func(t *testing.T) { // without one, only the watch's context ends a lookup, and that is no news
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		for set, err := range discovery.Poll(hang, discovery.PollConfig{Timeout: -1}).Watch(ctx, "orders") {
			t.Error(line(set, err))
		}
		assert.Equal(t, time.Hour, time.Since(began))
	})
}

func TestPollPanics(t *testing.T) {
	assert.PanicsWithValue(t, "discovery: Poll with a nil Lookup", func() { discovery.Poll(nil, exact) })
	w := discovery.Poll(func(context.Context, string) ([]discovery.Instance, error) { panic("lookup") }, exact)
	assert.PanicsWithValue(t, "lookup", func() { first(t.Context(), w, "orders") })
}

// A registry that can be asked once is a Watcher with Poll around it.
func ExamplePoll() {
	lookup := func(_ context.Context, service string) ([]discovery.Instance, error) {
		if service != "orders" {
			return nil, discovery.ErrUnknownService
		}
		return discovery.Addrs("10.0.0.8:8080", "10.0.0.7:8080"), nil
	}
	watcher := discovery.Poll(lookup, discovery.PollConfig{Interval: 5 * time.Second})

	for set, err := range watcher.Watch(context.Background(), "orders") {
		fmt.Println(set[0].Addr, set[1].Addr, err)
		break
	}
	for _, err := range watcher.Watch(context.Background(), "invoices") {
		fmt.Println(errors.Is(err, discovery.ErrUnknownService), err)
		break
	}
	// Output:
	// 10.0.0.7:8080 10.0.0.8:8080 <nil>
	// true discovery: lookup of "invoices": discovery: unknown service
}
