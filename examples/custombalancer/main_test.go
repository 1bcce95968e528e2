package main

import (
	"os"
	"testing"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/balancer/balancertest"
)

func Example() {
	_ = run(os.Stdout)
	// Output:
	// orders from eu-1a
	// orders from eu-1a
	// orders from eu-1a
	// orders from eu-1b
	// orders from eu-1b
	// orders from eu-1b
}

func TestConformance(t *testing.T) {
	balancertest.TestPolicy(t, inZone("eu-1a", balancer.RoundRobin), balancertest.EvenSpread())
}
