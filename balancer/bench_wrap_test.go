package balancer_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
)

// heavy is a set whose weights make a long period: one endpoint has a hundred
// times the weight of the others, which differ.
func heavy(n int) balancer.Set {
	es := mixed(new(balancer.Service), n)
	for i, e := range es {
		in := e.Instance()
		in.Weight = uint32(7000 + i)
		if i == n/2 {
			in.Weight *= 100
		}
		e.SetInstance(in)
	}
	return setOf(es)
}

// groups is a set in which wrappers have something to do: the endpoints of one
// zone at the first priority are ejected, and one in a hundred is new.
func groups(n int) balancer.Set {
	v := newVirtual(1)
	var set balancer.Set
	for _, e := range mixed(v.Service, n) {
		set.All = append(set.All, e)
		if in := e.Instance(); in.Zone != "zone-1" || in.Priority != 0 {
			set.Available = append(set.Available, e)
		}
	}
	slow := balancer.SlowStart(balancer.SlowStartConfig{}, balancer.Random)
	slow(setOf(set.Available[1+n/100:]))
	v.now += 10 * time.Second
	return set
}

func BenchmarkPickLongPeriod(b *testing.B) {
	for _, n := range []int{3, 10, 100, 1000, 10000} {
		b.Run(fmt.Sprintf("WeightedRoundRobin/%d", n), func(b *testing.B) { benchmarkPick(b, balancer.WeightedRoundRobin(heavy(n))) })
	}
}

func BenchmarkPickWrapped(b *testing.B) {
	for _, w := range wrappers {
		for _, n := range []int{10, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", w.name, n), func(b *testing.B) { benchmarkPick(b, w.policy(groups(n))) })
		}
	}
}

func benchmarkPick(b *testing.B, p balancer.Picker) {
	b.ReportAllocs()
	for b.Loop() {
		cycle(p, balancer.PickInfo{})
	}
}

// BenchmarkUpdateWrapped measures what it costs when one endpoint of a set is
// replaced by another, for wrappers and for what they are to be compared with.
func BenchmarkUpdateWrapped(b *testing.B) {
	for _, w := range append(wrappers, policies...) {
		for _, n := range []int{10, 100, 1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", w.name, n), func(b *testing.B) {
				set := groups(n)
				last := len(set.Available) - 1
				service := set.All[0].Service()
				w.policy(set)
				b.ReportAllocs()
				for b.Loop() {
					in := set.All[n-1].Instance()
					set.All[n-1] = service.NewEndpoint(discovery.Instance{ID: "z", Addr: "10.1.1.1:80", Zone: in.Zone, Priority: in.Priority, Weight: in.Weight})
					set.Available[last] = set.All[n-1]
					w.policy(set)
				}
			})
		}
	}
}
