package xds_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/namesake-go/namesake/discovery/xds"
)

// A fake is a connection to a control plane that the test plays by hand, in
// virtual time. It opens streams while it is up.
type fake struct {
	t       *testing.T
	began   time.Time
	streams chan *talk

	mu    sync.Mutex // guards the rest
	down  error      // why there are no streams
	hang  bool       // connecting takes forever
	tries []time.Duration
}

// A talk is the plane's side of one stream.
type talk struct {
	grpc.ClientStream
	t    *testing.T
	ctx  context.Context
	in   chan proto.Message // what the client says
	out  chan proto.Message
	over chan error  // ends the stream
	deaf atomic.Bool // does not read
}

// inBubble runs a test against a fake, in virtual time.
func inBubble(t *testing.T, test func(t *testing.T, f *fake)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, &fake{t: t, began: time.Now(), streams: make(chan *talk, 100)})
	})
}

func (f *fake) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	return errors.New("there is nothing to invoke")
}

func (f *fake) NewStream(ctx context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	f.mu.Lock()
	f.tries = append(f.tries, time.Since(f.began))
	hang, down := f.hang, f.down
	f.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if down != nil {
		return nil, down
	}
	assert.True(f.t, strings.HasPrefix(method, "/envoy.service.discovery.v3.AggregatedDiscoveryService/"), method)
	s := &talk{t: f.t, ctx: ctx, in: make(chan proto.Message, 100), out: make(chan proto.Message), over: make(chan error, 1)}
	f.streams <- s
	return s, nil
}

// be has streams fail, or hang, from now on.
func (f *fake) be(down error, hang bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down, f.hang = down, hang
}

// opened returns when streams were tried to be opened.
func (f *fake) opened() []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.tries)
}

// accept waits for a stream.
func (f *fake) accept() *talk {
	f.t.Helper()
	select {
	case s := <-f.streams:
		return s
	case <-time.After(time.Hour):
		require.FailNow(f.t, "no stream within an hour")
		return nil
	}
}

func (s *talk) SendMsg(m any) error {
	if s.deaf.Load() {
		<-s.ctx.Done()
		return s.ctx.Err()
	}
	s.in <- proto.Clone(m.(proto.Message))
	return nil
}

func (s *talk) RecvMsg(m any) error {
	select {
	case got := <-s.out:
		proto.Merge(m.(proto.Message), got)
		return nil
	case err := <-s.over:
		s.over <- err
		return err
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// heard waits for a request.
func heard[M proto.Message](s *talk) M {
	s.t.Helper()
	select {
	case m := <-s.in:
		got, ok := m.(M)
		require.True(s.t, ok, "%T", m)
		return got
	case <-time.After(time.Hour):
		require.FailNow(s.t, "no request within an hour")
		panic("unreachable")
	}
}

func (s *talk) request() *discoveryv3.DiscoveryRequest {
	s.t.Helper()
	return heard[*discoveryv3.DiscoveryRequest](s)
}

func (s *talk) deltaRequest() *discoveryv3.DeltaDiscoveryRequest {
	s.t.Helper()
	return heard[*discoveryv3.DeltaDiscoveryRequest](s)
}

// quiet checks that nothing more has been said.
func (s *talk) quiet() {
	s.t.Helper()
	synctest.Wait()
	assert.Empty(s.t, s.in)
}

// send sends resources with a version, which is the nonce as well.
func (s *talk) send(version string, resources ...proto.Message) {
	s.t.Helper()
	r := &discoveryv3.DiscoveryResponse{TypeUrl: resource.EndpointType, VersionInfo: version, Nonce: "n" + version}
	for _, m := range resources {
		r.Resources = append(r.Resources, wrap(m))
	}
	s.out <- r
}

// wrap makes an Any of what is none.
func wrap(m proto.Message) *anypb.Any {
	if done, ok := m.(*anypb.Any); ok {
		return done
	}
	body, err := anypb.New(m)
	if err != nil {
		panic(err)
	}
	return body
}

// sendDelta sends what has changed. The nonce is n and the version.
func (s *talk) sendDelta(version string, removed []string, assignments ...*endpointv3.ClusterLoadAssignment) {
	s.t.Helper()
	r := &discoveryv3.DeltaDiscoveryResponse{TypeUrl: resource.EndpointType, SystemVersionInfo: version, Nonce: "n" + version, RemovedResources: removed}
	for _, a := range assignments {
		r.Resources = append(r.Resources, &discoveryv3.Resource{Name: a.GetClusterName(), Version: version, Resource: wrap(a)})
	}
	s.out <- r
}

// list is an assignment of endpoints at addresses 10.0.0.n, port 80.
func list(service string, numbers ...byte) *endpointv3.ClusterLoadAssignment {
	l := &endpointv3.LocalityLbEndpoints{}
	for _, n := range numbers {
		l.LbEndpoints = append(l.LbEndpoints, endpoint("10.0.0."+string('0'+n), 80))
	}
	return &endpointv3.ClusterLoadAssignment{ClusterName: service, Endpoints: []*endpointv3.LocalityLbEndpoints{l}}
}

// follow makes a client of a fake and reads a service.
func (f *fake) client(opts ...xds.Option) *xds.Client { return client(f.t, f, opts...) }

// nothing checks that there is no news.
func (r *reader) nothing() {
	r.t.Helper()
	synctest.Wait()
	assert.Empty(r.t, r.pairs)
}
