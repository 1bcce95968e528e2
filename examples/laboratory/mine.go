package main

import (
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/balancer/laboratory"
)

// candidates are the policies to compare. Add yours here.
func candidates() []laboratory.Candidate {
	return append(laboratory.Candidates(),
		laboratory.Candidate{Name: "leastOfThree", Policy: leastOfThree},
	)
}

// scenarios are what they are compared in. Add yours here: your fleet as it is
// on a bad day.
func scenarios() []laboratory.Scenario {
	return append(laboratory.Scenarios(),
		laboratory.Scenario{
			Name: "brown-out", About: "four callers of ten copies, one of which becomes five times slower",
			Clients: 4, Load: 0.6,
			Servers: []laboratory.Servers{
				{Count: 9},
				{Count: 1, Bad: true, Course: laboratory.Between(15*time.Second, 0, laboratory.State{Speed: 0.2})},
			},
			Measured: 24 * time.Second,
		},
	)
}

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

// ramp is the fleet whose latency the page shows over load: copies that share
// their machines with others. The loads are those of the Prequal paper.
func ramp() []laboratory.Scenario {
	fleet := laboratory.Scenario{
		Name: "ramp", About: "copies share their machines with antagonists",
		Clients: 30, Servers: []laboratory.Servers{{Count: 30, Course: laboratory.Antagonists(3 * time.Second)}},
	}
	var loads []float64
	for load := 0.75; load < 1.8; load *= 10. / 9 {
		loads = append(loads, load)
	}
	return fleet.AtLoads(loads...)
}
