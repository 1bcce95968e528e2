package balancer_test

import (
	"fmt"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
)

// Calls of the same key meet at the same endpoint, whoever makes them. When one
// is not available its keys go elsewhere, and no others do.
func ExampleRingHash() {
	var orders balancer.Service
	all := []*balancer.Endpoint{
		orders.NewEndpoint(discovery.Instance{Addr: "10.0.0.1:80"}),
		orders.NewEndpoint(discovery.Instance{Addr: "10.0.0.2:80"}),
		orders.NewEndpoint(discovery.Instance{Addr: "10.0.0.3:80"}),
	}
	policy := balancer.RingHash(balancer.RingHashConfig{})
	well := policy(balancer.Set{Available: all, All: all})
	ill := policy(balancer.Set{Available: all[1:], All: all})
	for _, user := range []string{"alice", "bob", "carol", "dave"} {
		info := balancer.PickInfo{Key: user}
		home, _ := well.Pick(info)
		now, _ := ill.Pick(info)
		fmt.Println(user, home.Addr(), now.Addr())
	}
	// Output:
	// alice 10.0.0.2:80 10.0.0.2:80
	// bob 10.0.0.3:80 10.0.0.3:80
	// carol 10.0.0.1:80 10.0.0.2:80
	// dave 10.0.0.1:80 10.0.0.3:80
}

// A bound keeps a key that everybody wants from being too much for its
// endpoint: of a hundred calls in flight here, that has half as many again as
// its share of 25 at most.
func ExampleMaglev() {
	var orders balancer.Service
	all := []*balancer.Endpoint{
		orders.NewEndpoint(discovery.Instance{Addr: "10.0.0.1:80"}),
		orders.NewEndpoint(discovery.Instance{Addr: "10.0.0.2:80"}),
		orders.NewEndpoint(discovery.Instance{Addr: "10.0.0.3:80"}),
		orders.NewEndpoint(discovery.Instance{Addr: "10.0.0.4:80"}),
	}
	picker := balancer.Maglev(balancer.MaglevConfig{Bound: 1.5})(balancer.Set{Available: all, All: all})
	info := balancer.PickInfo{Key: "celebrity"}
	for range 100 {
		e, _ := picker.Pick(info)
		e.Begin(info)
	}
	for _, e := range all {
		fmt.Println(e.Addr(), e.InFlight())
	}
	// Output:
	// 10.0.0.1:80 38
	// 10.0.0.2:80 38
	// 10.0.0.3:80 0
	// 10.0.0.4:80 24
}

// A retry goes where the key would go without the endpoint that has been tried.
func ExampleRendezvous() {
	var orders balancer.Service
	all := []*balancer.Endpoint{
		orders.NewEndpoint(discovery.Instance{Addr: "10.0.0.1:80"}),
		orders.NewEndpoint(discovery.Instance{Addr: "10.0.0.2:80"}),
		orders.NewEndpoint(discovery.Instance{Addr: "10.0.0.3:80"}),
	}
	policy := balancer.Rendezvous(balancer.RendezvousConfig{})
	picker := policy(balancer.Set{Available: all, All: all})
	first, _ := picker.Pick(balancer.PickInfo{Key: "alice"})
	retry, _ := picker.Pick(balancer.PickInfo{Key: "alice", Tried: []*balancer.Endpoint{first}})
	fmt.Println("first:", first.Addr())
	fmt.Println("retry:", retry.Addr())
	// Output:
	// first: 10.0.0.3:80
	// retry: 10.0.0.2:80
}
