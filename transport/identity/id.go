package identity

import (
	"fmt"
	"strings"
)

// Limits of the SPIFFE ID specification, section 2.3, in bytes.
const (
	maxID          = 2048
	maxTrustDomain = 255
)

const scheme = "spiffe://"

// An ID is a SPIFFE ID, such as spiffe://example.org/orders: a workload's name,
// unique within a trust domain. The zero ID is none. IDs can be compared with
// == and be keys of maps: there is only one way to write each.
type ID struct {
	domain string
	path   string // empty, or with its first slash
}

// ParseID parses a SPIFFE ID by the specification's rules: the scheme spiffe,
// a trust domain of lower-case letters, digits, dots, dashes and underscores,
// and a path, which may be missing, of segments with letters, digits, dots,
// dashes and underscores. No segment is empty, "." or "..". There is no user,
// port, query, fragment, percent-encoding or slash at the end. An ID is at most
// 2048 bytes long, and its trust domain 255.
//
// See https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md.
func ParseID(s string) (ID, error) {
	if len(s) > maxID {
		return ID{}, fmt.Errorf("identity: %s is no SPIFFE ID: longer than %d bytes", quote(s), maxID)
	}
	rest, ok := strings.CutPrefix(s, scheme)
	if !ok {
		return ID{}, fmt.Errorf("identity: %s is no SPIFFE ID: it does not begin with %s", quote(s), scheme)
	}
	domain, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		domain, path = rest[:i], rest[i:]
	}
	if err := checkTrustDomain(domain); err != nil {
		return ID{}, fmt.Errorf("identity: %s is no SPIFFE ID: %w", quote(s), err)
	}
	if err := checkPath(path); err != nil {
		return ID{}, fmt.Errorf("identity: %s is no SPIFFE ID: %w", quote(s), err)
	}
	return ID{domain, path}, nil
}

// String returns the ID as it is written, or "" for the zero ID.
func (id ID) String() string {
	if id.IsZero() {
		return ""
	}
	return scheme + id.domain + id.path
}

// IsZero reports whether there is no ID.
func (id ID) IsZero() bool { return id == ID{} }

// TrustDomain returns the name of the trust domain, such as example.org.
func (id ID) TrustDomain() string { return id.domain }

// Path returns the path with its first slash, such as /orders. It is empty for
// the ID of a trust domain itself, which no workload has.
func (id ID) Path() string { return id.path }

func checkTrustDomain(name string) error {
	switch {
	case name == "":
		return errorString("the trust domain is empty")
	case len(name) > maxTrustDomain:
		return errorString("the trust domain is longer than 255 bytes")
	}
	for _, b := range []byte(name) {
		if !lower(b) && !shared(b) {
			return errorString("the trust domain has characters other than a-z, 0-9, '.', '-' and '_'")
		}
	}
	return nil
}

func checkPath(path string) error {
	if path == "" {
		return nil
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		switch segment {
		case "":
			return errorString("the path has an empty segment")
		case ".", "..":
			return errorString("the path has a segment that is a dot or two")
		}
		for _, b := range []byte(segment) {
			if !lower(b) && !upper(b) && !shared(b) {
				return errorString("the path has characters other than letters, digits, '.', '-' and '_'")
			}
		}
	}
	return nil
}

func lower(b byte) bool { return 'a' <= b && b <= 'z' }
func upper(b byte) bool { return 'A' <= b && b <= 'Z' }

// shared reports what a trust domain may have as well as a path.
func shared(b byte) bool { return '0' <= b && b <= '9' || b == '.' || b == '-' || b == '_' }

type errorString string

func (e errorString) Error() string { return string(e) }
