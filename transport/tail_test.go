package transport_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/resilience"
	"github.com/namesake-go/namesake/transport"
	"github.com/namesake-go/namesake/transport/serve"
)

// tailPolicies are what BenchmarkTail compares.
var tailPolicies = []struct {
	name   string
	policy balancer.Policy
	opts   []transport.Option
}{
	{name: "RoundRobin", policy: balancer.RoundRobin},
	{name: "Random", policy: balancer.Random},
	{name: "LeastRequest", policy: balancer.LeastRequest},
	{name: "WeightedByUtilization", policy: balancer.WeightedByUtilization(balancer.WeightedByUtilizationConfig{Blackout: -1}), opts: tailReports},
	{name: "C3", policy: balancer.C3(balancer.C3Config{Clients: tailClients}), opts: tailReports},
	{name: "Prequal", policy: balancer.Prequal(balancer.PrequalConfig{}), opts: []transport.Option{transport.WithProbes(transport.ProbeConfig{})}},
	{name: "PeakEWMA", policy: balancer.PeakEWMA},
	{name: "ShortestExpectedDelay", policy: balancer.ShortestExpectedDelay},
}

var tailReports = []transport.Option{transport.WithLoadReports()}

// BenchmarkTail shows what a policy is worth to callers when copies are unwell:
// ten servers on loopback, of which one takes three times as long and one fails
// every call at once, called by five clients at 70 % of what the nine can
// answer. A server works on two calls at a time, for 20 ms each in the mean,
// with an exponential distribution, and reports its load to those that ask. Calls
// arrive at random, however long the
// earlier ones take, and are late from the moment at which they should have
// begun. Neither retries nor breakers help. A failed call counts as one that
// took the whole deadline.
//
// An iteration takes four seconds, and is worth a comparison with the others of
// the same run only.
func BenchmarkTail(b *testing.B) {
	for _, p := range tailPolicies {
		b.Run(p.name, func(b *testing.B) {
			opts := append(p.opts,
				transport.WithLogger(nil), transport.WithPolicy(p.policy),
				transport.WithRetry(resilience.RetryConfig{Attempts: 1}),
				transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: -1, FailureRatio: -1}))
			var all []tailCall
			for b.Loop() {
				all = append(all, tail(b, opts)...)
			}
			reportTail(b, all)
		})
	}
}

const (
	tailServers  = 10
	tailClients  = 5
	tailSlow     = 0 // takes three times as long
	tailFailing  = 1
	tailSlots    = 2
	tailWork     = 20 * time.Millisecond
	tailDeadline = time.Second
	tailRate     = 0.7 * (8 + 1./3) * tailSlots / 0.020 // calls per second
	tailWarmUp   = time.Second
	tailTime     = 3 * time.Second
)

// A tailCall is how a call went, and where.
type tailCall struct {
	server int // -1: nowhere
	failed bool
	took   time.Duration
}

func tail(b *testing.B, opts []transport.Option) []tailCall {
	var addrs []string
	index := map[string]int{}
	for i := range tailServers {
		slots := make(chan struct{}, tailSlots)
		work := float64(tailWork)
		if i == tailSlow {
			work *= 3
		}
		load := serve.NewLoad(serve.LoadConfig{Limit: tailSlots})
		mux := http.NewServeMux()
		mux.Handle(serve.ProbePath, load.Probe())
		mux.Handle("/", load.Measure(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if i == tailFailing {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
			case <-r.Context().Done():
				return
			}
			select {
			case <-time.After(time.Duration(work * rand.ExpFloat64())):
			case <-r.Context().Done():
			}
		})))
		server := httptest.NewServer(mux)
		defer server.Close()
		addr := server.Listener.Addr().String()
		index[addr] = i
		addrs = append(addrs, addr)
	}
	type key struct{}
	opts = append(slices.Clone(opts), transport.WithHooks(transport.Hooks{Pick: func(e transport.PickEvent) {
		if at, ok := e.Context.Value(key{}).(*int); ok {
			*at = index[e.Endpoint.Addr()]
		}
	}}))
	clients := make([]*http.Client, tailClients)
	for i := range clients {
		rt := transport.New(discovery.Static{"orders": discovery.Addrs(addrs...)}, opts...)
		defer rt.Close()
		clients[i] = &http.Client{Transport: rt}
	}

	var (
		mu    sync.Mutex
		calls []tailCall
		wg    sync.WaitGroup
	)
	start := time.Now()
	for due := time.Duration(0); due < tailWarmUp+tailTime; due += time.Duration(rand.ExpFloat64() / tailRate * float64(time.Second)) {
		time.Sleep(time.Until(start.Add(due)))
		client := clients[rand.IntN(len(clients))]
		wg.Go(func() {
			at := -1
			ctx, cancel := context.WithDeadline(context.WithValue(b.Context(), key{}, &at), start.Add(due+tailDeadline))
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://orders/", nil)
			if err != nil {
				panic(err)
			}
			resp, err := client.Do(req)
			c := tailCall{server: at, failed: true, took: tailDeadline}
			if err == nil {
				_ = resp.Body.Close()
				if resp.StatusCode == http.StatusOK {
					c.failed, c.took = false, min(time.Since(start.Add(due)), tailDeadline)
				}
			}
			if due >= tailWarmUp {
				mu.Lock()
				calls = append(calls, c)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return calls
}

func reportTail(b *testing.B, calls []tailCall) {
	require.NotEmpty(b, calls)
	slices.SortFunc(calls, func(a, b tailCall) int { return int(a.took - b.took) })
	share := func(of func(tailCall) bool) float64 {
		n := 0
		for _, c := range calls {
			if of(c) {
				n++
			}
		}
		return 100 * float64(n) / float64(len(calls))
	}
	for _, q := range []struct {
		unit  string
		share float64
	}{{"p50-ms", 0.5}, {"p99-ms", 0.99}, {"p99.9-ms", 0.999}} {
		b.ReportMetric(calls[int(q.share*float64(len(calls)))].took.Seconds()*1e3, q.unit)
	}
	b.ReportMetric(share(func(c tailCall) bool { return c.failed }), "failed-%")
	b.ReportMetric(share(func(c tailCall) bool { return c.server == tailSlow }), "slow-copy-%")
	b.ReportMetric(share(func(c tailCall) bool { return c.server == tailFailing }), "failing-copy-%")
	b.ReportMetric(0, "ns/op") // would say nothing
}
