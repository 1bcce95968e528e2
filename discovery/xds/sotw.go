package xds

import (
	"maps"
	"slices"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
)

// sotw is the state of the world: each request names all resources that are
// wanted, and stands for the last response with the version that counts.
type sotw struct {
	session *session
	client  discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesClient
	begun   bool
	version string
	nonce   string
	names   []string
	changed bool // names have changed since the last response
}

func (s *sotw) ask(wanted map[string]*resource) error {
	if !s.begun {
		s.version = s.session.version
		for _, r := range wanted {
			if !r.settled() { // whoever has the version is not sent it again
				s.version = ""
			}
		}
	}
	s.changed = s.begun
	s.names = slices.Sorted(maps.Keys(wanted))
	return s.send(s.names, nil)
}

// answer is careful about planes that ignore requests which they read after
// having sent another response: such a plane may not have noticed that a
// resource was left and asked for again, and would never send it. It is left
// and asked for once more.
func (s *sotw) answer(r *response, fault error, missing map[string]bool) error {
	s.nonce = r.nonce
	if fault == nil {
		s.version, s.session.version = r.version, r.version
	}
	changed := s.changed
	s.changed = false
	if changed && len(missing) > 0 && len(missing) < len(s.names) {
		names := slices.DeleteFunc(slices.Clone(s.names), func(name string) bool { return missing[name] })
		if err := s.send(names, fault); err != nil {
			return err
		}
		fault = nil
	}
	return s.send(s.names, fault)
}

func (s *sotw) send(names []string, fault error) error {
	req := &discoveryv3.DiscoveryRequest{
		TypeUrl: typeURL, VersionInfo: s.version, ResponseNonce: s.nonce, ResourceNames: names, ErrorDetail: detail(fault),
	}
	if !s.begun {
		s.begun, req.Node = true, s.session.c.node.proto()
	}
	return s.client.Send(req)
}

func (s *sotw) recv() (*response, error) {
	r, err := s.client.Recv()
	if err != nil {
		return nil, err
	}
	resources := make([]*discoveryv3.Resource, len(r.GetResources()))
	for i, body := range r.GetResources() {
		resources[i] = &discoveryv3.Resource{Resource: body}
		if body.GetTypeUrl() == wrapperURL {
			var wrapper discoveryv3.Resource
			if proto.Unmarshal(body.GetValue(), &wrapper) == nil { // or else its type is wrong
				resources[i] = &wrapper
			}
		}
	}
	return &response{typeURL: r.GetTypeUrl(), version: r.GetVersionInfo(), nonce: r.GetNonce(), resources: resources, errors: r.GetResourceErrors()}, nil
}
