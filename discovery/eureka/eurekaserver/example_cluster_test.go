package eurekaserver_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/internal/memnet"
)

// A registry that has its instances back after a restart.
func ExampleWithSnapshot() {
	folder, err := os.MkdirTemp("", "registry")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	snapshot := eurekaserver.WithSnapshot(eurekaserver.SnapshotConfig{Path: filepath.Join(folder, "registry")})

	registry := eurekaserver.New(snapshot)
	r := httptest.NewRequest(http.MethodPost, "/eureka/apps/ORDERS", strings.NewReader(`<instance>
		<instanceId>orders-1</instanceId><app>ORDERS</app><hostName>10.0.0.7</hostName><ipAddr>10.0.0.7</ipAddr>
		<dataCenterInfo><name>MyOwn</name></dataCenterInfo></instance>`))
	r.Header.Set("Content-Type", "application/xml")
	registry.ServeHTTP(httptest.NewRecorder(), r)
	registry.Close()

	registry = eurekaserver.New(snapshot)
	registry.Start()
	defer registry.Close()
	fmt.Println(registry.Stats().Instances)
	// Output:
	// map[UP:1]
}

// Two servers that forward to each other what clients write. Both have the
// same list of URLs.
func ExampleWithPeers() {
	var network memnet.Network
	client := &http.Client{Transport: &http.Transport{DialContext: network.DialContext}}
	defer client.CloseIdleConnections()
	peers := eurekaserver.PeersConfig{
		URLs: []string{"http://eureka-1:8761/eureka/", "http://eureka-2:8761/eureka/"},
		HTTP: client, // a real network needs none
	}
	for _, address := range []string{"eureka-1:8761", "eureka-2:8761"} {
		registry := eurekaserver.New(eurekaserver.WithPeers(peers))
		defer registry.Close()
		listener, err := network.Listen(address)
		if err != nil {
			log.Fatal(err)
		}
		server := &http.Server{Handler: registry}
		go func() { _ = server.Serve(listener) }()
		defer func() { _ = server.Close() }()
		registry.Start()
	}

	resp, err := client.Post("http://eureka-1:8761/eureka/apps/ORDERS", "application/xml", strings.NewReader(`<instance>
		<instanceId>orders-1</instanceId><app>ORDERS</app><hostName>10.0.0.7</hostName><ipAddr>10.0.0.7</ipAddr>
		<dataCenterInfo><name>MyOwn</name></dataCenterInfo></instance>`))
	if err != nil {
		log.Fatal(err)
	}
	_ = resp.Body.Close()
	for {
		resp, err := client.Get("http://eureka-2:8761/eureka/apps/ORDERS")
		if err != nil {
			log.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			fmt.Println("known to both")
			return
		}
	}
	// Output:
	// known to both
}
