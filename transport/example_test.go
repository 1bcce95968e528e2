package transport_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/resilience"
	"github.com/namesake-go/namesake/transport"
)

// Two copies of a service, and a client that knows its name only.
func Example() {
	copies := make([]string, 2)
	for i := range copies {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, "%s%s", r.Host, r.URL.Path)
		}))
		defer server.Close()
		copies[i] = server.Listener.Addr().String()
	}

	registry := discovery.Static{"orders": discovery.Addrs(copies...)}

	t := transport.New(registry)
	defer t.Close()
	client := &http.Client{Transport: t}
	resp, err := client.Get("http://orders/v1/orders/42")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.Status, string(text))
	// Output: 200 OK orders/v1/orders/42
}

// Options for all services, and others for one.
func ExampleForService() {
	registry := discovery.Static{"orders": discovery.Addrs("10.0.0.7:8080")}
	t := transport.New(registry,
		transport.WithPolicy(balancer.LeastRequest),
		transport.WithTimeout(5*time.Second),
		transport.ForService("payments",
			transport.WithTimeout(2*time.Second),
			transport.WithRetry(resilience.RetryConfig{Attempts: 1}), // none
		),
	)
	defer t.Close()

	_, err := t.RoundTrip(httptest.NewRequest(http.MethodGet, "http://payments/", nil)) //nolint:bodyclose // fails
	fmt.Println(err)
	// Output: transport: payments: discovery: unknown service: "payments"
}

// A failed call says what was tried.
func ExampleError() {
	registry := discovery.Static{"orders": discovery.Addrs("10.0.0.7:8080", "10.0.0.8:8080")}
	down := base(func(*http.Request) (*http.Response, error) { return nil, errors.New("no route to host") })
	t := transport.New(registry, transport.WithBase(down), transport.WithLogger(nil))
	defer t.Close()
	client := &http.Client{Transport: t}

	_, err := client.Post("http://orders/v1/orders", "application/json", nil) //nolint:bodyclose // fails
	if failed, ok := errors.AsType[*transport.Error](err); ok {
		fmt.Println("service:", failed.Service)
		fmt.Println("attempts:", failed.Attempts)
		fmt.Println("cause:", failed.Err)
	}

	_, err = client.Get("http://order/v1/orders") //nolint:bodyclose // fails
	fmt.Println("unknown:", errors.Is(err, discovery.ErrUnknownService))
	// Output:
	// service: orders
	// attempts: 1
	// cause: no route to host
	// unknown: true
}

// Hooks see what happens, for metrics and traces.
func ExampleHooks() {
	registry := discovery.Static{"orders": discovery.Addrs("10.0.0.7:8080")}
	busy := base(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusServiceUnavailable}, nil
	})
	t := transport.New(registry, transport.WithBase(busy), transport.WithLogger(nil), transport.WithHooks(transport.Hooks{
		Attempt: func(e transport.AttemptEvent) { fmt.Println("attempt", e.Attempt, "at", e.Endpoint.Addr(), e.Status) },
		Call: func(e transport.CallEvent) {
			fmt.Println("call of", e.Service, "with", e.Attempts, "attempts:", e.Status)
		},
	}))
	defer t.Close()
	client := &http.Client{Transport: t}

	resp, err := client.Get("http://orders/")
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = resp.Body.Close()
	// Output:
	// attempt 1 at 10.0.0.7:8080 503
	// attempt 2 at 10.0.0.7:8080 503
	// attempt 3 at 10.0.0.7:8080 503
	// call of orders with 3 attempts: 503
}

// A base of one's own sends the attempts: here one that adds a header, over
// net/http's own transport.
func ExampleWithBase() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s, called by %s", r.Host, r.Header.Get("From-Service"))
	}))
	defer server.Close()
	signed := base(func(req *http.Request) (*http.Response, error) {
		req.Header = req.Header.Clone() // the request is a copy, its header is the caller's
		req.Header.Set("From-Service", "billing")
		return http.DefaultTransport.RoundTrip(req)
	})
	t := transport.New(discovery.Static{"orders": discovery.Addrs(server.Listener.Addr().String())}, transport.WithBase(signed))
	defer t.Close()
	client := &http.Client{Transport: t}

	resp, err := client.Get("http://orders/")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(resp.Body)
	fmt.Println(string(text))
	// Output: orders, called by billing
}

type base func(*http.Request) (*http.Response, error)

func (b base) RoundTrip(req *http.Request) (*http.Response, error) { return b(req) }
