package balancertest_test

import (
	"testing"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/balancer/balancertest"
)

var t *testing.T // the parameter of your test

// In a test of your own package, hand your policy over and say what it
// promises beyond the contract.
func ExampleTestPolicy() {
	balancertest.TestPolicy(t, balancer.LeastRequest, balancertest.EvenSpread())
}
