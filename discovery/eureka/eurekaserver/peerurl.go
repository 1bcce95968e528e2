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
		visible := visiblePart(raw)
		return peerURL{base: visible}, fmt.Errorf("eurekaserver: peer URL %q %w", visible, err)
	}
	return peerURL{base: u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), user: u.User}, nil
}

// visiblePart returns what may be shown of a URL that cannot be used. Since it
// is not clear what its parts are, that is no more than can be neither before
// an "@" nor a parameter.
func visiblePart(raw string) string {
	before, ends := "", "?#"
	if i := strings.LastIndexByte(raw, '@'); i >= 0 {
		raw, before, ends = raw[i+1:], "…@", "/?#&;="
	}
	if i := strings.IndexAny(raw, ends); i >= 0 {
		raw = raw[:i]
	}
	return before + raw
}
