package xds_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/stretchr/testify/assert"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/xds"
)

func TestNames(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(xds.WithResourceName("outbound|80||{service}.prod.svc"))
		orders := read(t, c, "orders")
		s := f.accept()
		assert.Equal(t, []string{"outbound|80||orders.prod.svc"}, s.request().GetResourceNames())
		const name = "xdstp://plane/envoy.config.endpoint.v3.ClusterLoadAssignment/users?zone=a"
		users := read(t, c, name)
		assert.Equal(t, []string{"outbound|80||orders.prod.svc", name}, s.request().GetResourceNames())
		s.send("1", list("outbound|80||orders.prod.svc", 1),
			&discoveryv3.Resource{Name: name, Resource: wrap(list("anything", 2)), Ttl: durationpb.New(time.Minute)})
		assert.Equal(t, []string{"10.0.0.1:80"}, orders.addrs())
		assert.Equal(t, []string{"10.0.0.2:80"}, users.addrs())
		assert.Nil(t, s.request().GetErrorDetail())
		s.send("1", &discoveryv3.Resource{Name: name, Ttl: durationpb.New(time.Minute)}) // it is still there
		assert.Nil(t, s.request().GetErrorDetail())
		users.nothing()
	})
}

func TestRejection(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client()
		orders, users := read(t, c, "orders"), read(t, c, "users")
		synctest.Wait()
		s := f.accept()
		for len(s.request().GetResourceNames()) < 2 {
		}
		s.send("1", list("orders", 1), list("users", 1))
		orders.set()
		users.set()
		s.request()

		bad := list("orders", 2)
		bad.Endpoints[0].Priority = 129
		s.send("2", bad, list("users", 2))
		assert.EqualError(t, orders.failure(), `xds: service "orders": resource "orders": locality "//": the priority 129 is above 128`)
		assert.Equal(t, []string{"10.0.0.2:80"}, users.addrs(), "the rest of the response is used")
		req := s.request()
		assert.Equal(t, "1", req.GetVersionInfo(), "the last that was good")
		assert.Equal(t, "n2", req.GetResponseNonce())
		assert.Equal(t, int32(codes.InvalidArgument), req.GetErrorDetail().GetCode())
		assert.Equal(t, `resource "orders": locality "//": the priority 129 is above 128`, req.GetErrorDetail().GetMessage())

		late := read(t, c, "orders")
		assert.Equal(t, []string{"10.0.0.1:80"}, late.addrs(), "the last good set")
		assert.ErrorContains(t, late.failure(), "priority 129")

		s.send("3", list("orders", 1))
		assert.Equal(t, []string{"10.0.0.1:80"}, orders.addrs(), "it is over")
		req = s.request()
		assert.Equal(t, "3", req.GetVersionInfo())
		assert.Nil(t, req.GetErrorDetail())
	})
}

// What cannot be read is rejected, whosever it is.
func TestUnreadable(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		var logged bytes.Buffer
		orders := read(t, f.client(xds.WithLogger(slog.New(slog.NewTextHandler(&logged, nil)))), "orders")
		s := f.accept()
		s.request()
		s.send("1", &anypb.Any{TypeUrl: resource.EndpointType, Value: []byte("{}")}, list("orders", 1))
		assert.Equal(t, []string{"10.0.0.1:80"}, orders.addrs())
		assert.Contains(t, s.request().GetErrorDetail().GetMessage(), "a resource cannot be read: ")
		orders.nothing()

		s.send("2", &anypb.Any{TypeUrl: "type.googleapis.com/google.protobuf.Empty"}, list(""), &discoveryv3.Resource{})
		assert.Equal(t, `a resource is of type "type.googleapis.com/google.protobuf.Empty"; a resource has no name; a resource is of type ""`,
			s.request().GetErrorDetail().GetMessage())

		s.send("3", &discoveryv3.Resource{Name: "orders", Resource: &anypb.Any{TypeUrl: resource.EndpointType, Value: []byte{0xff}}})
		assert.ErrorContains(t, orders.failure(), `resource "orders": a resource cannot be read: `)
		assert.Contains(t, s.request().GetErrorDetail().GetMessage(), `resource "orders": a resource cannot be read: `)

		s.out <- &discoveryv3.DiscoveryResponse{TypeUrl: resource.ClusterType, VersionInfo: "4", Nonce: "n4"}
		s.quiet() // an answer would ask for all clusters
		orders.nothing()
		assert.Contains(t, logged.String(), `msg="xds: rejected a response" version=1 error="a resource cannot be read: `)
		assert.Contains(t, logged.String(), `msg="xds: a response of a type that was not asked for" type=`+resource.ClusterType)
	})
}

// An endpoint that cannot be called hides no other, and the plane is told.
func TestPart(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		orders := read(t, f.client(), "orders")
		s := f.accept()
		s.request()
		a := list("orders", 1)
		a.Endpoints[0].LbEndpoints = append(a.Endpoints[0].LbEndpoints, endpoint("10.0.0.1", 80), endpoint("10.0.0.2", 0))
		s.send("1", a)
		assert.Equal(t, []string{"10.0.0.1:80"}, orders.addrs())
		err := orders.failure()
		assert.ErrorContains(t, err, `instance "10.0.0.1:80" is listed twice`)
		assert.ErrorContains(t, err, `address "10.0.0.2:0" has no port`)
		assert.Contains(t, s.request().GetErrorDetail().GetMessage(), "listed twice")
		s.send("2", a)
		orders.nothing() // the same again is no news
		s.request()
		s.send("3", list("orders", 1))
		assert.Equal(t, []string{"10.0.0.1:80"}, orders.addrs(), "it is over")
	})
}

// A plane that answers each rejection by sending the same again does not keep
// anyone busy.
func TestInsisting(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		orders := read(t, f.client(), "orders")
		s := f.accept()
		s.request()
		bad := list("orders", 1)
		bad.Endpoints[0].Priority = 129
		times := 0
		for start := time.Now(); time.Since(start) < 10*time.Minute; times++ {
			s.send("1", bad)
			assert.NotNil(t, s.request().GetErrorDetail())
		}
		assert.Greater(t, times, 60, "it is told every 10 s at least")
		assert.Less(t, times, 300)
		assert.ErrorContains(t, orders.failure(), "priority 129")
		orders.nothing() // once is enough
	})
}

func TestMissing(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client()
		start := time.Now()
		orders := read(t, c, "orders")
		s := f.accept()
		s.request()
		time.Sleep(10 * time.Second)
		users := read(t, c, "users")
		s.request()
		s.send("1", list("users"))
		assert.Empty(t, users.addrs())
		s.request()
		err := orders.failure()
		assert.EqualError(t, err, `xds: service "orders": resource "orders" was not sent within 15s: discovery: unknown service`)
		assert.ErrorIs(t, err, discovery.ErrUnknownService)
		assert.Equal(t, 15*time.Second, time.Since(start))
		time.Sleep(time.Hour)
		orders.nothing()
		users.nothing()
		s.send("2", list("orders", 1))
		assert.Equal(t, []string{"10.0.0.1:80"}, orders.addrs(), "it was waited for all the same")
		assert.Len(t, f.opened(), 1)
	})
}

func TestPlaneSaysWhy(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client()
		orders := read(t, c, "orders")
		s := f.accept()
		s.request()
		say := func(code codes.Code) {
			s.out <- &discoveryv3.DiscoveryResponse{TypeUrl: resource.EndpointType, Nonce: "n", ResourceErrors: []*discoveryv3.ResourceError{{
				ResourceName: &discoveryv3.ResourceName{Name: "orders"}, ErrorDetail: &rpcstatus.Status{Code: int32(code), Message: "no"},
			}}}
			assert.Nil(t, s.request().GetErrorDetail())
		}
		say(codes.PermissionDenied)
		err := orders.failure()
		assert.EqualError(t, err, `xds: service "orders": resource "orders": the control plane says: PermissionDenied: no`)
		assert.NotErrorIs(t, err, discovery.ErrUnknownService)
		say(codes.NotFound)
		assert.ErrorIs(t, orders.failure(), discovery.ErrUnknownService)
		say(codes.NotFound)
		time.Sleep(time.Minute)
		orders.nothing()
	})
}

// A resource that is left and asked for again, while a response is under way
// that makes the plane ignore both, is sent all the same.
func TestStaleNonce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client()
		orders, users := read(t, c, "orders"), read(t, c, "users")
		s := f.accept()
		synctest.Wait()
		for len(s.in) > 0 {
			s.request()
		}
		s.send("1", list("orders", 1), list("users", 1))
		orders.set()
		users.set()
		s.request()
		users.stop()
		assert.Equal(t, []string{"orders"}, s.request().GetResourceNames())
		users = read(t, c, "users")
		assert.Equal(t, []string{"orders", "users"}, s.request().GetResourceNames())
		s.send("2", list("orders", 2)) // sent before both were read
		req := s.request()
		assert.Equal(t, []string{"orders"}, req.GetResourceNames())
		assert.Equal(t, "n2", req.GetResponseNonce())
		req = s.request()
		assert.Equal(t, []string{"orders", "users"}, req.GetResourceNames())
		assert.Equal(t, "n2", req.GetResponseNonce())
		s.send("2", list("users", 1))
		assert.Equal(t, []string{"10.0.0.1:80"}, users.addrs())
		assert.Equal(t, []string{"orders", "users"}, s.request().GetResourceNames())
		s.quiet()

		ghost := read(t, c, "ghost")
		s.request()
		ghost.stop()
		s.request()
		s.send("3", list("orders", 3))
		assert.Equal(t, []string{"orders", "users"}, s.request().GetResourceNames())
		s.quiet() // nobody waits for it any more
	})
}

func TestClose(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client()
		orders := read(t, c, "orders")
		s := f.accept()
		c.Close()
		assert.Error(t, s.ctx.Err())
		assert.ErrorIs(t, orders.next().err, xds.ErrClosed)
		synctest.Wait()
		_, open := <-orders.pairs
		assert.False(t, open)
		again := read(t, c, "orders")
		assert.ErrorIs(t, again.next().err, xds.ErrClosed)
		c.Close()
		assert.Panics(t, func() { xds.New(nil) })
	})
}

// What a plane is told about faults has a bound.
func TestManyFaults(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		orders := read(t, f.client(), "orders")
		s := f.accept()
		s.request()
		a := list("orders")
		for i := range 10_000 {
			a.Endpoints[0].LbEndpoints = append(a.Endpoints[0].LbEndpoints, endpoint(fmt.Sprint("\u00fc", i), 1))
		}
		s.send("1", a)
		assert.ErrorContains(t, orders.failure(), "no usable host")
		text := s.request().GetErrorDetail().GetMessage()
		assert.Less(t, len(text), 5<<10)
		assert.True(t, strings.HasSuffix(text, "…"))

		for len(a.Endpoints) < 11 {
			a.Endpoints = append(a.Endpoints, a.Endpoints[0])
		}
		s.send("2", a)
		assert.ErrorContains(t, orders.failure(), "more than 100000 endpoints")
	})
}
