package xds

import (
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

	"github.com/namesake-go/namesake/discovery"
)

// Convert returns what a client with these options makes of an assignment.
func Convert(a *endpointv3.ClusterLoadAssignment, opts ...Option) ([]discovery.Instance, error) {
	c := newConfig(opts)
	return c.convert(a)
}
