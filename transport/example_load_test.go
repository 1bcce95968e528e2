package transport_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
	"github.com/namesake-go/namesake/transport/serve"
)

// Copies that say how loaded they are, and a client that asks them before it
// calls.
func ExampleWithProbes() {
	copies := make([]string, 3)
	for i := range copies {
		load := serve.NewLoad(serve.LoadConfig{Limit: 50})
		mux := http.NewServeMux()
		mux.Handle("GET "+serve.ProbePath, load.Probe())
		mux.Handle("/v1/", load.Measure(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, "this is %s\n", r.URL.Path)
		})))
		server := httptest.NewServer(mux)
		defer server.Close()
		copies[i] = server.Listener.Addr().String()
	}

	t := transport.New(discovery.Static{"orders": discovery.Addrs(copies...)},
		transport.WithPolicy(balancer.Prequal(balancer.PrequalConfig{HotQuantile: 0.6})),
		transport.WithLoadReports(),
		transport.WithProbes(transport.ProbeConfig{}),
	)
	defer t.Close()
	client := &http.Client{Transport: t}
	resp, err := client.Get("http://orders/v1/orders/42")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(resp.Body)
	fmt.Print(string(text))
	fmt.Printf("report left for who may read it: %q\n", resp.Header.Get(serve.LoadHeader))
	// Output:
	// this is /v1/orders/42
	// report left for who may read it: ""
}

// Reports come with the responses, and give each copy its share by what it can
// take.
func ExampleWithLoadReports() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Endpoint-Load-Metrics", "TEXT cpu_utilization=0.3,rps_fractional=120")
	}))
	defer server.Close()
	t := transport.New(discovery.Static{"orders": discovery.Addrs(server.Listener.Addr().String())},
		transport.WithPolicy(balancer.WeightedByUtilization(balancer.WeightedByUtilizationConfig{})),
		transport.WithLoadReports(),
		transport.WithHooks(transport.Hooks{Attempt: func(e transport.AttemptEvent) {
			r := e.Endpoint.LastReport()
			fmt.Println("utilization", r.Utilization, "at", r.Rate, "calls per second")
		}}),
	)
	defer t.Close()
	client := &http.Client{Transport: t}
	resp, err := client.Get("http://orders/")
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = resp.Body.Close()
	// Output: utilization 0.3 at 120 calls per second
}
