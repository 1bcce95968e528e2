package xds

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/namesake-go/namesake/discovery"
)

const (
	typeURL    = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
	wrapperURL = "type.googleapis.com/envoy.service.discovery.v3.Resource"

	// maxEndpoints bounds a service.
	maxEndpoints = 100_000

	// maxPriority is what the protocol allows.
	maxPriority = 128

	// degraded is added to the priority of endpoints that are degraded, so
	// that they come after all others, which is Envoy's order.
	degraded = maxPriority + 1
)

// The keys of metadata for facts that instances have no place for.
const (
	keyScheme   = "scheme"
	keyHostname = "hostname"
	keyRegion   = "region"
	keyZone     = "zone"
	keySubZone  = "sub_zone"
)

// decode returns the name of a resource and what it says: nil if it is only to
// say that nothing has changed. The name is empty if it cannot be known.
func decode(r *discoveryv3.Resource) (name string, a *endpointv3.ClusterLoadAssignment, err error) {
	name = r.GetName()
	if name == "" {
		name = r.GetResourceName().GetName()
	}
	body := r.GetResource()
	switch {
	case body == nil && name != "":
		return name, nil, nil
	case body.GetTypeUrl() != typeURL:
		return name, nil, fmt.Errorf("a resource is of type %q", clip(body.GetTypeUrl()))
	}
	a = new(endpointv3.ClusterLoadAssignment)
	if err := proto.Unmarshal(body.GetValue(), a); err != nil {
		return name, nil, fmt.Errorf("a resource cannot be read: %v", err)
	}
	if name == "" {
		name = a.GetClusterName()
	}
	if name == "" {
		return "", nil, errors.New("a resource has no name")
	}
	return name, a, nil
}

// convert returns the set that an assignment means. The error says what makes
// no sense: some of the endpoints, or, without a set, all of it.
func (c *config) convert(a *endpointv3.ClusterLoadAssignment) ([]discovery.Instance, error) {
	total := 0
	for _, l := range a.GetEndpoints() {
		total += len(l.GetLbEndpoints())
	}
	if total > maxEndpoints {
		return nil, fmt.Errorf("more than %d endpoints", maxEndpoints)
	}
	shares, err := sharesOf(a.GetEndpoints())
	if err != nil {
		return nil, err
	}
	var instances []discovery.Instance
	var faults []error
	for i, l := range a.GetEndpoints() {
		switch {
		case l.GetLbConfig() != nil:
			faults = append(faults, fmt.Errorf("locality %s: its endpoints are a collection elsewhere, which is not looked up", placeOf(l)))
			continue
		case shares[i].none:
			continue
		}
		for j, e := range l.GetLbEndpoints() {
			in, used, err := c.instance(l, e)
			if err != nil {
				faults = append(faults, fmt.Errorf("locality %s: endpoint %d: %w", placeOf(l), j, err))
				continue
			}
			if used {
				in.Weight = shares[i].weight(in.Weight)
				instances = append(instances, in)
			}
		}
	}
	set, err := discovery.CleanSet(instances)
	if err != nil {
		faults = append(faults, err)
	}
	return set, errors.Join(faults...)
}

// instance returns the instance that an endpoint means, with the endpoint's own
// weight, and whether it can be used now.
func (c *config) instance(l *endpointv3.LocalityLbEndpoints, e *endpointv3.LbEndpoint) (in discovery.Instance, used bool, err error) {
	in = discovery.Instance{Priority: l.GetPriority(), Weight: 1}
	switch e.GetHealthStatus() {
	case corev3.HealthStatus_UNKNOWN, corev3.HealthStatus_HEALTHY:
	case corev3.HealthStatus_DEGRADED:
		in.Priority += degraded
	default:
		return in, false, nil
	}
	if e.GetEndpoint() == nil {
		return in, false, errors.New("it has no address of its own")
	}
	in.Addr, err = address(e.GetEndpoint().GetAddress())
	if err != nil {
		return in, false, err
	}
	if w := e.GetLoadBalancingWeight(); w != nil {
		if in.Weight = w.GetValue(); in.Weight == 0 {
			return in, false, fmt.Errorf("%s has the weight 0", in.Addr)
		}
	}
	in.Metadata = texts(e.GetMetadata().GetFilterMetadata()[c.namespace])
	add := func(key, value string) {
		if _, ok := in.Metadata[key]; !ok && value != "" {
			in.Metadata[key] = value
		}
	}
	place := l.GetLocality()
	add(keyHostname, e.GetEndpoint().GetHostname())
	add(keyRegion, place.GetRegion())
	add(keyZone, place.GetZone())
	add(keySubZone, place.GetSubZone())
	in.Zone = place.GetZone()
	if in.Zone == "" {
		in.Zone = place.GetRegion()
	}
	if scheme := strings.ToLower(in.Metadata[keyScheme]); scheme == "http" || scheme == "https" {
		in.Scheme = scheme
	}
	return in, true, nil
}

// address returns what can be dialed.
func address(a *corev3.Address) (string, error) {
	s := a.GetSocketAddress()
	switch {
	case a.GetPipe() != nil:
		return "", fmt.Errorf("it listens at a pipe, %q", a.GetPipe().GetPath())
	case a.GetEnvoyInternalAddress() != nil:
		return "", errors.New("its address is internal to Envoy")
	case s == nil:
		return "", errors.New("it has no address")
	case s.GetProtocol() != corev3.SocketAddress_TCP:
		return "", fmt.Errorf("%q is no address of TCP", s.GetAddress())
	}
	if _, ok := s.GetPortSpecifier().(*corev3.SocketAddress_NamedPort); ok {
		return "", fmt.Errorf("%q has a port by name, %q", s.GetAddress(), s.GetNamedPort())
	}
	return net.JoinHostPort(s.GetAddress(), strconv.FormatUint(uint64(s.GetPortValue()), 10)), nil
}

// texts returns what of a struct is text, a number or a truth value.
func texts(s *structpb.Struct) map[string]string {
	out := make(map[string]string, len(s.GetFields()))
	for key, v := range s.GetFields() {
		switch v := v.GetKind().(type) {
		case *structpb.Value_StringValue:
			out[key] = v.StringValue
		case *structpb.Value_NumberValue:
			out[key] = strconv.FormatFloat(v.NumberValue, 'f', -1, 64)
		case *structpb.Value_BoolValue:
			out[key] = strconv.FormatBool(v.BoolValue)
		}
	}
	return out
}

// placeOf names a locality.
func placeOf(l *endpointv3.LocalityLbEndpoints) string {
	p := l.GetLocality()
	return strconv.Quote(strings.Join([]string{p.GetRegion(), p.GetZone(), p.GetSubZone()}, "/"))
}
