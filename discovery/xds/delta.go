package xds

import (
	"maps"
	"slices"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
)

// delta is the incremental variant: requests and responses name what changes.
type delta struct {
	session *session
	client  discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	begun   bool
	names   map[string]*resource
}

func (d *delta) ask(wanted map[string]*resource) error {
	req := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeURL}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if d.names[name] == nil {
			req.ResourceNamesSubscribe = append(req.ResourceNamesSubscribe, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		if wanted[name] == nil {
			req.ResourceNamesUnsubscribe = append(req.ResourceNamesUnsubscribe, name)
		}
	}
	if !d.begun {
		d.begun, req.Node = true, d.session.c.node.proto()
		req.InitialResourceVersions = make(map[string]string)
		for name, r := range wanted {
			if r.settled() { // whoever has a version is not sent it again
				req.InitialResourceVersions[name] = r.version
			}
		}
	}
	d.names = wanted
	return d.client.Send(req)
}

func (d *delta) answer(r *response, fault error, _ map[string]bool) error {
	return d.client.Send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeURL, ResponseNonce: r.nonce, ErrorDetail: detail(fault)})
}

func (d *delta) recv() (*response, error) {
	r, err := d.client.Recv()
	if err != nil {
		return nil, err
	}
	removed := slices.Clone(r.GetRemovedResources())
	for _, name := range r.GetRemovedResourceNames() {
		removed = append(removed, name.GetName())
	}
	return &response{
		typeURL: r.GetTypeUrl(), version: r.GetSystemVersionInfo(), nonce: r.GetNonce(),
		resources: r.GetResources(), removed: removed, errors: r.GetResourceErrors(),
	}, nil
}
