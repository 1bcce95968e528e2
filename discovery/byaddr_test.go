package discovery_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/discoverytest"
	"github.com/stretchr/testify/assert"
)

func TestByAddrConforms(t *testing.T) {
	discoverytest.TestWatcher(t, discoverytest.Harness{
		Run: synctest.Test,
		Strip: func(in discovery.Instance) discovery.Instance {
			in.ID = ""
			return in
		},
		New: func(testing.TB) discoverytest.Subject {
			m := new(discovery.Memory)
			var asked atomic.Int32
			return discoverytest.Subject{
				Watcher: discovery.ByAddr(counted(m, &asked)),
				Set:     m.Set,
				Fail:    outage(m),
				Asked:   func() int { return int(asked.Load()) },
			}
		},
	})
}

func TestByAddr(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(discovery.Memory)
		m.Set("orders",
			discovery.Instance{ID: "3", Addr: "10.0.0.7:80", Zone: "not this one"},
			discovery.Instance{ID: "2", Addr: "[::ffff:10.0.0.7]:080", Zone: "z"},
			discovery.Instance{ID: "1", Addr: "[2001:DB8:0::7]:80"},
			discovery.Instance{Addr: "B.example:80"},
		)
		w := start(t, discovery.ByAddr(m), "orders")
		w.says("[10.0.0.7:80 [2001:db8::7]:80 b.example:80]")
		m.Set("orders", discovery.Instance{ID: "x", Addr: "10.0.0.7:80", Zone: "z"})
		w.says("[10.0.0.7:80]")
		m.Set("orders", discovery.Instance{ID: "y", Addr: "10.0.0.7:80", Zone: "z"})
		w.says() // the same by another ID
		m.Fail(errOutage)
		w.says("error: outage made by a test")
		m.Fail(nil)
		w.says("[10.0.0.7:80]")
	})
	m := new(discovery.Memory)
	m.Set("orders", discovery.Instance{ID: "2", Addr: "10.0.0.7:80", Zone: "z"}, discovery.Instance{ID: "3", Addr: "10.0.0.7:80"})
	for set, err := range discovery.ByAddr(m).Watch(t.Context(), "orders") {
		assert.NoError(t, err)
		assert.Equal(t, []discovery.Instance{{Addr: "10.0.0.7:80", Zone: "z"}}, set)
		break
	}
	assert.PanicsWithValue(t, "discovery: ByAddr of a nil Watcher", func() { discovery.ByAddr(nil) })
}

// While a fleet moves from one registry to another, its copies are in both.
func ExampleByAddr() {
	old := discovery.Static{"orders": {{ID: "orders:8080", Addr: "10.0.0.7:8080"}, {ID: "orders:8081", Addr: "10.0.0.8:8080"}}}
	next := discovery.Static{"orders": {{ID: "5f0c", Addr: "10.0.0.7:8080"}}}
	both := discovery.Merge(discovery.ByAddr(next), discovery.ByAddr(old))
	for set, err := range both.Watch(context.Background(), "orders") {
		if err == nil && len(set) == 2 { // one registry may answer first
			fmt.Println(set[0].Addr, set[1].Addr)
			break
		}
	}
	// Output: 10.0.0.7:8080 10.0.0.8:8080
}
