package transport_test

import (
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/resilience"
	"github.com/namesake-go/namesake/transport"
)

// policies are those of package balancer.
var policies = map[string]balancer.Policy{
	"RoundRobin": balancer.RoundRobin, "Random": balancer.Random,
	"LeastRequest": balancer.LeastRequest, "PeakEWMA": balancer.PeakEWMA,
}

// S54: whatever the policy, a retry goes to an endpoint that has not been tried.
func TestRetriesGoElsewhere(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			tried := map[string]int{}
			inEveryWay(t, func(t *testing.T, m *mesh) {
				for _, addr := range addrs(3) {
					m.serve(addr, answer(http.StatusServiceUnavailable, ""))
				}
				m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
				for range 30 {
					clear(tried)
					status, _, err := m.get("http://orders/")
					require.NoError(t, err)
					require.Equal(t, http.StatusServiceUnavailable, status)
					require.Equal(t, map[string]int{"10.0.0.1:80": 1, "10.0.0.2:80": 1, "10.0.0.3:80": 1}, tried)
				}
			}, transport.WithPolicy(policy), transport.WithBudget(resilience.BudgetConfig{MinPerSecond: 1000}),
				transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: -1, FailureRatio: -1}),
				transport.WithHooks(transport.Hooks{Pick: func(e transport.PickEvent) { tried[e.Endpoint.Key()]++ }}))
		})
	}
}

// S79: an endpoint that fails at once has never much to do, and gets no more
// than its share for it.
func TestFailingFastAttractsNothing(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			picks := map[string]int{}
			inMesh(t, func(t *testing.T, m *mesh) {
				list := addrs(3)
				m.serve(list[0], func(w http.ResponseWriter, _ *http.Request) {
					time.Sleep(time.Millisecond)
					w.WriteHeader(http.StatusInternalServerError)
				})
				for _, addr := range list[1:] {
					m.serve(addr, func(w http.ResponseWriter, _ *http.Request) {
						time.Sleep(20 * time.Millisecond)
						_, _ = io.WriteString(w, "ok")
					})
				}
				m.registry.Set("orders", discovery.Addrs(list...)...)
				start := time.Now()
				var callers sync.WaitGroup
				for range 16 {
					callers.Go(func() {
						for time.Since(start) < 2*time.Second {
							_, _, err := m.get("http://orders/")
							assert.NoError(t, err)
						}
					})
				}
				callers.Wait()
				mu.Lock()
				defer mu.Unlock()
				assert.LessOrEqual(t, picks[list[0]], (picks[list[0]]+picks[list[1]]+picks[list[2]])/3)
			}, transport.WithPolicy(policy), transport.WithHooks(transport.Hooks{Pick: func(e transport.PickEvent) {
				mu.Lock()
				defer mu.Unlock()
				picks[e.Endpoint.Key()]++
			}}))
		})
	}
}
