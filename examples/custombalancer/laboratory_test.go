package main

import (
	"testing"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/balancer/laboratory"
)

// The README's policy runs in the laboratory as it is. Its servers are in no
// zone, so all calls go to another.
func TestInTheLaboratory(t *testing.T) {
	scenario := laboratory.Scenario{
		Name: "equal", Clients: 5, Servers: []laboratory.Servers{{Count: 5}}, Load: 0.5,
		Warmup: time.Second, Measured: 5 * time.Second,
	}
	results, err := laboratory.Run(t.Context(), []laboratory.Scenario{scenario}, []laboratory.Candidate{
		{Name: "inZone", Policy: inZone("eu-1a", balancer.ShortestExpectedDelay)},
		{Name: "without", Policy: balancer.ShortestExpectedDelay},
	}, laboratory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Failed > 0 || r.Calls < 100 {
			t.Errorf("%s: %d calls, %.1f %% failed", r.Candidate, r.Calls, 100*r.Failed)
		}
	}
	if results[0].P99 != results[1].P99 {
		t.Errorf("p99 %v, without the wrapper %v", results[0].P99, results[1].P99)
	}
}
