package balancer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/balancer/balancertest"
)

func TestC3Score(t *testing.T) {
	const ms = time.Millisecond
	queue := func(n float64, serviceTime, latency time.Duration) balancer.Report {
		return balancer.Report{InFlight: n, HasInFlight: true, ServiceTime: serviceTime, Latency: latency}
	}
	for _, c := range []struct {
		name     string
		clients  int
		latency  time.Duration // 10 answers
		report   balancer.Report
		inFlight int
		outcome  balancer.Outcome // of one more, or Success
		age      time.Duration
		want     float64 // ms
	}{
		{name: "not measured", want: 0},
		{name: "not measured but busy", inFlight: 1, want: 8e13},
		{name: "idle", latency: 10 * ms, want: 10},
		{name: "own calls, cubed", latency: 10 * ms, inFlight: 2, want: 270},
		{name: "each stands for one of every client", clients: 4, latency: 10 * ms, inFlight: 2, want: 7290},
		{name: "R − S + S", latency: 10 * ms, report: queue(0, 4*ms, 0), want: 10},
		{name: "6 + 27·4", latency: 10 * ms, report: queue(2, 4*ms, 0), want: 114},
		{name: "6 + 64·4", latency: 10 * ms, report: queue(2, 4*ms, 0), inFlight: 1, want: 262},
		{name: "a service time above the latency", latency: 3 * ms, report: queue(1, 4*ms, 0), want: 32},
		{name: "5 + 27·5: their latency over 3 calls", latency: 10 * ms, report: queue(2, 0, 15*ms), want: 140},
		{name: "6⅔ + 27·3⅓: our latency over 3 calls", latency: 10 * ms, report: queue(2, 0, 0), want: 96.667},
		{name: "a report without a queue", latency: 10 * ms, report: balancer.Report{Utilization: 1}, want: 10},
		{name: "after a failure", latency: 10 * ms, outcome: balancer.Failure, want: 110},
		{name: "after a busy answer", latency: 10 * ms, outcome: balancer.Busy, want: 20},
		{name: "after one that was given up", latency: 10 * ms, outcome: balancer.Ignored, want: 10},
		{name: "only failures", outcome: balancer.Failure, want: 1e13 * 11},
		{name: "the queue is half forgotten after 1 s", latency: 10 * ms, report: queue(2, 4*ms, 0), age: time.Second, want: (6 + 8*4) / 1.1},
		{name: "half forgotten after 10 s", latency: 10 * ms, age: 10 * time.Second, want: 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := clock{now: time.Hour}
			es := fleet(clock.config(), 2)
			balancer.C3(balancer.C3Config{})(setOf(es))
			e := es[0]
			if c.latency > 0 {
				for range 10 {
					observe(e, balancer.Success, c.latency)
				}
			}
			e.Report(c.report)
			if c.outcome != balancer.Success {
				observe(e, c.outcome, time.Microsecond)
			}
			busy(e, c.inFlight)
			clock.now += c.age
			assert.InEpsilon(t, 1+c.want, 1+balancer.C3Score(e, max(1, c.clients)), 1e-4)
		})
	}
}

// The latest sample counts nine tenths.
func TestC3Averages(t *testing.T) {
	clock := clock{now: time.Hour}
	es := fleet(clock.config(), 2)
	balancer.C3(balancer.C3Config{})(setOf(es))
	observe(es[0], balancer.Success, 100*time.Millisecond)
	observe(es[0], balancer.Success, 10*time.Millisecond)
	assert.InEpsilon(t, 19, balancer.C3Score(es[0], 1), 1e-4)
	observe(es[0], balancer.Success, 10*time.Millisecond)
	assert.InEpsilon(t, 10.9, balancer.C3Score(es[0], 1), 1e-4)
}

// The best of ten is among three in 3/10 of all draws.
func TestC3ComparesItsCandidates(t *testing.T) {
	for _, c := range []struct {
		candidates int
		want       float64
	}{{0, 0.3}, {1, 0.1}, {2, 0.2}, {5, 0.5}, {10, 1}, {99, 1}} {
		clock := clock{now: time.Hour}
		es := fleet(clock.config(), 10)
		p := balancer.C3(balancer.C3Config{Candidates: c.candidates})(setOf(es))
		for i, e := range es {
			observe(e, balancer.Success, time.Duration(1+i)*time.Millisecond)
		}
		assert.InDelta(t, c.want, share(t, p, es[0]), 0.07, "the seed is fixed")
		assert.Zero(t, testing.AllocsPerRun(100, func() { cycle(p, balancer.PickInfo{Now: clock.now, Tried: es[:2]}) }))
	}
}

func TestC3KeepsTheContract(t *testing.T) {
	balancertest.TestPolicy(t, balancer.C3(balancer.C3Config{Candidates: 16, Clients: 100}), balancertest.EvenSpread())
	balancertest.TestPolicy(t, balancer.C3(balancer.C3Config{Candidates: 1}), balancertest.EvenSpread())
}
