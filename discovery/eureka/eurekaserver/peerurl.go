package eurekaserver

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// A peerURL is where a peer is. Its credentials are apart, so that the rest can
// be shown.
type peerURL struct {
	base string // without credentials and trailing slash
	user *url.Userinfo
}

// parsePeerURL reads a URL. Its errors show nothing that may belong to a
// password, nor does what it returns with one.
func parsePeerURL(raw string) (peerURL, error) {
	visible := raw
	if i := strings.LastIndexByte(raw, '@'); i >= 0 {
		visible = "…@" + raw[i+1:]
	}
	u, err := url.Parse(strings.TrimSpace(raw))
	switch {
	case err != nil: // whose text may hold a part of the password
		err = errors.New("is not a URL; special characters in a password must be percent-encoded")
	case u.Scheme != "http" && u.Scheme != "https":
		err = errors.New("begins with neither http:// nor https://")
	case u.Hostname() == "":
		err = errors.New("has no host")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(u.Path, "@"):
		err = errors.New("has more than a path; special characters in a password must be percent-encoded")
	}
	if err != nil {
		return peerURL{base: visible}, fmt.Errorf("eurekaserver: peer URL %q %w", visible, err)
	}
	return peerURL{base: u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), user: u.User}, nil
}
