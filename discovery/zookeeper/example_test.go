package zookeeper_test

import (
	"context"
	"fmt"
	"log"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/zookeeper"
)

// There is no output to compare, since it takes an ensemble.
func Example() {
	registry := zookeeper.New("10.0.0.1,10.0.0.2,10.0.0.3")
	defer registry.Close()

	ctx := context.Background()
	registration, err := registry.Register(ctx, "orders", discovery.Instance{ID: "orders-1", Addr: "10.0.0.7:8080"})
	if err != nil {
		log.Print(err)
		return
	}
	defer registration.Close(ctx)

	for set, err := range registry.Watch(ctx, "orders") {
		fmt.Println(set, err)
	}
}
