package balancer_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
)

var policies = []struct {
	name   string
	policy balancer.Policy
}{
	{"RoundRobin", balancer.RoundRobin},
	{"Random", balancer.Random},
	{"LeastRequest", balancer.LeastRequest},
	{"PeakEWMA", balancer.PeakEWMA},
	{"ShortestExpectedDelay", balancer.ShortestExpectedDelay},
	{"Prequal", balancer.Prequal(balancer.PrequalConfig{})},
	{"C3", balancer.C3(balancer.C3Config{})},
	{"WeightedByUtilization", balancer.WeightedByUtilization(balancer.WeightedByUtilizationConfig{})},
}

func endpoints(n int) []*balancer.Endpoint {
	service := new(balancer.Service)
	es := make([]*balancer.Endpoint, n)
	for i := range es {
		es[i] = service.NewEndpoint(discovery.Instance{Addr: addr(i)})
	}
	return es
}

func addr(i int) string { return fmt.Sprintf("10.0.%d.%d:80", i/250, i%250) }

func setOf(es []*balancer.Endpoint) balancer.Set { return balancer.Set{Available: es, All: es} }

// cycle is all that an attempt costs here: the choice and its bookkeeping.
func cycle(picker balancer.Picker, info balancer.PickInfo) bool {
	e, err := picker.Pick(info)
	if err != nil {
		return false
	}
	a, ok := e.Begin(info)
	a.Observe(balancer.Success, 2*time.Millisecond)
	a.End()
	return ok
}

// BenchmarkPick measures the cycle of an attempt, serial and with all
// processors, next to what the cheapest shared state costs in the same run.
func BenchmarkPick(b *testing.B) {
	var counter atomic.Uint64
	b.Run("floor/AtomicAdd", func(b *testing.B) {
		for b.Loop() {
			counter.Add(1)
		}
	})
	b.Run("floor/AtomicAdd/parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				counter.Add(1)
			}
		})
	})
	e := endpoints(1)[0]
	b.Run("floor/Bookkeeping", func(b *testing.B) {
		for b.Loop() {
			a, _ := e.Begin(balancer.PickInfo{})
			a.Observe(balancer.Success, 2*time.Millisecond)
			a.End()
		}
	})
	for _, p := range policies {
		for _, n := range []int{3, 10, 64, 100, 1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", p.name, n), func(b *testing.B) {
				picker := p.policy(setOf(endpoints(n)))
				b.ReportAllocs()
				for b.Loop() {
					cycle(picker, balancer.PickInfo{})
				}
			})
			b.Run(fmt.Sprintf("%s/%d/parallel", p.name, n), func(b *testing.B) {
				picker := p.policy(setOf(endpoints(n)))
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						cycle(picker, balancer.PickInfo{})
					}
				})
			})
		}
	}
}

// BenchmarkBuild measures what a change of the set costs.
func BenchmarkBuild(b *testing.B) {
	set := setOf(endpoints(1000))
	for _, p := range policies {
		b.Run(p.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.policy(set)
			}
		})
	}
}

func TestPickAllocatesNothing(t *testing.T) {
	for _, p := range policies {
		t.Run(p.name, func(t *testing.T) {
			es := endpoints(10)
			picker := p.policy(setOf(es))
			for _, tried := range [][]*balancer.Endpoint{nil, es[:1], es[:9], es} {
				info := balancer.PickInfo{Tried: tried}
				require.True(t, cycle(picker, info))
				require.Zero(t, testing.AllocsPerRun(100, func() { cycle(picker, info) }), "%d tried", len(tried))
			}
		})
	}
}
