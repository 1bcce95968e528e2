package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// An Error is why a peer was refused. It comes within a
// *tls.CertificateVerificationError, like those of crypto/tls, by which
// callers know that nothing has been sent yet.
type Error struct {
	// Want is who is allowed, as text. It is empty if only a [Func] knows.
	Want string
	// Got is who came, as text: what the certificate claims, verified or not.
	Got string
	// Err is the reason: [ErrNotAllowed], an error of crypto/x509 for a
	// certificate that is not to be believed, or that of the [Source].
	Err error
}

// Error says who was expected, who came, and what is wrong with that.
func (e *Error) Error() string {
	why := strings.TrimPrefix(e.Err.Error(), "identity: ")
	if e.Want == "" {
		return fmt.Sprintf("identity: got %s: %s", e.Got, why)
	}
	return fmt.Sprintf("identity: want %s, got %s: %s", e.Want, e.Got, why)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

type verifier struct {
	source Source
	allow  Allow
	usage  x509.ExtKeyUsage
}

func newVerifier(source Source, allow Allow, usage x509.ExtKeyUsage) (*verifier, error) {
	if source == nil {
		return nil, errors.New("identity: no source")
	}
	if err := allow.valid(); err != nil {
		return nil, err
	}
	return &verifier{source, allow, usage}, nil
}

// verify is a VerifyConnection, not a VerifyPeerCertificate: crypto/tls calls
// the latter for full handshakes only, so that a resumed session would be
// checked never.
func (v *verifier) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return &tls.CertificateVerificationError{
			Err: &Error{Want: v.allow.want, Got: "no certificate", Err: ErrNotAllowed},
		}
	}
	peer, err := newPeer(state)
	got := peer.String()
	if err != nil {
		got = quote(peer.Certificate.URIs[0].String())
	}
	if err == nil {
		err = v.believe(peer, state.PeerCertificates[1:])
	}
	if err == nil {
		err = v.allow.check(peer)
	}
	if err == nil {
		return nil
	}
	return &tls.CertificateVerificationError{
		UnverifiedCertificates: state.PeerCertificates,
		Err:                    &Error{Want: v.allow.want, Got: got, Err: err},
	}
}

// believe verifies the chain: signatures, times, constraints, usages, up to a
// root that may speak for the peer's trust domain.
func (v *verifier) believe(p Peer, chain []*x509.Certificate) error {
	roots, err := v.source.Roots(p.ID.TrustDomain())
	if err != nil {
		return err
	}
	if roots == nil { // which x509 would take for the system's
		return errors.New("the source has no roots")
	}
	intermediates := x509.NewCertPool()
	for _, c := range chain {
		intermediates.AddCert(c)
	}
	_, err = p.Certificate.Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		KeyUsages:     []x509.ExtKeyUsage{v.usage},
	})
	return err
}
