package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// A Source knows the own certificate, and whose certificates are believed.
// Both are asked for at every handshake, so that what changes there counts for
// the next connection. Answers come from memory or nearly so: a handshake waits
// for them. Methods are called concurrently, and what they return is not
// modified by either side.
//
// [Files] is one. A client of the SPIFFE Workload API is another, in a few
// lines: see the example.
type Source interface {
	// Certificate returns the certificate to show, with its key and
	// intermediates. One without a chain, &tls.Certificate{}, means that a
	// client shows none; a server must have one. An error fails the handshake.
	Certificate() (*tls.Certificate, error)

	// Roots returns the authorities that may vouch for the peer. TrustDomain
	// is the one that the peer claims to belong to, or "" if its certificate
	// has no SPIFFE ID. It is for the Source to know one domain's authorities
	// from another's: roots that are given for a domain can make any ID in it.
	// The name comes from outside, is well-formed, and may be unknown: then
	// there is an error, as there is when no roots are known (yet). An error
	// and a nil pool fail the handshake; the system's roots never step in.
	Roots(trustDomain string) (*x509.CertPool, error)
}

// own returns the source's certificate, if it can be of use. One that has
// expired is not shown: with TLS 1.3 a client would learn that it was refused
// only after it has sent its request, and not why.
func own(source Source) (*tls.Certificate, error) {
	cert, err := source.Certificate()
	if err != nil {
		return nil, fmt.Errorf("own certificate: %w", err)
	}
	if cert == nil {
		return nil, errors.New("identity: own certificate: the source has none")
	}
	if len(cert.Certificate) == 0 {
		return cert, nil
	}
	if err := current(cert, time.Now()); err != nil {
		return nil, fmt.Errorf("identity: own certificate: %w", err)
	}
	return cert, nil
}

// current says why a certificate is not valid at a time.
func current(cert *tls.Certificate, now time.Time) error {
	leaf := cert.Leaf
	if leaf == nil {
		var err error
		if leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return err
		}
	}
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("expired at %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("not valid before %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}
