package laboratory_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/balancer/laboratory"
)

// leastOfThree picks the endpoint with the fewest calls in flight of three that
// are drawn at random.
func leastOfThree(set balancer.Set) balancer.Picker {
	draw := balancer.Random(set)
	return balancer.PickerFunc(func(info balancer.PickInfo) (*balancer.Endpoint, error) {
		best, err := draw.Pick(info)
		for range 2 {
			if e, _ := draw.Pick(info); err == nil && e.InFlight() < best.InFlight() {
				best = e
			}
		}
		return best, err
	})
}

// A policy and a scenario of one's own: four callers of ten copies, one of
// which becomes slow after five seconds.
func Example() {
	scenario := laboratory.Scenario{
		Name:    "brown-out",
		About:   "one copy of ten becomes five times slower",
		Clients: 4,
		Servers: []laboratory.Servers{
			{Count: 9},
			{Count: 1, Bad: true, Course: laboratory.Between(5*time.Second, 0, laboratory.State{Speed: 0.2})},
		},
		Load:   0.6,
		Warmup: 5 * time.Second, Measured: 20 * time.Second,
	}
	candidates := []laboratory.Candidate{
		{Name: "RoundRobin", Policy: balancer.RoundRobin},
		{Name: "leastOfThree", Policy: leastOfThree},
	}
	results, err := laboratory.Run(context.Background(), []laboratory.Scenario{scenario}, candidates, laboratory.Options{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		fmt.Printf("%-12s %4.1f %% of the calls on the slow copy, %.1f %% failed\n", r.Candidate, 100*r.BadShare, 100*r.Failed)
	}
	fmt.Println("p99 at least halved:", results[1].P99 < results[0].P99/2)
	// Output:
	// RoundRobin   10.0 % of the calls on the slow copy, 8.0 % failed
	// leastOfThree  3.3 % of the calls on the slow copy, 0.0 % failed
	// p99 at least halved: true
}
