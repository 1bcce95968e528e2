package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/transport/identity"
)

// An authority signs certificates. Serial numbers are never used twice.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	up   *authority // nil for a root
}

var serials atomic.Int64

func newAuthority(t testing.TB, up *authority) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serials.Add(1)), Subject: pkix.Name{CommonName: "authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	parent, signer := template, key
	if up != nil {
		parent, signer = up.cert, up.key
	}
	return &authority{cert: parse(t, sign(t, template, parent, key, signer)), key: key, up: up}
}

// issue signs a certificate with the chain up to the root, which is left out.
// It is a sound X.509-SVID but for what edit makes of it.
func (a *authority) issue(t testing.TB, edit ...func(*x509.Certificate)) *tls.Certificate {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serials.Add(1)),
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, e := range edit {
		e(template)
	}
	der := sign(t, template, a.cert, key, a.key)
	cert := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parse(t, der)}
	for up := a; up.up != nil; up = up.up {
		cert.Certificate = append(cert.Certificate, up.cert.Raw)
	}
	return cert
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func uris(all ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		for _, s := range all {
			u, err := url.Parse(s)
			if err != nil {
				panic(err)
			}
			c.URIs = append(c.URIs, u)
		}
	}
}

func dns(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = names }
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func sign(t testing.TB, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(t, err)
	return der
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

// A store is a source to change at will.
type store struct {
	cert  atomic.Pointer[tls.Certificate]
	roots func(trustDomain string) (*x509.CertPool, error)
}

func (s *store) Certificate() (*tls.Certificate, error)           { return s.cert.Load(), nil }
func (s *store) Roots(trustDomain string) (*x509.CertPool, error) { return s.roots(trustDomain) }

// holding returns a source with one certificate, that believes one authority.
func holding(cert *tls.Certificate, a *authority) *store {
	s := &store{roots: func(string) (*x509.CertPool, error) { return a.pool(), nil }}
	s.cert.Store(cert)
	return s
}

// pemFiles are the files of a certificate, its key and its roots in a folder.
func pemFiles(folder string) identity.FilesConfig {
	return identity.FilesConfig{
		Cert:  filepath.Join(folder, "tls.crt"),
		Key:   filepath.Join(folder, "tls.key"),
		Roots: filepath.Join(folder, "ca.crt"),
	}
}

func writePair(t testing.TB, cfg identity.FilesConfig, cert *tls.Certificate) {
	t.Helper()
	write(t, cfg.Cert, chainPEM(cert))
	write(t, cfg.Key, keyPEM(t, cert))
}

func chainPEM(cert *tls.Certificate) []byte {
	var text []byte
	for _, der := range cert.Certificate {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return text
}

func keyPEM(t testing.TB, cert *tls.Certificate) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func rootsPEM(all ...*authority) []byte {
	var text []byte
	for _, a := range all {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})...)
	}
	return text
}

func write(t testing.TB, name string, content []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, content, 0o600))
}
