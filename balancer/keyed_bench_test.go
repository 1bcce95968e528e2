package balancer_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/namesake-go/namesake/balancer"
)

// byKey are the policies that hash. The fallback measures nothing, so that what
// is measured here is theirs.
var byKey = []struct {
	name   string
	policy func(bound float64) balancer.Policy
}{
	{"RingHash", func(bound float64) balancer.Policy {
		return balancer.RingHash(balancer.RingHashConfig{Bound: bound, Fallback: balancer.Random})
	}},
	{"Maglev", func(bound float64) balancer.Policy {
		return balancer.Maglev(balancer.MaglevConfig{Bound: bound, Fallback: balancer.Random})
	}},
	{"Rendezvous", func(bound float64) balancer.Policy {
		return balancer.Rendezvous(balancer.RendezvousConfig{Bound: bound, Fallback: balancer.Random})
	}},
}

func keys(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("user-%06d", i)
	}
	return list
}

// BenchmarkPickByKey measures the cycle of an attempt of 4096 keys in turn, next
// to what the cheapest shared state costs in the same run: without a bound, with
// one, and with the default fallback, which measures each attempt.
func BenchmarkPickByKey(b *testing.B) {
	b.Run("floor/AtomicAdd", func(b *testing.B) {
		var counter atomic.Uint64
		for b.Loop() {
			counter.Add(1)
		}
	})
	keys := keys(4096)
	run := func(b *testing.B, policy balancer.Policy, n int) {
		picker := policy(setOf(endpoints(n)))
		info := balancer.PickInfo{Now: time.Second}
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			info.Key = keys[i%len(keys)]
			cycle(picker, info)
			i++
		}
	}
	for _, p := range byKey {
		for _, n := range []int{3, 10, 100, 1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", p.name, n), func(b *testing.B) { run(b, p.policy(0), n) })
			b.Run(fmt.Sprintf("%s/%d/bounded", p.name, n), func(b *testing.B) { run(b, p.policy(1.25), n) })
		}
	}
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("RingHash/%d/measuring", n), func(b *testing.B) {
			run(b, balancer.RingHash(balancer.RingHashConfig{}), n)
		})
	}
}
