package eurekaserver

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A route is what a path and a method ask for. Its arguments are the variable
// segments of the path, decoded.
type route func(s *Server, w http.ResponseWriter, r *http.Request, args []string)

// resources are the paths below the prefix, each with its methods. "*" stands
// for any one segment; of two patterns that match, the first counts.
var resources = []struct {
	pattern []string
	methods map[string]route
}{
	{[]string{"apps"}, map[string]route{http.MethodGet: gated((*Server).getApps)}},
	{[]string{"apps", "delta"}, map[string]route{http.MethodGet: gated((*Server).getDelta)}},
	{[]string{"apps", "*"}, map[string]route{http.MethodGet: gated((*Server).getApp), http.MethodPost: (*Server).register}},
	{[]string{"apps", "*", "*"}, map[string]route{
		http.MethodGet:    (*Server).getInstance,
		http.MethodPut:    (*Server).heartbeat,
		http.MethodDelete: (*Server).cancel,
	}},
	{[]string{"apps", "*", "*", "status"}, map[string]route{
		http.MethodPut:    (*Server).setStatus,
		http.MethodDelete: (*Server).removeStatus,
	}},
	{[]string{"apps", "*", "*", "metadata"}, map[string]route{http.MethodPut: (*Server).putMetadata}},
	{[]string{"instances", "*"}, map[string]route{http.MethodGet: (*Server).getAnywhere}},
	{[]string{"vips", "*"}, map[string]route{http.MethodGet: gated((*Server).getVIP)}},
	{[]string{"svips", "*"}, map[string]route{http.MethodGet: gated((*Server).getSecureVIP)}},
	{[]string{"peerreplication", "batch"}, map[string]route{http.MethodPost: (*Server).batch}},
	{[]string{"peerreplication", "digest"}, map[string]route{http.MethodPost: (*Server).digest}},
	{[]string{"peerreplication", "fetch"}, map[string]route{http.MethodPost: (*Server).fetch}},
	{[]string{"status"}, map[string]route{http.MethodGet: (*Server).getStatus}},
}

// find returns which of the resources a URL names, and its arguments. The
// index is -1 if it is none.
func (s *Server) find(u *url.URL) (resource int, args []string) {
	if segments, ok := s.resource(u); ok {
		for i := range resources {
			if args, ok := match(resources[i].pattern, segments); ok {
				return i, args
			}
		}
	}
	return -1, nil
}

// resource returns the segments of a path below the prefix and the version,
// decoded. The path is split as it was sent, since ids may contain encoded
// slashes; empty segments do not count, since base URLs are put together
// carelessly.
func (s *Server) resource(u *url.URL) (segments []string, ok bool) {
	for raw := range strings.SplitSeq(u.EscapedPath(), "/") {
		if raw == "" {
			continue
		}
		segment, err := url.PathUnescape(raw)
		if err != nil {
			return nil, false
		}
		segments = append(segments, segment)
	}
	prefix := s.settings.prefix
	if len(segments) < len(prefix) || !slices.Equal(segments[:len(prefix)], prefix) {
		return nil, false
	}
	segments = segments[len(prefix):]
	if len(segments) > 0 && isVersion(segments[0]) {
		segments = segments[1:]
	}
	return segments, true
}

// isVersion reports whether a segment is "v" and digits. All versions are the
// same.
func isVersion(segment string) bool {
	digits, ok := strings.CutPrefix(segment, "v")
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

func match(pattern, segments []string) (args []string, ok bool) {
	if len(pattern) != len(segments) {
		return nil, false
	}
	for i, p := range pattern {
		switch p {
		case segments[i]:
		case "*":
			args = append(args, segments[i])
		default:
			return nil, false
		}
	}
	return args, true
}

func allowed(methods map[string]route) string {
	var names []string
	for name := range methods {
		names = append(names, name)
		if name == http.MethodGet {
			names = append(names, http.MethodHead)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
