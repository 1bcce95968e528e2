package xds_test

import (
	"context"
	"fmt"
	"net"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/xds"
)

func Example() {
	// In place of a control plane of yours:
	endpoints := cache.NewLinearCache(resource.EndpointType)
	plane := grpc.NewServer()
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(plane, server.NewServer(context.Background(), endpoints, nil))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() { _ = plane.Serve(listener) }()
	defer plane.Stop()
	list := func(instances ...discovery.Instance) {
		if err := endpoints.UpdateResource("orders", assignment("orders", instances...)); err != nil {
			fmt.Println(err)
		}
	}
	list(discovery.Instance{Addr: "10.0.0.7:8080", Zone: "eu-1a"})

	// Plain text is for loopback only.
	conn, err := grpc.NewClient(listener.Addr().String(),
		append(xds.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	registry := xds.New(conn, xds.WithNode(xds.Node{ID: "orders-client-1", Zone: "eu-1a"}))
	defer registry.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for set, err := range registry.Watch(ctx, "orders") {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(len(set), "copies")
		if len(set) == 0 {
			break
		}
		fmt.Println(set[0].Addr, set[0].Zone)
		list() // as the last one leaves
	}
	// Output:
	// 1 copies
	// 10.0.0.7:8080 eu-1a
	// 0 copies
}
