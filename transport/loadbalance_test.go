package transport_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
	"github.com/namesake-go/namesake/transport/serve"
)

// One of three copies is busy with the calls of others. That makes it no slower
// for ours, so nobody can know but who listens to its reports.
func TestWhoListensToReportsSparesTheBusy(t *testing.T) {
	const calls = 900
	for _, test := range []struct {
		name   string
		policy balancer.Policy
		opts   []transport.Option
		most   int // of the calls
		least  int
	}{
		{name: "LeastRequest does not", policy: balancer.LeastRequest, most: calls / 2, least: calls / 5},
		{
			// With 0.84, one of three would not be hot: a third of all answers
			// are its own.
			name: "Prequal with probes", policy: balancer.Prequal(balancer.PrequalConfig{HotQuantile: 0.6}),
			opts: []transport.Option{transport.WithProbes(transport.ProbeConfig{})}, most: calls / 10,
		},
		{
			name: "Prequal with reports", policy: balancer.Prequal(balancer.PrequalConfig{}),
			opts: []transport.Option{transport.WithLoadReports()}, most: calls / 5,
		},
		{
			name: "C3", policy: balancer.C3(balancer.C3Config{}),
			opts: []transport.Option{transport.WithLoadReports()}, most: calls / 10,
		},
		{
			name: "WeightedByUtilization", policy: balancer.WeightedByUtilization(balancer.WeightedByUtilizationConfig{Blackout: time.Second}),
			opts: []transport.Option{transport.WithLoadReports()}, most: calls / 5, least: calls / 100,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got [3]atomic.Int64
			inMesh(t, func(t *testing.T, m *mesh) {
				var others sync.WaitGroup
				for i, addr := range addrs(3) {
					load := serve.NewLoad(serve.LoadConfig{Limit: 30})
					mux := http.NewServeMux()
					mux.Handle("GET "+serve.ProbePath, load.Probe())
					work := load.Measure(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
						if strings.HasPrefix(r.URL.Path, "/others") {
							time.Sleep(time.Minute)
							return
						}
						got[i].Add(1)
						time.Sleep(10 * time.Millisecond)
					}))
					mux.Handle("/", work)
					m.serve(addr, mux.ServeHTTP)
					if i == 0 {
						for range 20 {
							others.Go(func() {
								work.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/others", nil))
							})
						}
					}
				}
				m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
				time.Sleep(2 * time.Second) // of the others
				var callers sync.WaitGroup
				counting := time.Now().Add(5 * time.Second)
				var before [3]int64
				var once sync.Once
				for range 6 {
					callers.Go(func() {
						for time.Now().Before(counting) { // the policy learns
							if _, _, err := m.get("http://orders/"); !assert.NoError(t, err) {
								return
							}
						}
						once.Do(func() {
							for i := range before {
								before[i] = got[i].Load()
							}
						})
						for range calls / 6 {
							_, _, err := m.get("http://orders/")
							assert.NoError(t, err)
						}
					})
				}
				callers.Wait()
				busy := int(got[0].Load() - before[0])
				t.Logf("%d of %d calls went to the busy one, %d and %d to the others", busy, calls,
					got[1].Load()-before[1], got[2].Load()-before[2])
				assert.LessOrEqual(t, busy, test.most)
				assert.GreaterOrEqual(t, busy, test.least)
				others.Wait()
			}, append(test.opts, transport.WithPolicy(test.policy))...)
		})
	}
}
