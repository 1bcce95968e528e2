package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Resource versions and continue tokens are sent back to the server as they
// came, and so are bounded.
const (
	maxVersionLength  = 128
	maxContinueLength = 8 << 10
)

// A slice is an EndpointSlice of discovery.k8s.io/v1, as far as it is used
// here.
type slice struct {
	Metadata    metadata
	AddressType string
	Endpoints   []endpoint
	Ports       []port
}

type metadata struct{ Name, ResourceVersion, Continue string }

type endpoint struct {
	Addresses  []string
	Conditions conditions
	Hostname   string
	TargetRef  struct{ Kind, Name, UID string }
	NodeName   string
	Zone       string
	Hints      struct{ ForZones, ForNodes []struct{ Name string } }
}

// conditions are what a nil means as well.
type conditions struct{ Ready, Serving, Terminating *bool }

func (c conditions) ready() bool       { return c.Ready == nil || *c.Ready }
func (c conditions) serving() bool     { return c.Serving == nil || *c.Serving }
func (c conditions) terminating() bool { return c.Terminating != nil && *c.Terminating }

type port struct {
	Name        string
	Port        *int32
	Protocol    string
	AppProtocol string
}

// A page is a part of a list.
type page struct {
	Kind     string
	Metadata metadata
	Items    []slice
}

func parsePage(text []byte) (page, error) {
	var p page
	if err := json.Unmarshal(text, &p); err != nil {
		return page{}, fmt.Errorf("malformed list: %w", err)
	}
	switch {
	case p.Kind != "EndpointSliceList":
		return page{}, fmt.Errorf("answered %.40q for an EndpointSliceList", p.Kind)
	case !isVersion(p.Metadata.ResourceVersion):
		return page{}, errors.New("malformed list: no usable resourceVersion")
	case len(p.Metadata.Continue) > maxContinueLength:
		return page{}, errors.New("malformed list: the continue token is too long")
	}
	for _, s := range p.Items {
		if s.Metadata.Name == "" {
			return page{}, errors.New("malformed list: an endpoint slice without a name")
		}
	}
	return p, nil
}

// An event is one change, or what ends a watch.
type event struct {
	kind    string // "ADDED", "MODIFIED", "DELETED" or "BOOKMARK"
	version string
	slice   *slice // nil for a bookmark
}

// parseEvent returns an error for an event that says that the watch has
// failed, as well as for a malformed one.
func parseEvent(text []byte) (event, error) {
	var raw struct {
		Type   string
		Object json.RawMessage
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return event{}, fmt.Errorf("malformed event: %w", err)
	}
	switch raw.Type {
	case "ADDED", "MODIFIED", "DELETED", "BOOKMARK":
	case "ERROR":
		var s status
		if err := json.Unmarshal(raw.Object, &s); err != nil {
			return event{}, fmt.Errorf("malformed error event: %w", err)
		}
		return event{}, &watchError{s}
	default:
		return event{}, fmt.Errorf("malformed event: type %.40q is not known", raw.Type)
	}
	s := new(slice)
	if err := json.Unmarshal(raw.Object, s); err != nil {
		return event{}, fmt.Errorf("malformed %s event: %w", raw.Type, err)
	}
	e := event{kind: raw.Type, version: s.Metadata.ResourceVersion}
	if !isVersion(e.version) {
		return event{}, fmt.Errorf("malformed %s event: no usable resourceVersion", raw.Type)
	}
	if e.kind != "BOOKMARK" {
		if e.slice = s; s.Metadata.Name == "" {
			return event{}, fmt.Errorf("malformed %s event: an endpoint slice without a name", raw.Type)
		}
	}
	return e, nil
}

func isVersion(s string) bool { return s != "" && len(s) <= maxVersionLength }

// A status is the body of an answer that is an error.
type status struct {
	Message string
	Reason  string
	Code    int
}

// A watchError is an error that came as an event.
type watchError struct{ status }

func (e *watchError) Error() string {
	return fmt.Sprintf("the watch failed: %d %.40s: %.200q", e.Code, e.Reason, e.Message)
}

// Is makes the event that says that the version is too old an errExpired.
func (e *watchError) Is(target error) bool {
	return target == errExpired && (e.Code == http.StatusGone || e.Reason == "Expired" || e.Reason == "Gone")
}
