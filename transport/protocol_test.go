package transport_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
)

// secureServer is a TLS server on loopback whose certificate is for
// example.com, as httptest's is, and which tells when its connections close.
func secureServer(t *testing.T, http2 bool) (*httptest.Server, *connections) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto+" "+r.Host+" "+r.TLS.ServerName)
	}))
	s.EnableHTTP2 = http2
	c := &connections{open: make(map[net.Conn]bool), changed: make(chan struct{}, 1)}
	s.Config.ConnState = c.state
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, c
}

type connections struct {
	mu      sync.Mutex
	open    map[net.Conn]bool
	changed chan struct{}
}

func (c *connections) state(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open[conn] = true
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
	}
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// gone waits until all connections are closed.
func (c *connections) gone(t *testing.T) {
	t.Helper()
	patience := time.After(10 * time.Second)
	for {
		c.mu.Lock()
		n := len(c.open)
		c.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-c.changed:
		case <-patience:
			t.Fatalf("%d connections are still open", n)
		}
	}
}

func roots(s *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

// S31, S38, S39: TLS by service, with the name that the certificate bears.
func TestTLS(t *testing.T) {
	for proto, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		t.Run(proto, func(t *testing.T) {
			s, _ := secureServer(t, http2)
			addr := s.Listener.Addr().String()
			registry := discovery.Static{
				"orders": {{Addr: addr}}, "secure": {{Addr: addr, Scheme: "https"}},
				"stranger": {{Addr: addr}}, "wrongname": {{Addr: addr}},
			}
			shared := &tls.Config{RootCAs: roots(s), ServerName: "example.com", MinVersion: tls.VersionTLS12}
			rt := transport.New(registry, transport.WithLogger(nil), transport.WithTLS(shared),
				transport.ForService("stranger", transport.WithTLS(nil)),
				transport.ForService("wrongname", transport.WithTLS(&tls.Config{RootCAs: roots(s), MinVersion: tls.VersionTLS12})))
			defer rt.Close()
			client := &http.Client{Transport: rt}

			for _, url := range []string{"https://orders/", "https://secure/", "http://secure/"} {
				resp, err := client.Get(url)
				require.NoError(t, err, url)
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				host := resp.Request.URL.Host
				assert.Equal(t, proto+" "+host+" example.com", string(text), url)
				assert.Equal(t, url, resp.Request.URL.String())
			}
			assert.Empty(t, shared.NextProtos, "the caller's config is not written to")
			for _, url := range []string{"https://stranger/", "https://wrongname/"} {
				_, err := client.Get(url) //nolint:bodyclose // fails
				var invalid *tls.CertificateVerificationError
				require.ErrorAs(t, err, &invalid, url)
			}
		})
	}
}

// S42: an address that belongs to somebody else by now shows a certificate
// that does not fit. Nothing was sent there, so that even a POST goes on.
func TestImpostor(t *testing.T) {
	impostor, _ := secureServer(t, false)
	owner, owned := ownedServer(t, "orders.internal")
	var failed []string
	rt := newTransport(t, []discovery.Instance{
		{ID: "1", Addr: impostor.Listener.Addr().String()}, {ID: "2", Addr: owner.Listener.Addr().String()},
	}, transport.WithPolicy(inOrder), transport.WithTLS(owned), transport.WithHooks(transport.Hooks{
		Attempt: func(e transport.AttemptEvent) {
			if e.Outcome == balancer.Failure {
				failed = append(failed, e.Endpoint.Key())
			}
		},
	}))
	resp, err := (&http.Client{Transport: rt}).Post("https://orders/", "text/plain", strings.NewReader("the body"))
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, "the body", string(text))
	assert.Equal(t, []string{"1"}, failed)
}

// S25, S26: connections of a removed endpoint close, over TLS and HTTP/2 too,
// those that were busy as well.
func TestRemovedEndpointClosesItsConnections(t *testing.T) {
	for proto, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		t.Run(proto, func(t *testing.T) {
			s, conns := secureServer(t, http2)
			var registry discovery.Memory
			registry.Set("orders", discovery.Instance{Addr: s.Listener.Addr().String()})
			removed := make(chan struct{})
			rt := transport.New(&registry, transport.WithLogger(nil), transport.WithEmptyGrace(-1),
				transport.WithTLS(&tls.Config{RootCAs: roots(s), ServerName: "example.com", MinVersion: tls.VersionTLS12}),
				transport.WithHooks(transport.Hooks{EndpointRemoved: func(transport.EndpointEvent) { close(removed) }}))
			defer rt.Close()
			client := &http.Client{Transport: rt}

			resp, err := client.Get("https://orders/") // busy until its body is read
			require.NoError(t, err)
			registry.Set("orders")
			<-removed
			_, err = client.Get("https://orders/") //nolint:bodyclose // fails
			require.ErrorIs(t, err, balancer.ErrNoEndpoints)
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Contains(t, string(text), proto)
			conns.gone(t)
		})
	}
}

// ownedServer is a TLS server with a certificate of its own, and a client's
// config that accepts nobody else.
func ownedServer(t *testing.T, name string) (*httptest.Server, *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return s, &tls.Config{RootCAs: pool, ServerName: name, MinVersion: tls.VersionTLS12}
}
