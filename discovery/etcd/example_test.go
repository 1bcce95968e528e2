package etcd_test

import (
	"context"
	"fmt"
	"log"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/etcd"
)

// There is no output to compare, since it takes a cluster.
func Example() {
	client, err := clientv3.New(etcd.Config("http://10.0.0.1:2379", "http://10.0.0.2:2379"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	registry := etcd.New(client, etcd.WithPrefix("services/"))
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
