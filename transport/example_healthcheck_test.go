package transport_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
)

// Copies are asked whether they are well, and one that is not gets no calls
// until it is again.
func ExampleWithHealthCheck() {
	var ready [2]atomic.Bool
	var addrs [2]string
	for i := range ready {
		ready[i].Store(true)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/readyz" && !ready[i].Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		defer server.Close()
		addrs[i] = server.Listener.Addr().String()
	}
	changes := make(chan string, 1)
	t := transport.New(discovery.Static{"orders": discovery.Addrs(addrs[:]...)},
		transport.WithHealthCheck(transport.HealthCheckConfig{
			Path:     "/readyz",
			Interval: 10 * time.Millisecond, // yours is 10 s
			HoldBack: true,
		}),
		transport.WithLogger(nil),
		transport.WithHooks(transport.Hooks{
			EndpointEjected:  func(e transport.EndpointEvent) { changes <- "ejected: " + string(e.Reason) },
			EndpointRestored: func(e transport.EndpointEvent) { changes <- "restored: " + string(e.Reason) },
		}))
	defer t.Close()
	resp, err := (&http.Client{Transport: t}).Get("http://orders/") // from here on, they are watched
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = resp.Body.Close()

	ready[0].Store(false)
	fmt.Println(<-changes)
	ready[0].Store(true)
	fmt.Println(<-changes)
	// Output:
	// ejected: health check failed
	// restored: recovered
}
