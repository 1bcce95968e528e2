package balancer_test

import (
	"fmt"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
)

// reporting returns two endpoints of a service, of which the first says that
// it has much to do. A transport takes reports out of responses.
func reporting(service *balancer.Service) balancer.Set {
	endpoints := []*balancer.Endpoint{
		service.NewEndpoint(discovery.Instance{Addr: "10.0.0.1:80"}),
		service.NewEndpoint(discovery.Instance{Addr: "10.0.0.2:80"}),
	}
	for i, e := range endpoints {
		e.Report(balancer.Report{
			Utilization: []float64{0.9, 0.3}[i], Rate: 100, InFlight: []float64{40, 4}[i], HasInFlight: true,
			Latency: []time.Duration{80, 10}[i] * time.Millisecond,
		})
	}
	return balancer.Set{Available: endpoints, All: endpoints}
}

// With probes, which a transport makes, the answers are there before the pick.
// Here they come with responses.
func ExamplePrequal() {
	picker := balancer.Prequal(balancer.PrequalConfig{})(reporting(new(balancer.Service)))
	e, _ := picker.Pick(balancer.PickInfo{})
	fmt.Println(e.Addr())
	// Output: 10.0.0.2:80
}

// C3 needs to have seen both: what it has not, it tries.
func ExampleC3() {
	var orders balancer.Service
	policy := balancer.C3(balancer.C3Config{Candidates: 2})
	set := reporting(&orders)
	policy(set) // begins to measure
	for _, e := range set.All {
		attempt, _ := e.Begin(balancer.PickInfo{})
		attempt.Observe(balancer.Success, 20*time.Millisecond)
		attempt.End()
		e.Report(*e.LastReport())
	}
	e, _ := policy(set).Pick(balancer.PickInfo{})
	fmt.Println(e.Addr())
	// Output: 10.0.0.2:80
}

// Both complete as many calls, one with a third of its capacity.
func ExampleWeightedByUtilization() {
	var orders balancer.Service
	policy := balancer.WeightedByUtilization(balancer.WeightedByUtilizationConfig{
		Blackout: -1, // reports count at once
	})
	set := reporting(&orders)
	policy(set) // begins to listen
	for _, e := range set.All {
		e.Report(*e.LastReport())
	}
	picker := policy(set)
	picks := make(map[string]int)
	for range 400 {
		e, _ := picker.Pick(balancer.PickInfo{})
		picks[e.Addr()]++
	}
	fmt.Println(picks["10.0.0.1:80"], picks["10.0.0.2:80"])
	// Output: 100 300
}
