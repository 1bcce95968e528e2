package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/discoverytest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSnapshotConforms(t *testing.T) {
	discoverytest.TestWatcher(t, discoverytest.Harness{
		Run: synctest.Test,
		New: func(t testing.TB) discoverytest.Subject {
			m := new(discovery.Memory)
			var asked atomic.Int32
			return discoverytest.Subject{
				Watcher: discovery.Snapshot(counted(m, &asked), t.TempDir(), discovery.SnapshotConfig{}),
				Set:     m.Set,
				Fail:    outage(m),
				Asked:   func() int { return int(asked.Load()) },
			}
		},
	})
}

// A process is one that keeps snapshots in a folder, which outlives it.
type process struct {
	*watch
	registry *discovery.Memory
}

// begin starts a process whose registry is down if err is not nil.
func begin(t *testing.T, folder string, cfg discovery.SnapshotConfig, err error) process {
	t.Helper()
	m := new(discovery.Memory)
	m.Fail(err)
	return process{start(t, discovery.Snapshot(m, folder, cfg), "orders"), m}
}

// saveOrders leaves these copies in a folder.
func saveOrders(t *testing.T, folder string, ids ...string) {
	t.Helper()
	m := new(discovery.Memory)
	m.Set("orders", named(ids...)...)
	w := start(t, discovery.Snapshot(m, folder, discovery.SnapshotConfig{}), "orders")
	w.says(fmt.Sprint(ids))
	w.stop()
}

var errDown = errors.New("no route")

func TestSnapshotServesWhileTheRegistryIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := filepath.Join(t.TempDir(), "made", "when needed")
		p := begin(t, folder, discovery.SnapshotConfig{}, errDown)
		p.says("error: no route") // nothing has been saved yet
		p.registry.Fail(nil)
		p.says("[]")
		p.registry.Set("orders", named("a", "b")...)
		p.says("[a b]")
		p.stop()

		time.Sleep(3 * time.Minute)
		p = begin(t, folder, discovery.SnapshotConfig{}, errDown)
		p.says("[a b]", `error: discovery: the set of "orders" is one saved 3m0s ago: no route`)
		p.registry.Fail(errors.New("still no route"))
		p.says("error: still no route")
		p.registry.Set("orders", named("a", "b")...)
		p.registry.Fail(nil)
		p.says("[a b]") // this time it is the registry's word
		p.registry.Set("orders", named("b", "c")...)
		p.says("[b c]")
		p.stop()
		begin(t, folder, discovery.SnapshotConfig{}, errDown).
			says("[b c]", `error: discovery: the set of "orders" is one saved 0s ago: no route`)
	})
}

// All facts come back.
func TestSnapshotKeepsAllFacts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		want := []discovery.Instance{{
			ID: "a", Addr: "[2001:db8::7]:80", Scheme: "https", Zone: "z", Weight: 2, Priority: 3,
			Metadata: map[string]string{"version": "ü"},
		}}
		m := new(discovery.Memory)
		m.Set("orders", want...)
		assert.Equal(t, "[a]", first(t.Context(), discovery.Snapshot(m, folder, discovery.SnapshotConfig{}), "orders"))
		m.Fail(errDown)
		for set, err := range discovery.Snapshot(m, folder, discovery.SnapshotConfig{}).Watch(t.Context(), "orders") {
			assert.NoError(t, err)
			assert.Equal(t, want, set)
			break
		}
	})
}

// The registry's word counts, if it comes in time.
func TestSnapshotWaitsForTheRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		saveOrders(t, folder, "a")
		answering := func(after time.Duration) discovery.Watcher {
			return discovery.Poll(func(context.Context, string) ([]discovery.Instance, error) {
				time.Sleep(after)
				return named("b"), nil
			}, discovery.PollConfig{Interval: time.Hour})
		}
		w := start(t, discovery.Snapshot(answering(time.Second-1), folder, discovery.SnapshotConfig{}), "orders")
		time.Sleep(time.Second)
		w.says("[b]")
		w.stop()

		w = start(t, discovery.Snapshot(answering(2*time.Second), folder, discovery.SnapshotConfig{}), "orders")
		time.Sleep(time.Second - 1)
		w.says()
		time.Sleep(time.Nanosecond)
		w.says("[b]", `error: discovery: the set of "orders" is one saved 1s ago: the registry has not answered yet`)
		time.Sleep(time.Second)
		w.says("[b]")
		w.stop()

		w = start(t, discovery.Snapshot(answering(time.Nanosecond), folder, discovery.SnapshotConfig{Patience: -1}), "orders")
		assert.Contains(t, w.heard()[0], "[b]")
	})
}

// Nothing has been saved, and nothing is said of it.
func TestSnapshotOfASilentRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		w := start(t, discovery.Snapshot(silent(&ended), t.TempDir(), discovery.SnapshotConfig{}), "orders")
		time.Sleep(time.Hour)
		w.says()
		w.stop()
		assert.True(t, ended)
	})
}

func TestSnapshotOfAnUnknownService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		saveOrders(t, folder, "a")
		w := start(t, discovery.Snapshot(discovery.Static{}, folder, discovery.SnapshotConfig{}), "orders")
		w.says("[a]", `error: discovery: the set of "orders" is one saved 0s ago: discovery: unknown service: "orders"`)
		start(t, discovery.Snapshot(discovery.Static{}, folder, discovery.SnapshotConfig{}), "payments").
			says(`error: discovery: unknown service: "payments"`)
	})
}

// An age is that of the registry's last word, not that of the last change.
func TestSnapshotAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		p := begin(t, folder, discovery.SnapshotConfig{}, nil)
		p.says("[]")
		p.registry.Set("orders", named("a")...)
		p.says("[a]")
		time.Sleep(100*time.Hour + time.Minute)
		p.registry.Fail(errDown)
		p.says("error: no route")
		time.Sleep(23 * time.Hour)
		p.stop()
		p = begin(t, folder, discovery.SnapshotConfig{}, errDown)
		p.says("[a]", `error: discovery: the set of "orders" is one saved 23h1m0s ago: no route`)
		time.Sleep(time.Hour) // it stands for as long as it takes
		p.says()
		p.stop()
		path := filepath.Join(folder, "orders.snapshot")
		begin(t, folder, discovery.SnapshotConfig{}, errDown).says(
			`error: discovery: the saved set of "orders" is not used: ` + path + `: saved 24h1m0s ago, more than 24h0m0s` + "\nno route")
		begin(t, folder, discovery.SnapshotConfig{MaxAge: -1}, errDown).says(
			"[a]", `error: discovery: the set of "orders" is one saved 24h1m0s ago: no route`)
	})
}

// One bad registration does not make a registry a bad one.
func TestSnapshotAgeOfPartOfASet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		p := begin(t, folder, discovery.SnapshotConfig{}, nil)
		p.says("[]")
		p.registry.Set("orders", append(named("a"), discovery.Instance{ID: "bad"})...)
		p.says("[a]", `error: discovery: instance "bad": address "" is not host:port`)
		time.Sleep(100 * time.Hour)
		p.stop()
		begin(t, folder, discovery.SnapshotConfig{}, errDown).
			says("[a]", `error: discovery: the set of "orders" is one saved 0s ago: no route`)
	})
}

// An empty set is yielded at once, and saved when it has stood for a minute.
func TestSnapshotOfAnEmptySet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		saveOrders(t, folder, "a")
		p := begin(t, folder, discovery.SnapshotConfig{}, nil)
		p.says("[]")
		time.Sleep(time.Minute - time.Nanosecond)
		p.stop()
		p = begin(t, folder, discovery.SnapshotConfig{}, errDown)
		p.says("[a]", `error: discovery: the set of "orders" is one saved 1m0s ago: no route`)
		p.registry.Fail(nil)
		p.says("[]")
		time.Sleep(time.Minute)
		p.stop()
		begin(t, folder, discovery.SnapshotConfig{}, errDown).says("error: no route")
	})
}

func TestSnapshotWritesAreRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		path := filepath.Join(folder, "orders.snapshot")
		content := func() string {
			synctest.Wait()
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			return string(text)
		}
		p := begin(t, folder, discovery.SnapshotConfig{}, nil)
		p.says("[]")
		p.registry.Set("orders", named("a0")...)
		assert.Contains(t, content(), `"a0"`)
		for i := range 100 { // changes within 10 s
			p.registry.Set("orders", named(fmt.Sprintf("a%d", i+1))...)
			if i < 99 {
				time.Sleep(100 * time.Millisecond)
			}
		}
		assert.Contains(t, content(), `"a0"`)
		time.Sleep(100 * time.Millisecond)
		assert.Contains(t, content(), `"a100"`)
		p.registry.Set("orders", named("last")...)
		assert.Contains(t, content(), `"a100"`)
		p.stop()
		assert.Contains(t, content(), `"last"`, "the end of a watch does not wait")
		left, err := os.ReadDir(folder)
		require.NoError(t, err)
		assert.Len(t, left, 1)
	})
}

func TestSnapshotOfNil(t *testing.T) {
	assert.PanicsWithValue(t, "discovery: Snapshot of a nil Watcher", func() {
		discovery.Snapshot(nil, "", discovery.SnapshotConfig{})
	})
}

// A process starts while the registry is down.
func ExampleSnapshot() {
	folder, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()

	registry := new(discovery.Memory) // or a client of a real one
	registry.Set("orders", discovery.Addrs("10.0.0.7:8080")...)
	watcher := discovery.Snapshot(registry, folder, discovery.SnapshotConfig{})
	for set, err := range watcher.Watch(context.Background(), "orders") {
		if err == nil {
			fmt.Println("from the registry:", set[0].Addr)
		}
		break
	}

	registry.Fail(errors.New("registry: connection refused"))
	watcher = discovery.Snapshot(registry, folder, discovery.SnapshotConfig{}) // in the next process
	for set, err := range watcher.Watch(context.Background(), "orders") {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println("from the folder:", set[0].Addr)
	}
	// Output:
	// from the registry: 10.0.0.7:8080
	// from the folder: 10.0.0.7:8080
	// discovery: the set of "orders" is one saved 0s ago: registry: connection refused
}
