package consul_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/consul"
)

func Example() {
	agent := httptest.NewServer(newFake()) // in place of http://127.0.0.1:8500
	defer agent.Close()
	registry := consul.New(agent.URL)
	defer registry.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	registration, err := registry.Register(ctx, "orders", discovery.Instance{ID: "orders-1", Addr: "10.0.0.7:8080", Zone: "eu-1a"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for set, err := range registry.Watch(ctx, "orders") {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(len(set), "copies")
		if len(set) == 0 {
			break
		}
		fmt.Println(set[0].ID, set[0].Addr, set[0].Zone)
		if err := registration.Close(ctx); err != nil { // as it shuts down
			fmt.Println(err)
		}
	}
	// Output:
	// 1 copies
	// n1/orders-1 10.0.0.7:8080 eu-1a
	// 0 copies
}
