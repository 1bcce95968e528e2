package balancer_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
)

// BenchmarkReports measures the cycle of an attempt where endpoints have sent
// reports and the time is known, next to that of other policies. The pool of
// Prequal is full; what probes cost is not measured.
func BenchmarkReports(b *testing.B) {
	var counter atomic.Uint64
	b.Run("AtomicAdd", func(b *testing.B) {
		for b.Loop() {
			counter.Add(1)
		}
	})
	for _, c := range []struct {
		name   string
		policy balancer.Policy
		probes bool
	}{
		{"LeastRequest", balancer.LeastRequest, false},
		{"PeakEWMA", balancer.PeakEWMA, false},
		{"ShortestExpectedDelay", balancer.ShortestExpectedDelay, false},
		{"C3", balancer.C3(balancer.C3Config{}), false},
		{"C3 of two", balancer.C3(balancer.C3Config{Candidates: 2}), false},
		{"Prequal", balancer.Prequal(balancer.PrequalConfig{}), false},
		{"Prequal with probes", balancer.Prequal(balancer.PrequalConfig{RemoveRate: -1, ProbeRate: 0.01}), true},
		{"WeightedByUtilization", balancer.WeightedByUtilization(balancer.WeightedByUtilizationConfig{Blackout: -1}), false},
	} {
		b.Run(c.name, func(b *testing.B) {
			now := time.Hour
			report := func(e *balancer.Endpoint, i int, probed bool) {
				e.Report(balancer.Report{
					Utilization: 0.5 + float64(i%3)/10, Rate: 100, InFlight: float64(i % 5), HasInFlight: true,
					Latency: time.Millisecond, ServiceTime: time.Millisecond / 2, Probed: probed,
				})
			}
			cfg := balancer.ServiceConfig{Now: func() time.Duration { return now }}
			if c.probes {
				cfg.Probe = func(e *balancer.Endpoint) {}
			}
			service := balancer.NewService(cfg)
			es := make([]*balancer.Endpoint, 50)
			for i := range es {
				es[i] = service.NewEndpoint(discovery.Instance{Addr: addr(i)})
			}
			picker := c.policy(setOf(es))
			for i, e := range es {
				report(e, i, false)
			}
			now += time.Millisecond
			if c.name == "WeightedByUtilization" {
				now += time.Minute // reckon anew
			}
			info := balancer.PickInfo{Now: now}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if n++; c.probes && n%20 == 0 {
					report(es[n%50], n, true)
				}
				cycle(picker, info)
			}
		})
	}
}
