package balancertest_test

import (
	"testing"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/balancer/balancertest"
)

// In a test of your own package, hand your policy over and say what it
// promises beyond the contract.
func ExampleTestPolicy() {
	test := func(t *testing.T) { // func TestPolicy(t *testing.T) in a file of tests
		balancertest.TestPolicy(t, balancer.LeastRequest, balancertest.EvenSpread())
	}
	example = test
	// Output:
}

var example func(t *testing.T)

// The example holds.
func TestExample(t *testing.T) {
	ExampleTestPolicy()
	example(t)
}
