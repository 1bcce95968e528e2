package serve

import (
	"cmp"
	"errors"
	"net"
	"net/netip"

	"github.com/namesake-go/namesake/discovery"
)

var (
	errNoAddress = errors.New("no address of this host that others can reach is known; set Config.Instance.Addr")
	errNoTCP     = errors.New("the listener has no host:port; set Config.Instance.Addr")
)

// announced completes an instance with the address that callers can reach, and
// the scheme.
func announced(in discovery.Instance, listener net.Addr, scheme string) (discovery.Instance, error) {
	in.Scheme = cmp.Or(in.Scheme, scheme)
	addr, err := reachable(in.Addr, listener.String())
	if err != nil {
		return in, err
	}
	in.Addr = addr
	return in, in.Validate()
}

// reachable returns the address to announce for a listener: the wanted one, if
// there is one, or the listener's own.
func reachable(wanted, listener string) (string, error) {
	host, port, err := net.SplitHostPort(listener)
	if wanted != "" {
		wantedHost, wantedPort, wantedErr := net.SplitHostPort(wanted)
		if wantedErr != nil || wantedPort != "0" {
			return wanted, nil // whatever it is: Validate finds what is wrong
		}
		host = wantedHost
	}
	if err != nil {
		return "", errNoTCP
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		outside, ok := outboundIP("udp4", "203.0.113.1:9")
		if !ok && !ip.Is4() {
			outside, ok = outboundIP("udp6", "[2001:db8::1]:9")
		}
		if !ok {
			return "", errNoAddress
		}
		host = outside
	}
	return net.JoinHostPort(host, port), nil
}

// outboundIP returns the local address from which this host would send to
// another network. Connecting a UDP socket asks the routing table and sends
// nothing; the addresses are reserved for documentation (RFC 5737, RFC 3849),
// so that they are routed as anything far away.
func outboundIP(network, far string) (string, bool) {
	conn, err := net.Dial(network, far)
	if err != nil {
		return "", false
	}
	defer func() { _ = conn.Close() }()
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	ip := local.Addr()
	if err != nil || !ip.IsGlobalUnicast() {
		return "", false
	}
	return ip.String(), true
}
