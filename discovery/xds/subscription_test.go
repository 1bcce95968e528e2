package xds_test

import (
	"testing"
	"testing/synctest"

	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery/xds"
)

func TestSubscriptions(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(xds.WithNode(xds.Node{ID: "me", Cluster: "shop", Region: "eu", Zone: "eu-1a", Metadata: map[string]string{"a": "b"}}))
		synctest.Wait()
		assert.Empty(t, f.opened(), "nobody watches")

		orders := read(t, c, "orders")
		s := f.accept()
		req := s.request()
		assert.Equal(t, []string{"orders"}, req.GetResourceNames())
		assert.Equal(t, resource.EndpointType, req.GetTypeUrl())
		assert.Empty(t, req.GetVersionInfo())
		assert.Empty(t, req.GetResponseNonce())
		assert.Equal(t, "me", req.GetNode().GetId())
		assert.Equal(t, "shop", req.GetNode().GetCluster())
		assert.Equal(t, "eu-1a", req.GetNode().GetLocality().GetZone())
		assert.Equal(t, "b", req.GetNode().GetMetadata().GetFields()["a"].GetStringValue())

		s.send("1", list("orders", 1, 2), list("stray", 3))
		assert.Equal(t, []string{"10.0.0.1:80", "10.0.0.2:80"}, orders.addrs())
		req = s.request()
		assert.Equal(t, "1", req.GetVersionInfo())
		assert.Equal(t, "n1", req.GetResponseNonce())
		assert.Nil(t, req.GetErrorDetail())
		assert.Nil(t, req.GetNode(), "once is enough")

		users, more := read(t, c, "users"), read(t, c, "orders")
		assert.Equal(t, []string{"10.0.0.1:80", "10.0.0.2:80"}, more.addrs(), "it is known")
		req = s.request()
		assert.Equal(t, []string{"orders", "users"}, req.GetResourceNames())
		assert.Equal(t, "1", req.GetVersionInfo())
		assert.Equal(t, "n1", req.GetResponseNonce())
		s.send("2", list("users", 5))
		assert.Equal(t, []string{"10.0.0.5:80"}, users.addrs())
		assert.Equal(t, "2", s.request().GetVersionInfo())
		orders.nothing() // what a response does not mention has not gone

		more.stop()
		s.quiet()
		orders.stop()
		assert.Equal(t, []string{"users"}, s.request().GetResourceNames())
		s.quiet()
		users.stop()
		assert.Error(t, s.ctx.Err(), "the last watch ends the stream")
		assert.Len(t, f.opened(), 1)
	})
}

func TestDeltaSubscriptions(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(xds.WithDelta(), xds.WithNode(xds.Node{ID: "me"}))
		orders := read(t, c, "orders")
		s := f.accept()
		req := s.deltaRequest()
		assert.Equal(t, []string{"orders"}, req.GetResourceNamesSubscribe())
		assert.Equal(t, resource.EndpointType, req.GetTypeUrl())
		assert.Empty(t, req.GetInitialResourceVersions())
		assert.Equal(t, "me", req.GetNode().GetId())
		s.sendDelta("1", nil, list("orders", 1))
		assert.Equal(t, []string{"10.0.0.1:80"}, orders.addrs())
		req = s.deltaRequest()
		assert.Equal(t, "n1", req.GetResponseNonce())
		assert.Nil(t, req.GetErrorDetail())
		assert.Empty(t, req.GetResourceNamesSubscribe())
		assert.Nil(t, req.GetNode())

		users := read(t, c, "users")
		req = s.deltaRequest()
		assert.Equal(t, []string{"users"}, req.GetResourceNamesSubscribe())
		assert.Empty(t, req.GetResponseNonce(), "it is no answer")
		s.sendDelta("2", []string{"users", "stray"})
		assert.ErrorContains(t, users.failure(), `xds: service "users": resource "users": discovery: unknown service`)
		s.deltaRequest()

		bad := list("orders")
		bad.Endpoints[0].Priority = 200
		s.sendDelta("3", nil, bad)
		assert.ErrorContains(t, orders.failure(), "the priority 200 is above 128")
		req = s.deltaRequest()
		assert.Equal(t, "n3", req.GetResponseNonce())
		assert.Contains(t, req.GetErrorDetail().GetMessage(), `resource "orders": locality "//": the priority 200 is above 128`)

		s.sendDelta("4", []string{"orders"})
		assert.ErrorContains(t, orders.failure(), "unknown service")
		s.deltaRequest()
		late := read(t, c, "orders")
		assert.ErrorContains(t, late.failure(), "unknown service")
		late.nothing() // the set is hidden
		s.sendDelta("5", nil, list("orders", 1), list("users"))
		assert.Equal(t, []string{"10.0.0.1:80"}, orders.addrs(), "as before, but the error is over")
		assert.Equal(t, []string{"10.0.0.1:80"}, late.addrs())
		assert.Empty(t, users.addrs())
		s.deltaRequest()

		users.stop()
		req = s.deltaRequest()
		assert.Equal(t, []string{"users"}, req.GetResourceNamesUnsubscribe())
		assert.Empty(t, req.GetResourceNamesSubscribe())
		s.quiet()
	})
}
