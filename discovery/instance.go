package discovery

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// An Instance is a registry's fact about one running copy of a service. It is
// a value: whoever holds one may read it from several goroutines, and nobody
// changes it, nor its Metadata, after handing it on.
type Instance struct {
	// ID tells this copy from the others of its service, and stays the same
	// for as long as the copy lives. Two instances of a set never share one.
	// Empty means that Addr serves as the ID.
	ID string

	// Addr is where the copy listens, as host:port. The host is an IP address
	// or a DNS name; IPv6 addresses are bracketed. Required.
	Addr string

	// Scheme is what the copy speaks: "http" or "https". Empty means that the
	// registry does not say, and the caller's URL decides.
	Scheme string

	// Zone names the failure domain in which the copy runs, such as an
	// availability zone. Empty means unknown.
	Zone string

	// Weight is the copy's share of calls relative to the others of its set,
	// for policies that look at weights. Zero means the usual weight, 1.
	Weight uint32

	// Priority orders groups of copies: lower values are preferred. Zero, the
	// default, is the most preferred.
	Priority uint32

	// Metadata is whatever else the registry knows. It may be nil.
	Metadata map[string]string
}

// Key returns the ID, or the address if the ID is empty: what tells this
// instance from the others of its set.
func (in Instance) Key() string {
	if in.ID != "" {
		return in.ID
	}
	return in.Addr
}

// Equal reports whether two instances state the same facts. A nil Metadata
// equals an empty one.
func (in Instance) Equal(other Instance) bool {
	return in.ID == other.ID &&
		in.Addr == other.Addr &&
		in.Scheme == other.Scheme &&
		in.Zone == other.Zone &&
		in.Weight == other.Weight &&
		in.Priority == other.Priority &&
		maps.Equal(in.Metadata, other.Metadata)
}

// Validate reports what keeps the instance from being called: an address that
// is no host:port (the host an IP address or a DNS name in ASCII, the port a
// number from 1 to 65535), or a scheme other than "http" and "https". The error
// names the instance.
func (in Instance) Validate() error {
	host, port, err := net.SplitHostPort(in.Addr)
	if err != nil {
		return fmt.Errorf("discovery: instance %q: address %q is not host:port", in.ID, in.Addr)
	}
	if !usableHost(host) {
		return fmt.Errorf("discovery: instance %q: address %q has no usable host", in.ID, in.Addr)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("discovery: instance %q: address %q has no port between 1 and 65535", in.ID, in.Addr)
	}
	if in.Scheme != "" && in.Scheme != "http" && in.Scheme != "https" {
		return fmt.Errorf("discovery: instance %q: scheme %q is neither http nor https", in.ID, in.Scheme)
	}
	return nil
}

// usableHost reports whether host can be dialed, and written into a URL: an IP
// address, or a name of the characters that DNS names have.
func usableHost(host string) bool {
	name := host
	if ip, err := netip.ParseAddr(host); err == nil {
		name = ip.Zone()
	} else if host == "" {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r)
	})
}

// Addrs returns one instance for each address: the shortest way to write a
// fixed set.
func Addrs(addrs ...string) []Instance {
	instances := make([]Instance, len(addrs))
	for i, addr := range addrs {
		instances[i] = Instance{Addr: addr}
	}
	return instances
}
