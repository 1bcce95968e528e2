package xds

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"

	"github.com/namesake-go/namesake/discovery"
)

// A response is what both variants of the protocol have in common.
type response struct {
	typeURL   string
	version   string
	nonce     string
	resources []*discoveryv3.Resource
	removed   []string
	errors    []*discoveryv3.ResourceError
}

// apply takes in what a response says of resources that were asked for, and
// returns what of that makes no sense.
func (x *exchange) apply(response *response) error {
	var faults []error
	for _, res := range response.resources {
		name, assignment, err := decode(res)
		r := x.asked[name]
		if name == "" {
			faults = append(faults, err)
		}
		if r == nil {
			continue
		}
		delete(x.missing, name)
		var set []discovery.Instance
		if err == nil {
			if assignment == nil {
				continue // it is as it was
			}
			set, err = x.s.c.convert(assignment)
		}
		if err != nil {
			err = fmt.Errorf("resource %q: %w", name, err)
			faults = append(faults, err)
		}
		if err != nil && len(set) == 0 {
			r.reject(err)
		} else {
			r.accept(set, res.GetVersion(), err)
		}
	}
	for _, name := range response.removed {
		if r := x.asked[name]; r != nil {
			delete(x.missing, name)
			r.gone()
		}
	}
	for _, e := range response.errors {
		if r := x.asked[e.GetResourceName().GetName()]; r != nil {
			delete(x.missing, r.name)
			r.reject(planeError(r.name, e))
		}
	}
	return errors.Join(faults...)
}

// planeError is why the plane does not send a resource.
func planeError(name string, e *discoveryv3.ResourceError) error {
	code := codes.Code(e.GetErrorDetail().GetCode())
	err := fmt.Errorf("resource %q: the control plane says: %v: %s", name, code, clip(e.GetErrorDetail().GetMessage()))
	if code == codes.NotFound {
		err = fmt.Errorf("%w: %w", err, discovery.ErrUnknownService)
	}
	return err
}

// detail tells the plane what is wrong.
func detail(fault error) *rpcstatus.Status {
	if fault == nil {
		return nil
	}
	return &rpcstatus.Status{Code: int32(codes.InvalidArgument), Message: clip(strings.ReplaceAll(fault.Error(), "\n", "; "))}
}

// maxText bounds what is said about faults, of which there may be many.
const maxText = 4 << 10

// clip cuts a text that is too long, and makes it one that can be sent.
func clip(text string) string {
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "�")
	}
	return text
}
