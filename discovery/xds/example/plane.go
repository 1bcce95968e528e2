package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
)

// A plane is a control plane, made of go-control-plane, and the copies of the
// one service that it knows.
type plane struct {
	addr      string
	endpoints *cache.LinearCache
	server    *grpc.Server
	copies    []*http.Server
	ports     []uint32
	running   sync.WaitGroup
	cancel    context.CancelFunc
}

// startPlane starts a plane and three copies. It takes one copy after the other
// out of service for a while.
func startPlane(ctx context.Context, addr string, stdout io.Writer) (*plane, error) {
	ctx, cancel := context.WithCancel(ctx)
	p := &plane{endpoints: cache.NewLinearCache(resource.EndpointType), server: grpc.NewServer(), cancel: cancel}
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(p.server, server.NewServer(ctx, p.endpoints, nil))
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		cancel()
		return nil, err
	}
	p.addr = listener.Addr().String()
	p.running.Go(func() { _ = p.server.Serve(listener) })
	for _, name := range []string{"Ann", "Bob", "Cid"} {
		if err := p.startCopy(name); err != nil {
			p.stop()
			return nil, err
		}
	}
	if err := p.list(-1); err != nil {
		p.stop()
		return nil, err
	}
	p.running.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-time.After(3 * time.Second):
			case <-ctx.Done():
				return
			}
			out := i % (len(p.ports) + 1)
			if out == len(p.ports) {
				out = -1
			}
			if err := p.list(out); err != nil {
				fmt.Fprintln(stdout, err)
			}
		}
	})
	return p, nil
}

func (p *plane) startCopy(name string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c := &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "hello from %s", name) }),
	}
	p.running.Go(func() { _ = c.Serve(listener) })
	p.copies = append(p.copies, c)
	tcp, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return errors.New("no address of TCP")
	}
	p.ports = append(p.ports, uint32(tcp.AddrPort().Port()))
	return nil
}

// list lists the copies. One of them is draining, if there is one by that
// number.
func (p *plane) list(draining int) error {
	locality := &endpointv3.LocalityLbEndpoints{Locality: &corev3.Locality{Zone: "here"}}
	for i, port := range p.ports {
		e := &endpointv3.LbEndpoint{
			HealthStatus: corev3.HealthStatus_HEALTHY,
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
				Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
					Address: "127.0.0.1", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
				}}},
			}},
		}
		if i == draining {
			e.HealthStatus = corev3.HealthStatus_DRAINING
		}
		locality.LbEndpoints = append(locality.LbEndpoints, e)
	}
	return p.endpoints.UpdateResource("greeter", &endpointv3.ClusterLoadAssignment{
		ClusterName: "greeter", Endpoints: []*endpointv3.LocalityLbEndpoints{locality},
	})
}

func (p *plane) stop() {
	p.cancel()
	p.server.Stop()
	for _, c := range p.copies {
		_ = c.Close()
	}
	p.running.Wait()
}
