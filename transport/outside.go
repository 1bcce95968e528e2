package transport

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// An outside is the list of hosts whose calls pass through.
type outside struct {
	base  http.RoundTripper
	hosts []string // in lower case; those with a dot in front stand for all below
}

// with returns a list that has more hosts.
func (o *outside) with(base http.RoundTripper, hosts []string) *outside {
	more := &outside{base: base}
	if o != nil {
		more.hosts = slices.Clone(o.hosts)
	}
	for _, h := range hosts {
		more.hosts = append(more.hosts, canonicalHost(h))
	}
	return more
}

// has reports whether calls to a URL pass through.
func (o *outside) has(u *url.URL) bool {
	if o == nil {
		return false
	}
	host := canonicalHost(u.Hostname())
	_, err := netip.ParseAddr(host)
	isAddr := err == nil
	return slices.ContainsFunc(o.hosts, func(h string) bool {
		return h == host || !isAddr && strings.HasPrefix(h, ".") && strings.HasSuffix(host, h)
	})
}

func canonicalHost(host string) string {
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
