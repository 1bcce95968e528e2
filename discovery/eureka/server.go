package eureka

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// A server is one of a cluster's servers. Its credentials are apart from its
// URL, so that the URL can be shown.
type server struct {
	base string        // URL without credentials and trailing slash
	user *url.Userinfo // nil means none
	near bool          // in the zone of the client
}

// String returns the server's URL without credentials.
func (s *server) String() string { return s.base }

// same reports whether two servers are one.
func (s *server) same(t *server) bool {
	return s.base == t.base && s.near == t.near && s.user.String() == t.user.String()
}

// parseZones reads lists of URLs by zone. The servers of the client's own zone
// come first, the others in the order of their zones' names.
func parseZones(own string, lists map[string]string) ([]*server, error) {
	var servers []*server
	add := func(zone string) error {
		near := zone == own && own != ""
		more, err := parseServers(lists[zone])
		for _, s := range more {
			s.near = near
			if !slices.ContainsFunc(servers, func(known *server) bool { return known.base == s.base }) {
				servers = append(servers, s)
			}
		}
		return err
	}
	zones := slices.Sorted(maps.Keys(lists))
	if i := slices.Index(zones, own); i > 0 {
		zones = slices.Insert(slices.Delete(zones, i, i+1), 0, own)
	}
	for _, zone := range zones {
		if strings.Trim(lists[zone], ", ") == "" {
			continue // a zone without servers
		}
		if err := add(zone); err != nil {
			return nil, err
		}
	}
	if len(servers) == 0 {
		return nil, errNoServer
	}
	return servers, nil
}

// errNoServer says that there is not one URL in a list.
var errNoServer = errors.New("eureka: no server URL")

// parseServers reads a comma-separated list of URLs. Its errors show nothing
// that may belong to a password.
func parseServers(list string) ([]*server, error) {
	var servers []*server
	for raw := range strings.SplitSeq(list, ",") {
		raw = strings.TrimSpace(raw)
		if raw == "" {
			continue
		}
		s, err := parseServer(raw)
		if err != nil {
			return nil, fmt.Errorf("eureka: server URL %q %w", shown(raw, list), err)
		}
		servers = append(servers, s)
	}
	if len(servers) == 0 {
		return nil, errNoServer
	}
	return servers, nil
}

func parseServer(raw string) (*server, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil: // whose text may hold a part of the password
		return nil, errors.New("is not a URL; special characters in a password must be percent-encoded")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("begins with neither http:// nor https://")
	case u.Hostname() == "":
		return nil, errors.New("has no host")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("has a query or a fragment; special characters in a password must be percent-encoded")
	case strings.Contains(u.Path, "@"): // http://user:80/80@host has the host "user"
		return nil, errors.New("has an @ in its path; special characters in a password must be percent-encoded")
	}
	base := u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/")
	return &server{base: base, user: u.User}, nil
}

// shown returns what may be shown of a URL that could not be read: all if the
// list holds no credentials, what follows them if they are in this URL, and
// nothing if this may be a piece of a password with a comma in it.
func shown(raw, list string) string {
	if i := strings.LastIndexByte(raw, '@'); i >= 0 {
		return "…@" + raw[i+1:]
	}
	if strings.Contains(list, "@") {
		return "…"
	}
	return raw
}
