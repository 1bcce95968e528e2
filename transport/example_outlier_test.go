package transport_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/resilience"
	"github.com/namesake-go/namesake/transport"
)

// Of five copies one fails every third call, which opens no breaker. Compared
// with the others it stands out, and gets no calls for a while.
func ExampleWithOutlierEjection() {
	var addrs [5]string
	for i := range addrs {
		var calls atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if calls.Add(1)%3 == 0 && i == 0 {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}))
		defer server.Close()
		addrs[i] = server.Listener.Addr().String()
	}
	changes := make(chan string, 1)
	t := transport.New(discovery.Static{"orders": discovery.Addrs(addrs[:]...)},
		transport.WithPolicy(balancer.RoundRobin),
		transport.WithOutlierEjection(transport.OutlierEjectionConfig{
			Interval: 100 * time.Millisecond, // yours is 10 s
			Outliers: resilience.OutlierConfig{SuccessRateRequests: 6},
		}),
		transport.WithLogger(nil),
		transport.WithHooks(transport.Hooks{
			EndpointEjected: func(e transport.EndpointEvent) {
				changes <- fmt.Sprint("the first: ", e.Endpoint.Addr() == addrs[0], ", reason: ", e.Reason)
			},
		}))
	defer t.Close()
	client := &http.Client{Transport: t}
	for {
		resp, err := client.Get("http://orders/")
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = resp.Body.Close()
		select {
		case change := <-changes:
			fmt.Println(change)
			return
		default:
		}
	}
	// Output:
	// the first: true, reason: low success rate
}
