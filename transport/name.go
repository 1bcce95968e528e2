package transport

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/net/idna"
)

// maxNameLength bounds the host in a service's name: what the DNS allows.
const maxNameLength = 253

// serviceName returns the name of the service that a URL calls: its host, in
// lower case, without the scheme's default port and without one trailing dot;
// an internationalized name in its ASCII form (IDNA, RFC 5891).
// Any other port is part of the name, so that a registry may list a service's
// ports apart; it never overrides the port that the registry gives. A name
// that is canonical already is returned as it is, without allocating.
func serviceName(u *url.URL) (string, error) {
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("unsupported scheme %q", u.Scheme)
	}
	name := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if !ascii(name) { // net/http sends it in this form
		var err error
		if name, err = idna.Lookup.ToASCII(name); err != nil {
			return "", fmt.Errorf("the URL's host is no valid name: %w", err)
		}
		name = strings.TrimSuffix(name, ".")
	}
	switch {
	case name == "":
		return "", errors.New("the URL has no host")
	case len(name) > maxNameLength:
		return "", errors.New("the URL's host is too long for a service's name")
	case name[0] == '.', strings.Contains(name, ".."), name[len(name)-1] == '.':
		return "", errors.New("the URL's host has an empty label")
	}
	if strings.IndexByte(name, ':') >= 0 {
		name = "[" + name + "]" // an IPv6 address, as in URLs
	}
	port := u.Port()
	if port == "" || u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		return name, nil
	}
	return name + ":" + port, nil
}

func ascii(s string) bool {
	for _, b := range []byte(s) {
		if b >= 0x80 {
			return false
		}
	}
	return true
}
