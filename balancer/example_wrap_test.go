package balancer_test

import (
	"fmt"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
)

// setFor makes a set of instances, all available: what a transport does.
func setFor(instances ...discovery.Instance) balancer.Set {
	var (
		orders balancer.Service
		es     []*balancer.Endpoint
	)
	for _, in := range instances {
		es = append(es, orders.NewEndpoint(in))
	}
	return balancer.Set{Available: es, All: es}
}

// picksOf counts the picks of each address.
func picksOf(p balancer.Picker, n int) map[string]int {
	counts := make(map[string]int)
	for range n {
		if e, err := p.Pick(balancer.PickInfo{}); err == nil {
			counts[e.Addr()]++
		}
	}
	return counts
}

// Five of seven calls go to the large machine.
func ExampleWeightedRoundRobin() {
	set := setFor(
		discovery.Instance{Addr: "large:80", Weight: 5},
		discovery.Instance{Addr: "small-1:80", Weight: 1},
		discovery.Instance{Addr: "small-2:80", Weight: 1},
	)
	fmt.Println(picksOf(balancer.WeightedRoundRobin(set), 700))
	// Output: map[large:80:500 small-1:80:100 small-2:80:100]
}

// Calls are long and few: compare more than two endpoints, so that none waits
// while another is idle.
func ExampleLeastRequestOf() {
	set := setFor(discovery.Addrs("a:80", "b:80", "c:80", "d:80")...)
	for _, e := range set.Available[:3] {
		_, _ = e.Begin(balancer.PickInfo{})
	}
	policy := balancer.LeastRequestOf(balancer.LeastRequestConfig{Choices: -1}) // all of them
	fmt.Println(picksOf(policy(set), 100))
	// Output: map[d:80:100]
}

// Calls stay in the zone while it can bear them.
func ExampleZoneAware() {
	set := setFor(
		discovery.Instance{Addr: "north-1:80", Zone: "north"},
		discovery.Instance{Addr: "north-2:80", Zone: "north"},
		discovery.Instance{Addr: "north-3:80", Zone: "north"},
		discovery.Instance{Addr: "south-1:80", Zone: "south"},
		discovery.Instance{Addr: "south-2:80", Zone: "south"},
		discovery.Instance{Addr: "south-3:80", Zone: "south"},
	)
	policy := balancer.ZoneAware(balancer.ZoneConfig{Zone: "south"}, balancer.RoundRobin)
	fmt.Println(picksOf(policy(set), 30))
	// Output: map[south-1:80:10 south-2:80:10 south-3:80:10]
}

// The spare is called when less than 72 % of the others are available.
func ExamplePriorities() {
	set := setFor(
		discovery.Instance{Addr: "main-1:80"},
		discovery.Instance{Addr: "main-2:80"},
		discovery.Instance{Addr: "spare:80", Priority: 1},
	)
	policy := balancer.Priorities(balancer.PriorityConfig{}, balancer.RoundRobin)
	fmt.Println("all is well:", picksOf(policy(set), 100))
	set.Available = set.All[2:]
	fmt.Println("both are ejected:", picksOf(policy(set), 100))
	// Output:
	// all is well: map[main-1:80:50 main-2:80:50]
	// both are ejected: map[spare:80:100]
}

// Three of a thousand endpoints, the same at each start of this client.
func ExampleSubset() {
	var addrs []string
	for i := range 1000 {
		addrs = append(addrs, fmt.Sprintf("10.0.0.%03d:80", i))
	}
	policy := balancer.Subset(balancer.SubsetConfig{Size: 3, Client: "checkout-2"}, balancer.RoundRobin)
	fmt.Println(picksOf(policy(setFor(discovery.Addrs(addrs...)...)), 30))
	// Output: map[10.0.0.394:80:10 10.0.0.400:80:10 10.0.0.993:80:10]
}

// The first ten of a hundred clients have ten different endpoints each.
func ExampleRocksteadier() {
	var addrs []string
	for i := range 1000 {
		addrs = append(addrs, fmt.Sprintf("orders-%03d:80", i))
	}
	set := setFor(discovery.Addrs(addrs...)...)
	used := make(map[string]int)
	for index := range uint(10) {
		policy := balancer.Rocksteadier(balancer.RocksteadierConfig{Index: index, Size: 10}, balancer.RoundRobin)
		for addr := range picksOf(policy(set), 10) {
			used[addr]++
		}
	}
	fmt.Println(len(used), "endpoints in use")
	// Output: 100 endpoints in use
}

// An endpoint that joins later gets a part of its share at first.
func ExampleSlowStart() {
	now := time.Second
	orders := balancer.NewService(balancer.ServiceConfig{Now: func() time.Duration { return now }})
	var es []*balancer.Endpoint
	for _, in := range discovery.Addrs("a:80", "b:80") {
		es = append(es, orders.NewEndpoint(in))
	}
	policy := balancer.SlowStart(balancer.SlowStartConfig{Window: time.Minute, MinShare: -1}, balancer.RoundRobin)
	policy(balancer.Set{Available: es[:1], All: es[:1]})

	now += time.Hour
	picker := policy(balancer.Set{Available: es, All: es})
	fmt.Println("at once:", picksOf(picker, 100))
	now += time.Minute
	fmt.Println("a minute later:", picksOf(picker, 100))
	// Output:
	// at once: map[a:80:100]
	// a minute later: map[a:80:50 b:80:50]
}

// Nothing but the canary will do. With Prefer, the others would do if there
// were none.
func ExampleFilter() {
	set := setFor(
		discovery.Instance{Addr: "a:80", Metadata: map[string]string{"track": "stable"}},
		discovery.Instance{Addr: "b:80", Metadata: map[string]string{"track": "canary"}},
	)
	canary := balancer.Metadata(map[string]string{"track": "canary"})
	fmt.Println(picksOf(balancer.Filter(canary, balancer.RoundRobin)(set), 10))

	set.Available = set.All[:1]
	_, err := balancer.Filter(canary, balancer.RoundRobin)(set).Pick(balancer.PickInfo{})
	fmt.Println(err)
	fmt.Println(picksOf(balancer.Prefer(canary, balancer.RoundRobin)(set), 10))
	// Output:
	// map[b:80:10]
	// balancer: no endpoints: of 1 available, none matches the filter
	// map[a:80:10]
}

// A canary gets calls while it is available, and the others when it is not.
func ExamplePrefer() {
	set := setFor(
		discovery.Instance{Addr: "a:80", Metadata: map[string]string{"version": "1"}},
		discovery.Instance{Addr: "b:80", Metadata: map[string]string{"version": "2"}},
	)
	policy := balancer.Prefer(balancer.Metadata(map[string]string{"version": "2"}), balancer.LeastRequest)
	fmt.Println(picksOf(policy(set), 10))
	set.Available = set.All[:1]
	fmt.Println(picksOf(policy(set), 10))
	// Output:
	// map[b:80:10]
	// map[a:80:10]
}
