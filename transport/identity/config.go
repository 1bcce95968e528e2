package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// Client returns the TLS config of a client that shows the source's
// certificate if a server asks for one, and talks to servers only that the
// source's roots vouch for and allow allows.
//
// InsecureSkipVerify is set in it, because net/http and crypto/tls know no
// other way to verify against roots that change; VerifyConnection does all that
// is skipped, and more. Do not replace it. ServerName, NextProtos, MinVersion
// (TLS 1.2) and the rest may be set before use. Sessions are not resumed,
// because a resumed session speaks for the certificates of its first
// connection; with a ClientSessionCache they are, and are verified like others.
//
// The error says what is wrong with the arguments. Nothing is read yet: ask the
// source for its certificate to learn early whether there is one.
func Client(source Source, allow Allow) (*tls.Config, error) {
	v, err := newVerifier(source, allow, x509.ExtKeyUsageServerAuth)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return own(source)
		},
		InsecureSkipVerify: true,
		VerifyConnection:   v.verify,
	}, nil
}

// Server returns the TLS config of a server that shows the source's
// certificate, and serves clients only that show one which the source's roots
// vouch for and allow allows. Use it as TLSConfig of an http.Server, with
// ServeTLS and ListenAndServeTLS and no files. Handlers ask [From] who calls.
//
// Other fields may be set before use, but not ClientAuth, GetCertificate and
// VerifyConnection. Sessions are not resumed, for the reason that [Client]
// states. If SessionTicketsDisabled is set to false they are, and are verified
// like others: but a caller whose old certificate is no longer believed is
// refused then for as long as it resumes the session, though it may have a new
// one.
//
// The error says what is wrong with the arguments. Nothing is read yet.
func Server(source Source, allow Allow) (*tls.Config, error) {
	v, err := newVerifier(source, allow, x509.ExtKeyUsageClientAuth)
	if err != nil {
		return nil, err
	}
	if allow.caller {
		return nil, errors.New("identity: Called is for clients: what a caller calls does not say who calls")
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			cert, err := own(source)
			if err == nil && len(cert.Certificate) == 0 {
				return nil, errors.New("identity: own certificate: a server must have one")
			}
			return cert, err
		},
		ClientAuth:             tls.RequireAnyClientCert, // and VerifyConnection verifies it
		VerifyConnection:       v.verify,
		SessionTicketsDisabled: true,
	}, nil
}
