package balancer_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/balancer/balancertest"
	"github.com/namesake-go/namesake/discovery"
)

// preferZone stays in a zone for as long as it has an endpoint to offer. It is
// made of two pickers of another policy, and leaves the rest to them.
func preferZone(zone string, policy balancer.Policy) balancer.Policy {
	return func(set balancer.Set) balancer.Picker {
		elsewhere := func(e *balancer.Endpoint) bool { return e.Instance().Zone != zone }
		near := slices.DeleteFunc(slices.Clone(set.Available), elsewhere)
		if len(near) == 0 {
			return policy(set)
		}
		inside, anywhere := policy(balancer.Set{Available: near, All: set.All}), policy(set)
		return balancer.PickerFunc(func(info balancer.PickInfo) (*balancer.Endpoint, error) {
			e, err := inside.Pick(info)
			if err == nil && !slices.Contains(info.Tried, e) {
				return e, nil
			}
			return anywhere.Pick(info)
		})
	}
}

// The conformance suite says whether a policy keeps its promises.
func TestPreferZone(t *testing.T) {
	balancertest.TestPolicy(t, preferZone("zone-1", balancer.LeastRequest), balancertest.EvenSpread())
}

// A policy of your own is a function. This one stays in a zone while it can,
// and is written above in fifteen lines.
func ExamplePolicy() {
	var orders balancer.Service
	set := []*balancer.Endpoint{
		orders.NewEndpoint(discovery.Instance{Addr: "10.0.1.1:80", Zone: "north"}),
		orders.NewEndpoint(discovery.Instance{Addr: "10.0.2.1:80", Zone: "south"}),
	}
	picker := preferZone("south", balancer.LeastRequest)(balancer.Set{Available: set, All: set})

	first, _ := picker.Pick(balancer.PickInfo{})
	retry, _ := picker.Pick(balancer.PickInfo{Tried: []*balancer.Endpoint{first}})
	fmt.Println("first:", first.Addr())
	fmt.Println("retry:", retry.Addr())
	// Output:
	// first: 10.0.2.1:80
	// retry: 10.0.1.1:80
}

// picks is a place on each endpoint.
var picks = balancer.NewKey[atomic.Int64]()

// counted counts the picks of another policy.
func counted(policy balancer.Policy) balancer.Policy {
	return func(set balancer.Set) balancer.Picker {
		next := policy(set)
		return balancer.PickerFunc(func(info balancer.PickInfo) (*balancer.Endpoint, error) {
			e, err := next.Pick(info)
			if err == nil {
				picks.Of(e).Add(1)
			}
			return e, err
		})
	}
}

// What a policy keeps with a Key outlives its pickers: the counts go on when a
// third endpoint has joined.
func ExampleKey() {
	var orders balancer.Service
	all := []*balancer.Endpoint{
		orders.NewEndpoint(discovery.Instance{Addr: "10.0.0.1:80"}),
		orders.NewEndpoint(discovery.Instance{Addr: "10.0.0.2:80"}),
		orders.NewEndpoint(discovery.Instance{Addr: "10.0.0.3:80"}),
	}
	policy := counted(balancer.RoundRobin)
	for _, set := range [][]*balancer.Endpoint{all[:2], all} {
		picker := policy(balancer.Set{Available: set, All: set})
		for range 12 {
			_, _ = picker.Pick(balancer.PickInfo{})
		}
	}
	for _, e := range all {
		fmt.Println(e.Addr(), picks.Of(e).Load())
	}
	// Output:
	// 10.0.0.1:80 10
	// 10.0.0.2:80 10
	// 10.0.0.3:80 4
}

// The life of an attempt, as whoever makes it has to go through it.
func ExamplePicker() {
	var orders balancer.Service
	set := []*balancer.Endpoint{orders.NewEndpoint(discovery.Instance{Addr: "10.0.0.1:80"})}
	picker := balancer.PeakEWMA(balancer.Set{Available: set, All: set})

	info := balancer.PickInfo{Now: orders.Now()}
	e, err := picker.Pick(info)
	if err != nil {
		return
	}
	attempt, ok := e.Begin(info)
	if !ok { // retired since: pick again, from the new set
		return
	}
	fmt.Println(e.Addr(), "in flight:", e.InFlight())
	attempt.Observe(balancer.Success, 250*time.Millisecond) // when the response's header is there
	attempt.End()                                           // when its body has been read
	fmt.Println(e.Addr(), "in flight:", e.InFlight())
	// Output:
	// 10.0.0.1:80 in flight: 1
	// 10.0.0.1:80 in flight: 0
}

// A retired endpoint takes no new calls, and says when the last one is over.
func ExampleEndpoint_Retire() {
	var orders balancer.Service
	e := orders.NewEndpoint(discovery.Instance{Addr: "10.0.0.1:80"})
	attempt, _ := e.Begin(balancer.PickInfo{})
	e.Retire(func() { fmt.Println("idle: close its connections") })
	_, ok := e.Begin(balancer.PickInfo{})
	fmt.Println("takes another call:", ok)
	attempt.End()
	// Output:
	// takes another call: false
	// idle: close its connections
}
