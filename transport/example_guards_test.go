package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/resilience"
	"github.com/namesake-go/namesake/transport"
)

// One copy is late. The call does not wait for it.
func ExampleWithHedging() {
	late := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer late.Close()
	well := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "in time") }))
	defer well.Close()

	registry := discovery.Static{"orders": discovery.Addrs(late.Listener.Addr().String(), well.Listener.Addr().String())}
	t := transport.New(registry, transport.WithLogger(nil),
		// Without Fixed: what 95 % of the latest calls take.
		transport.WithHedging(resilience.HedgeDelayConfig{Fixed: 5 * time.Millisecond}))
	defer t.Close()
	client := &http.Client{Transport: t}
	for range 3 { // whichever copy comes first
		resp, err := client.Get("http://orders/")
		if err != nil {
			fmt.Println(err)
			return
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Println(string(text))
	}
	// Output:
	// in time
	// in time
	// in time
}

// A limit keeps calls of a slow service from piling up, and a fallback answers
// what it refuses.
func ExampleWithFallback() {
	began, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(began)
		<-release
		fmt.Fprint(w, "fresh")
	}))
	defer server.Close()

	stale := func(_ *http.Request, err error) (*http.Response, error) {
		if !errors.Is(err, resilience.ErrLimitReached) {
			return nil, err
		}
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("stale"))}, nil
	}
	t := transport.New(discovery.Static{"prices": discovery.Addrs(server.Listener.Addr().String())}, transport.WithLogger(nil),
		transport.ForService("prices",
			transport.WithLimit(resilience.LimitConfig{MaxInFlight: 1}),
			transport.WithFallback(stale)))
	defer t.Close()
	client := &http.Client{Transport: t}

	get := func() string {
		resp, err := client.Get("http://prices/")
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return string(text)
	}
	first := make(chan string)
	go func() { first <- get() }()
	<-began
	fmt.Println(get())
	close(release)
	fmt.Println(<-first)
	// Output:
	// stale
	// fresh
}

// A POST that may be sent twice is repeated, like a GET.
func ExampleRepeatable() {
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer sick.Close()
	well := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer well.Close()

	registry := discovery.Static{"search": discovery.Addrs(sick.Listener.Addr().String(), well.Listener.Addr().String())}
	t := transport.New(registry, transport.WithLogger(nil))
	defer t.Close()
	client := &http.Client{Transport: t}
	for range 4 {
		req, err := http.NewRequestWithContext(transport.Repeatable(context.Background()), http.MethodPost, "http://search/", strings.NewReader("query"))
		if err != nil {
			fmt.Println(err)
			return
		}
		resp, err := client.Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		resp.Body.Close()
		fmt.Println(resp.StatusCode)
	}
	// Output:
	// 200
	// 200
	// 200
	// 200
}
