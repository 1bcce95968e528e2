package balancertest

import (
	"testing"

	"github.com/namesake-go/namesake/balancer"
)

// An Option tells [TestPolicy] what more, or less, a policy promises.
type Option struct{ apply func(*promises) }

type promises struct{ evenSpread, selective bool }

// EvenSpread says that endpoints which are alike and equally loaded get equal
// shares of the calls, and of the retries among those not tried.
func EvenSpread() Option { return Option{func(p *promises) { p.evenSpread = true }} }

// Selective says that the policy leaves endpoints out by design, though they
// are alike, as a subset or an affinity does. Without it each endpoint must
// get calls.
func Selective() Option { return Option{func(p *promises) { p.selective = true }} }

// TestPolicy runs the conformance checks as subtests of t. It calls the policy
// many times, each time for a service of its own. The endpoints are told apart
// by their addresses and alike otherwise, unless a check says so.
func TestPolicy(t *testing.T, policy balancer.Policy, opts ...Option) {
	t.Helper()
	var p promises
	for _, o := range opts {
		o.apply(&p)
	}
	for _, c := range checks {
		if c.applies == nil || c.applies(p) {
			t.Run(c.name, func(t *testing.T) { c.run(t, policy) })
		}
	}
}

// A reporter is the part of testing.TB that the checks need.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

type check struct {
	name    string
	applies func(promises) bool // nil: always
	run     func(t reporter, policy balancer.Policy)
}

var checks = []check{
	{name: "Available", run: available},
	{name: "OneEndpoint", run: oneEndpoint},
	{name: "Tried", run: tried},
	{name: "AllTried", run: allTried},
	{name: "SetUntouched", run: setUntouched},
	{name: "Weights", run: weights},
	{name: "SetInstance", run: setInstance},
	{name: "Retired", run: retired},
	{name: "Rebuild", run: rebuild},
	{name: "Concurrent", run: concurrent},
	{name: "EveryTurn", run: everyTurn, applies: func(p promises) bool { return !p.selective }},
	{name: "EvenSpread", run: evenSpread, applies: func(p promises) bool { return p.evenSpread }},
}
