package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/transport/identity"
)

// certificate makes a certificate, signed by another or by itself, and writes
// it and its key to files.
func certificate(t *testing.T, name string, parent *tls.Certificate) (cert tls.Certificate, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: parent == nil, BasicConstraintsValid: true,
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	issuer, signer := template, any(key)
	if parent != nil {
		issuer, signer = parent.Leaf, parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), signer)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	cert, err = tls.X509KeyPair(certPEM, keyPEM)
	require.NoError(t, err)
	return cert, write(t, string(certPEM)), write(t, string(keyPEM))
}

// Everything on: certificates, passwords, a snapshot, metrics.
func TestInEarnest(t *testing.T) {
	authority, authorityFile, _ := certificate(t, "authority", nil)
	_, certFile, keyFile := certificate(t, "registry", &authority)
	orders, _, _ := certificate(t, "orders.example.org", &authority)
	stranger, _, _ := certificate(t, "stranger", nil)
	roots := x509.NewCertPool()
	roots.AddCert(authority.Leaf)

	data := filepath.Join(t.TempDir(), "data")
	args := []string{
		"-addr", "127.0.0.1:0", "-metrics", "127.0.0.1:0", "-data", data, "-log-format", "json",
		"-tls-cert", certFile, "-tls-key", keyFile, "-client-ca", authorityFile,
		"-users", write(t, "ops secret read"), "-callers", write(t, "orders.example.org write ORDERS"),
		"-preservation", "spring",
	}
	p := start(t, args)
	base, metrics := p.url("listening"), p.url("metrics")
	require.True(t, strings.HasPrefix(base, "https://127.0.0.1:"), base)

	client := func(certs ...tls.Certificate) *http.Client {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certs}}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	status := func(c *http.Client, method, url, body string) int {
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		resp, err := c.Do(req)
		if err != nil {
			return 0
		}
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	assert.Equal(t, 401, status(client(), "POST", base+"apps/ORDERS", instance))
	assert.Equal(t, 401, status(client(stranger), "POST", base+"apps/ORDERS", instance), "a certificate of nobody that we know")
	assert.Equal(t, 204, status(client(orders), "POST", base+"apps/ORDERS", instance))
	assert.Equal(t, 403, status(client(orders), "DELETE", base+"apps/STOCK/1", ""))
	withPassword := strings.Replace(base, "https://", "https://ops:secret@", 1)
	assert.Equal(t, 200, status(client(), "GET", withPassword+"apps/ORDERS", ""))
	assert.Equal(t, 403, status(client(), "DELETE", withPassword+"apps/ORDERS/orders-1", ""))
	assert.Equal(t, 200, status(client(), "GET", metrics, ""))
	assert.Equal(t, 200, status(client(), "GET", strings.Replace(metrics, "metrics", "healthz", 1), ""))
	assert.Equal(t, 404, status(client(), "GET", strings.Replace(metrics, "metrics", "eureka/apps", 1), ""))
	assert.NotContains(t, p.stop(), "secret")

	p = start(t, args)
	withPassword = strings.Replace(p.url("listening"), "https://", "https://ops:secret@", 1)
	assert.Equal(t, 200, status(client(), "GET", withPassword+"apps/ORDERS/orders-1", ""))
	p.stop()
}

// Another server whose certificate comes from an authority that has just been
// added to -client-ca is reached, though nothing was restarted.
func TestPeersOfANewAuthority(t *testing.T) {
	old, oldFile, _ := certificate(t, "old", nil)
	fresh, freshFile, _ := certificate(t, "new", nil)
	_, certFile, keyFile := certificate(t, "registry", &old)
	shown, _, _ := certificate(t, "peer", &fresh)
	peer := httptest.NewUnstartedServer(http.NotFoundHandler())
	peer.Config.ErrorLog = log.New(io.Discard, "", 0)
	peer.TLS = &tls.Config{Certificates: []tls.Certificate{shown}, ClientAuth: tls.RequireAnyClientCert}
	peer.StartTLS()
	defer peer.Close()

	client := &http.Client{Transport: peerTransport(identity.NewFiles(identity.FilesConfig{
		Cert: certFile, Key: keyFile, Roots: oldFile, Interval: time.Nanosecond, Logger: slog.New(slog.DiscardHandler),
	}))}
	defer client.CloseIdleConnections()
	ask := func() error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, peer.URL, nil)
		require.NoError(t, err)
		resp, err := client.Do(req)
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	}
	require.ErrorContains(t, ask(), "certificate")
	content, err := os.ReadFile(freshFile)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(oldFile, content, 0o600))
	require.NoError(t, ask())
}
