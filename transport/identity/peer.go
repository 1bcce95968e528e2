package identity

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// A Peer is who is at the other end of a connection.
type Peer struct {
	// ID is the SPIFFE ID, zero if the certificate has none.
	ID ID

	// DNSNames are those of a certificate without a SPIFFE ID, wildcards
	// among them. One with an ID is known by that alone.
	DNSNames []string

	// ServerName is the name that the client asked for, without a port: to
	// a client what it called, to a server what it was called. It is empty if
	// that was an IP address.
	ServerName string

	// Certificate is the peer's own, without the chain. It must not be
	// modified.
	Certificate *x509.Certificate
}

// String returns the SPIFFE ID, or the DNS names: for logs, not for decisions.
func (p Peer) String() string {
	const shown = 3
	switch {
	case !p.ID.IsZero():
		return p.ID.String()
	case len(p.DNSNames) == 0:
		return "a certificate without names"
	}
	names := make([]string, min(len(p.DNSNames), shown))
	for i := range names {
		names[i] = quote(p.DNSNames[i])
	}
	if more := len(p.DNSNames) - shown; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// From returns the caller of a request that a server received, and whether
// there is one.
//
// It reports what the certificate says. That this is true was seen to in the
// handshake, by the server's TLS config: that of [Server] does so. From must
// not be asked behind a config that takes any certificate, nor behind a proxy
// that ends TLS.
func From(r *http.Request) (Peer, bool) { return Of(r.TLS) }

// Of returns the peer of a connection, and whether there is one: with the TLS
// field of an http.Response the server that answered. What From says of
// configs holds for it too. State may be nil.
func Of(state *tls.ConnectionState) (Peer, bool) {
	if state == nil || !state.HandshakeComplete || len(state.PeerCertificates) == 0 {
		return Peer{}, false
	}
	p, err := newPeer(*state)
	if err != nil {
		return Peer{}, false
	}
	return p, true
}

// newPeer reads a certificate's names, and refuses one that claims a SPIFFE ID
// without the form of an X.509-SVID.
func newPeer(state tls.ConnectionState) (Peer, error) {
	leaf := state.PeerCertificates[0]
	p := Peer{ServerName: state.ServerName, Certificate: leaf}
	id, err := svidOf(leaf)
	if err != nil {
		return p, err
	}
	p.ID = id
	if id.IsZero() {
		p.DNSNames = leaf.DNSNames
	}
	return p, nil
}

// quote makes a string from outside fit for an error's text: on one line, and
// not longer than a DNS name.
func quote(s string) string {
	const limit = 253
	if len(s) > limit {
		return strconv.Quote(s[:limit]) + "..."
	}
	return strconv.Quote(s)
}
