package balancer_test

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
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
	{"RingHash", balancer.RingHash(balancer.RingHashConfig{})}, // without a key, as the next two
	{"Maglev", balancer.Maglev(balancer.MaglevConfig{})},
	{"Rendezvous", balancer.Rendezvous(balancer.RendezvousConfig{})},
	{"WeightedRoundRobin", balancer.WeightedRoundRobin},
	{"LeastRequestOf4", balancer.LeastRequestOf(balancer.LeastRequestConfig{Choices: 4})},
	{"LeastRequestOfAll", balancer.LeastRequestOf(balancer.LeastRequestConfig{Choices: -1})},
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
// Whoever makes the attempt reads the clock before and after it in any case, to
// measure it, and passes on what it says.
func cycle(picker balancer.Picker, info balancer.PickInfo) bool {
	e, err := picker.Pick(info)
	if err != nil {
		return false
	}
	a, ok := e.Begin(info)
	if !ok {
		return false
	}
	a.Observe(balancer.Success, 2*time.Millisecond)
	a.End()
	return true
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
			a, _ := e.Begin(balancer.PickInfo{Now: time.Hour})
			a.Observe(balancer.Success, 2*time.Millisecond)
			a.End()
		}
	})
	for _, p := range policies {
		for _, n := range []int{3, 10, 64, 100, 1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", p.name, n), func(b *testing.B) {
				picker := p.policy(setOf(endpoints(n)))
				b.ReportAllocs()
				info := balancer.PickInfo{Now: time.Hour}
				for b.Loop() {
					info.Now += time.Microsecond
					cycle(picker, info)
				}
			})
			b.Run(fmt.Sprintf("%s/%d/parallel", p.name, n), func(b *testing.B) {
				picker := p.policy(setOf(endpoints(n)))
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					info := balancer.PickInfo{Now: time.Hour}
					for pb.Next() {
						info.Now += time.Microsecond
						cycle(picker, info)
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

// BenchmarkUpdate measures what it costs when one endpoint leaves a set and
// another comes, as in a rolling restart: a set of n without the first, then
// without the second, and so on, so that no set is seen twice in a row. The
// table of Maglev has 65,537 slots whatever n is: 6 for each of 10,000, too few
// to be of use, but what an update costs depends on the slots, not on n.
func BenchmarkUpdate(b *testing.B) {
	for _, p := range policies {
		for _, n := range []int{3, 100, 1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", p.name, n), func(b *testing.B) {
				es := endpoints(n)
				slices.SortFunc(es, func(a, b *balancer.Endpoint) int { return cmp.Compare(a.Key(), b.Key()) })
				var pickers [2]balancer.Picker // the last is in use while the next is made
				i := 0
				next := func() {
					set := slices.Delete(slices.Clone(es), i%n, i%n+1)
					pickers[i%2] = p.policy(setOf(set))
					i++
				}
				next()
				b.ReportAllocs()
				for b.Loop() {
					next()
				}
				runtime.KeepAlive(&pickers)
			})
		}
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
