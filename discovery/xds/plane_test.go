package xds_test

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/xds"
)

// A plane is go-control-plane, on loopback.
type plane struct {
	addr  string
	cache *cache.LinearCache
	asked atomic.Int64 // requests

	mu       sync.Mutex
	requests []*discoveryv3.DiscoveryRequest
	deltas   []*discoveryv3.DeltaDiscoveryRequest
	streams  int // open
	server   *grpc.Server
}

func newPlane(t testing.TB) *plane {
	t.Helper()
	p := &plane{addr: "127.0.0.1:0", cache: cache.NewLinearCache(resource.EndpointType)}
	p.start(t)
	t.Cleanup(p.stop)
	return p
}

func (p *plane) start(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("tcp", p.addr)
	require.NoError(t, err)
	p.addr = listener.Addr().String()
	count := func(n int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.streams += n
	}
	p.server = grpc.NewServer()
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(p.server, server.NewServer(context.Background(), p.cache, server.CallbackFuncs{
		StreamOpenFunc:        func(context.Context, int64, string) error { count(1); return nil },
		StreamClosedFunc:      func(int64, *corev3.Node) { count(-1) },
		DeltaStreamOpenFunc:   func(context.Context, int64, string) error { count(1); return nil },
		DeltaStreamClosedFunc: func(int64, *corev3.Node) { count(-1) },
		StreamRequestFunc: func(_ int64, r *discoveryv3.DiscoveryRequest) error {
			p.asked.Add(1)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.requests = append(p.requests, r)
			return nil
		},
		StreamDeltaRequestFunc: func(_ int64, r *discoveryv3.DeltaDiscoveryRequest) error {
			p.asked.Add(1)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.deltas = append(p.deltas, r)
			return nil
		},
	}))
	go func(s *grpc.Server) { _ = s.Serve(listener) }(p.server) // ended by stop
}

func (p *plane) stop() { p.server.Stop() }

// set lists these endpoints and no others.
func (p *plane) set(t testing.TB, service string, instances ...discovery.Instance) {
	t.Helper()
	require.NoError(t, p.cache.UpdateResource(service, assignment(service, instances...)))
}

// dial connects to the plane, or to what stands before it.
func dial(t testing.TB, addr string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	opts = append(append(xds.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials())), opts...)
	conn, err := grpc.NewClient(addr, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// client returns a client of the plane.
func client(t testing.TB, conn grpc.ClientConnInterface, opts ...xds.Option) *xds.Client {
	t.Helper()
	c := xds.New(conn, opts...)
	t.Cleanup(c.Close)
	return c
}

// assignment writes instances as a control plane does: each in a locality of
// its own.
func assignment(service string, instances ...discovery.Instance) *endpointv3.ClusterLoadAssignment {
	a := &endpointv3.ClusterLoadAssignment{ClusterName: service}
	for _, in := range instances {
		host, port, err := net.SplitHostPort(in.Addr)
		if err != nil {
			panic(err)
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			panic(err)
		}
		e := endpoint(host, uint32(n))
		if in.Weight != 0 {
			e.LoadBalancingWeight = wrapperspb.UInt32(in.Weight)
		}
		fields := make(map[string]*structpb.Value)
		for k, v := range in.Metadata {
			fields[k] = structpb.NewStringValue(v)
		}
		if in.Scheme != "" {
			fields["scheme"] = structpb.NewStringValue(in.Scheme)
		}
		e.Metadata = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"envoy.lb": {Fields: fields}}}
		a.Endpoints = append(a.Endpoints, &endpointv3.LocalityLbEndpoints{
			Locality: &corev3.Locality{Zone: in.Zone}, Priority: in.Priority, LbEndpoints: []*endpointv3.LbEndpoint{e},
		})
	}
	return a
}

func endpoint(host string, port uint32) *endpointv3.LbEndpoint {
	return &endpointv3.LbEndpoint{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: socket(host, port)}}}
}

func socket(host string, port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: host, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}

// strip takes away what the protocol does not carry, an ID, and what it adds.
func strip(in discovery.Instance) discovery.Instance {
	metadata := map[string]string{}
	for k, v := range in.Metadata {
		if k != "zone" && k != "scheme" {
			metadata[k] = v
		}
	}
	in.ID, in.Metadata = "", metadata
	if in.Weight == 1 {
		in.Weight = 0
	}
	return in
}

// A reader takes what a watch yields, one after the other.
type reader struct {
	t     *testing.T
	pairs chan pair
	stop  func()
}

type pair struct {
	set []discovery.Instance
	err error
}

func read(t *testing.T, w discovery.Watcher, service string) *reader {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	r := &reader{t: t, pairs: make(chan pair, 1000), stop: func() {
		cancel()
		<-done
	}}
	go func() { // ended by stop
		defer close(done)
		defer close(r.pairs)
		for set, err := range w.Watch(ctx, service) {
			r.pairs <- pair{set, err}
		}
	}()
	t.Cleanup(r.stop)
	return r
}

// next waits for news.
func (r *reader) next() pair {
	r.t.Helper()
	select {
	case p, ok := <-r.pairs:
		require.True(r.t, ok, "the watch has ended")
		return p
	case <-time.After(time.Minute):
		require.FailNow(r.t, "no news within a minute")
		return pair{}
	}
}

func (r *reader) set() []discovery.Instance {
	r.t.Helper()
	p := r.next()
	require.NoError(r.t, p.err)
	return p.set
}

func (r *reader) failure() error {
	r.t.Helper()
	p := r.next()
	require.Error(r.t, p.err)
	return p.err
}

// addrs waits for a set, and returns its addresses.
func (r *reader) addrs() []string {
	r.t.Helper()
	out := []string{}
	for _, in := range r.set() {
		out = append(out, in.Addr)
	}
	return out
}
