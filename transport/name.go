package transport

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// maxNameLength bounds a service's name: 253 for a DNS name, a dot, and a port.
const maxNameLength = 260

// serviceName returns the name of the service that a URL calls: its host, in
// lower case, without the scheme's default port and without one trailing dot.
// Any other port is part of the name, so that a registry may list a service's
// ports apart; it never overrides the port that the registry gives. A name
// that is canonical already is returned as it is, without allocating.
func serviceName(u *url.URL) (string, error) {
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("unsupported scheme %q", u.Scheme)
	}
	name := u.Host
	if u.Scheme == "http" {
		name = strings.TrimSuffix(name, ":80")
	} else {
		name = strings.TrimSuffix(name, ":443")
	}
	name = strings.TrimSuffix(name, ":")
	if host, port, found := strings.Cut(name, ":"); found && strings.HasSuffix(host, ".") && !strings.HasPrefix(name, "[") {
		name = strings.TrimSuffix(host, ".") + ":" + port
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	switch {
	case name == "":
		return "", errors.New("the URL has no host")
	case len(name) > maxNameLength:
		return "", errors.New("the URL's host is too long for a service's name")
	}
	return name, nil
}
