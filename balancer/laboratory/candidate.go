package laboratory

import "github.com/namesake-go/namesake/balancer"

// A Candidate is a policy to try out, and what it may ask of servers.
type Candidate struct {
	// Name tells it from the others, in tables.
	Name string

	// Policy is the policy itself.
	Policy balancer.Policy

	// Classes has it know the class of each call.
	Classes bool

	// Reports has servers report their load with each response.
	Reports bool

	// Probes has servers answer probes.
	Probes bool
}

// Candidates returns the policies of package balancer.
func Candidates() []Candidate {
	return []Candidate{
		{Name: "Random", Policy: balancer.Random},
		{Name: "RoundRobin", Policy: balancer.RoundRobin},
		{Name: "WeightedByUtilization", Policy: balancer.WeightedByUtilization(balancer.WeightedByUtilizationConfig{}), Reports: true},
		{Name: "LeastRequest", Policy: balancer.LeastRequest},
		{Name: "PeakEWMA", Policy: balancer.PeakEWMA},
		{Name: "C3", Policy: balancer.C3(balancer.C3Config{}), Reports: true},
		{Name: "Prequal", Policy: balancer.Prequal(balancer.PrequalConfig{}), Probes: true},
		{Name: "ShortestExpectedDelay", Policy: balancer.ShortestExpectedDelay},
		{Name: "ShortestExpectedDelay+classes", Policy: balancer.ShortestExpectedDelay, Classes: true},
	}
}
