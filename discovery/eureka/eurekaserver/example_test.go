package eurekaserver_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/internal/memnet"
)

// A registry inside a program. This one listens in memory; yours would call
// net.Listen or ListenAndServe.
func Example() {
	var network memnet.Network
	listener, err := network.Listen("registry:8761")
	if err != nil {
		log.Fatal(err)
	}

	registry := eurekaserver.New()
	server := &http.Server{Handler: registry}
	server.RegisterOnShutdown(registry.Close) // clients that wait are told
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Shutdown(context.Background()) }()

	// Any Eureka client can register now. By hand it looks like this.
	client := &http.Client{Transport: &http.Transport{DialContext: network.DialContext}}
	defer client.CloseIdleConnections()
	resp, err := client.Post("http://registry:8761/eureka/apps/ORDERS", "application/json", strings.NewReader(`{"instance": {
		"instanceId": "orders-1", "app": "ORDERS", "hostName": "10.0.0.7", "ipAddr": "10.0.0.7",
		"port": {"$": 8080, "@enabled": "true"}, "vipAddress": "orders",
		"dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"}}}`))
	if err != nil {
		log.Fatal(err)
	}
	_ = resp.Body.Close()
	fmt.Println(resp.Status)

	resp, err = client.Get("http://registry:8761/eureka/apps/ORDERS/orders-1")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	document, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Contains(string(document), `<status>UP</status>`))
	// Output:
	// 204 No Content
	// true
}

// A page to look at the registry in a browser is at "/" in any case. This one
// also has buttons, and a name.
func ExampleWithPage() {
	registry := eurekaserver.New(eurekaserver.WithPage(eurekaserver.PageConfig{
		Title:   "Staging, eu-1",
		Operate: true,
	}))
	defer registry.Close()

	var network memnet.Network
	listener, err := network.Listen("registry:8761")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: registry}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()

	client := &http.Client{Transport: &http.Transport{DialContext: network.DialContext}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://registry:8761/")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Header.Get("Content-Type"))
	fmt.Println(strings.Contains(string(page), "<title>Staging, eu-1</title>"))
	// Output:
	// text/html; charset=utf-8
	// true
}

// A registry with every setting, and a log for operators.
func ExampleNew() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	registry := eurekaserver.New(
		eurekaserver.WithLogger(logger),
		eurekaserver.WithPrefix("/registry"),
		eurekaserver.WithMaxBody(64<<10),
		eurekaserver.WithDeltaRetention(5*time.Minute),
		eurekaserver.WithOverrideRetention(-1),
		eurekaserver.WithWait(eurekaserver.WaitConfig{Max: 20 * time.Second, Waiters: 500}),
	)
	defer registry.Close()

	var network memnet.Network
	listener, err := network.Listen("registry:80")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: registry}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()

	client := &http.Client{Transport: &http.Transport{DialContext: network.DialContext}}
	defer client.CloseIdleConnections()
	resp, err := client.Post("http://registry/registry/apps/ORDERS", "application/xml", strings.NewReader(`<instance>
		<instanceId>orders-1</instanceId><app>ORDERS</app><hostName>10.0.0.7</hostName><ipAddr>10.0.0.7</ipAddr>
		<dataCenterInfo><name>MyOwn</name></dataCenterInfo></instance>`))
	if err != nil {
		log.Fatal(err)
	}
	_ = resp.Body.Close()
	// Output:
	// level=INFO msg="instance registered" app=ORDERS id=orders-1 status=UP
}

// Waiting for a change by hand. Package eureka does it for you.
func Example_waiting() {
	registry := eurekaserver.New()
	defer registry.Close()
	var network memnet.Network
	listener, err := network.Listen("registry:8761")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: registry}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	client := &http.Client{Transport: &http.Transport{DialContext: network.DialContext}}
	defer client.CloseIdleConnections()

	resp, err := client.Get("http://registry:8761/eureka/apps")
	if err != nil {
		log.Fatal(err)
	}
	_ = resp.Body.Close()
	tag := resp.Header.Get("ETag")

	// In the meantime, or a little later, an instance registers.
	registered := make(chan struct{})
	go func() {
		defer close(registered)
		resp, err := client.Post("http://registry:8761/eureka/apps/ORDERS", "application/xml", strings.NewReader(`<instance>
			<instanceId>orders-1</instanceId><app>ORDERS</app><hostName>10.0.0.7</hostName><ipAddr>10.0.0.7</ipAddr>
			<dataCenterInfo><name>MyOwn</name></dataCenterInfo></instance>`))
		if err != nil {
			log.Fatal(err)
		}
		_ = resp.Body.Close()
	}()

	req, err := http.NewRequest(http.MethodGet, "http://registry:8761/eureka/apps/delta", nil)
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("If-None-Match", tag)
	req.Header.Set("Prefer", "wait=25")
	resp, err = client.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	<-registered
	delta, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Status, resp.Header.Get("ETag") != tag)
	fmt.Println(strings.Contains(string(delta), `"instanceId":"orders-1"`))
	// Output:
	// 200 OK true
	// true
}

// The rules of Netflix's server, with the start value of Spring's.
func ExampleWithNetflixRules() {
	registry := eurekaserver.New(eurekaserver.WithNetflixRules(eurekaserver.NetflixConfig{ExpectedClients: 1}))
	defer registry.Close()
	p := registry.Stats().Preservation
	fmt.Println(p.Rules, p.Expected, p.Threshold)
	// Output:
	// netflix 2 1
}

// Limits for clients that are not all friends.
func ExampleWithLimits() {
	registry := eurekaserver.New(eurekaserver.WithLimits(eurekaserver.Limits{
		Instances:     1000,
		Registrations: eurekaserver.Rate{PerSecond: 1, Burst: 20},
		Lists:         eurekaserver.Rate{PerSecond: 0.01, Burst: 2},
	}))
	defer registry.Close()
	for range 3 {
		w := httptest.NewRecorder()
		registry.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/eureka/apps", nil))
		fmt.Printf("%d %q\n", w.Code, w.Header().Get("Retry-After"))
	}
	// Output:
	// 200 ""
	// 200 ""
	// 429 "100"
}
