package kubernetes_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/kubernetes"
)

// A pair is a certificate that signs itself, and its key.
type pair struct{ cert, key []byte }

// newPair returns a pair for a name, valid in the time of bubbles.
func newPair(t *testing.T, name string) pair {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pair{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
}

// serveTLS runs the API server at api:443, with HTTP/2.
func (r *rig) serveTLS(p pair) (stop func()) {
	cert, err := tls.X509KeyPair(p.cert, p.key)
	require.NoError(r.t, err)
	l, err := r.net.Listen("api:443")
	require.NoError(r.t, err)
	s := &http.Server{Handler: r.api, ErrorLog: log.New(io.Discard, "", 0), TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12,
	}}
	go func() { _ = s.ServeTLS(l, "", "") }() // until stop
	stop = func() { _ = s.Close() }
	r.t.Cleanup(stop)
	return stop
}

// secure returns a client of api:443 with our own transport.
func (r *rig) secure(cluster kubernetes.Cluster) *kubernetes.Client {
	cluster.Server, cluster.Namespace = "https://api", "shop"
	c := kubernetes.New(kubernetes.WithCluster(cluster))
	c.SetDial(r.net.DialContext)
	r.t.Cleanup(c.Close)
	return c
}

func inSecureBubble(t *testing.T, test func(t *testing.T, r *rig, file func(name string, text []byte) string)) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		test(t, newRig(t), func(name string, text []byte) string {
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), text, 0o600))
			return filepath.Join(folder, name)
		})
	})
}

// Everything may be replaced while watches run.
func TestRotation(t *testing.T) {
	inSecureBubble(t, func(t *testing.T, r *rig, file func(string, []byte) string) {
		server, client := newPair(t, "api"), newPair(t, "client-1")
		var shown []string
		r.api.instead(func(w http.ResponseWriter, req *http.Request) {
			name := ""
			if len(req.TLS.PeerCertificates) > 0 {
				name = req.TLS.PeerCertificates[0].Subject.CommonName
			}
			shown = append(shown, req.Proto+" "+name+" "+req.Header.Get("Authorization"))
			if req.URL.Query().Get("watch") != "" {
				r.api.watch(w, req, "shop", "orders")
			} else {
				r.api.list(w, req, "shop", "orders")
			}
		})
		r.api.put(sliceOf("a", pod(1)))
		stop := r.serveTLS(server)
		s := r.follow(r.secure(kubernetes.Cluster{
			CAFile: file("ca", server.cert), TokenFile: file("token", []byte("first\n")),
			CertFile: file("cert", client.cert), KeyFile: file("key", client.key),
		}), "orders")
		assert.Equal(t, []string{one}, s.news())
		assert.Equal(t, []string{"HTTP/2.0 client-1 Bearer first", "HTTP/2.0 client-1 Bearer first"}, shown)

		wait(time.Minute)
		stop()
		server, client, shown = newPair(t, "api"), newPair(t, "client-2"), nil
		file("token", []byte("second"))
		file("cert", client.cert)
		file("key", client.key)
		r.serveTLS(server)
		r.api.put(sliceOf("a", pod(2)))
		wait(10 * time.Second)
		errs := s.errors()
		require.NotEmpty(t, errs)
		require.ErrorContains(t, errs[len(errs)-1], "x509")
		assert.Empty(t, shown, "the server is not trusted")
		file("ca", server.cert)
		wait(time.Minute)
		assert.Equal(t, two, last(s.news()))
		assert.Equal(t, []string{"HTTP/2.0 client-2 Bearer second"}, shown)
	})
}

func TestServerName(t *testing.T) {
	inSecureBubble(t, func(t *testing.T, r *rig, _ func(string, []byte) string) {
		server := newPair(t, "kubernetes.default.svc")
		r.serveTLS(server)
		assert.Equal(t, []string{""}, r.follow(r.secure(kubernetes.Cluster{CA: server.cert, ServerName: "kubernetes.default.svc"}), "orders").news())
		errs := r.follow(r.secure(kubernetes.Cluster{CA: server.cert}), "orders").errors()
		require.NotEmpty(t, errs)
		assert.ErrorContains(t, errs[0], "x509: certificate is valid for kubernetes.default.svc, not api")
	})
}

// What cannot be read is said without what is in it, and read again.
func TestCredentialsThatCannotBeRead(t *testing.T) {
	inSecureBubble(t, func(t *testing.T, r *rig, file func(string, []byte) string) {
		server := newPair(t, "api")
		r.serveTLS(server)
		missing := filepath.Join(t.TempDir(), "missing")
		for want, cluster := range map[string]kubernetes.Cluster{
			"open " + missing: {CAFile: missing},
			"no certificate to trust in " + file("secret-1", []byte("secret")): {CAFile: file("secret-1", []byte("secret"))},
			"no certificate to trust in the settings":                          {CA: []byte("secret")},
			"open " + missing + ": ":                                           {CA: server.cert, TokenFile: missing},
			file("blank", []byte(" \n")) + ": holds no token":                  {CA: server.cert, TokenFile: file("blank", []byte(" \n"))},
			`net/http: invalid header field value for "Authorization"`:         {CA: server.cert, Token: "secret\nsecret"},
			"client certificate in " + file("secret-2", []byte("secret")):      {CA: server.cert, CertFile: file("secret-2", []byte("secret")), Key: []byte("secret")},
			file("large", make([]byte, 2<<20)) + ": longer than 1048576 bytes": {CAFile: file("large", make([]byte, 2<<20))},
			"open " + missing + ": no such file":                               {CA: server.cert, Cert: server.cert, KeyFile: missing},
		} {
			s := r.follow(r.secure(cluster), "orders")
			errs := s.errors()
			require.NotEmpty(t, errs, want)
			assert.ErrorContains(t, errs[0], "kubernetes: endpoint slices of shop/orders not read yet: ")
			assert.ErrorContains(t, errs[0], want)
			assert.NotContains(t, errs[0].Error(), "secret\n")
			assert.NotContains(t, errs[0].Error(), "Bearer")
		}
		assert.Empty(t, r.api.seen())
	})
}

// A connection that has died without a word is noticed by a ping, and the
// watch goes on over another.
func TestHalfOpenConnection(t *testing.T) {
	inSecureBubble(t, func(t *testing.T, r *rig, _ func(string, []byte) string) {
		server := newPair(t, "api")
		r.serveTLS(server)
		r.api.put(sliceOf("a", pod(1)))
		s := r.follow(r.secure(kubernetes.Cluster{CA: server.cert}), "orders")
		assert.Equal(t, []string{one}, s.news())
		wait(30 * time.Second)
		assert.Equal(t, []string{"list", "watch 101"}, r.api.seen(), "pings are answered")
		r.net.Silence("api:443")
		wait(10*time.Second + 5*time.Second + time.Second) // at the latest: the ping, its timeout, and a delay
		assert.Equal(t, []string{"watch 101"}, r.api.seen())
		r.api.put(sliceOf("a", pod(2)))
		assert.Equal(t, []string{two}, s.news())
		assert.Empty(t, s.errors())
		assert.Equal(t, 1, r.net.Open("api:443"), "the old connection is closed")
	})
}

func TestInCluster(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "2001:db8::1")
	t.Setenv("KUBERNETES_SERVICE_PORT", "443")
	const folder = "/var/run/secrets/kubernetes.io/serviceaccount/"
	assert.Equal(t, kubernetes.Cluster{
		Server: "https://[2001:db8::1]:443", CAFile: folder + "ca.crt", TokenFile: folder + "token", NamespaceFile: folder + "namespace",
	}, kubernetes.InCluster())
}

func TestClusterKeepsItsSecrets(t *testing.T) {
	c := kubernetes.Cluster{Server: "https://api", Token: "secret", Key: []byte("secret")}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		assert.Equal(t, "https://api", fmt.Sprintf(format, c))
	}
	text, err := json.Marshal(c)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "secret")
	assert.NotContains(t, string(text), "c2VjcmV0")
	assert.Equal(t, "kubernetes.Cluster(unusable)", kubernetes.Cluster{Server: "https://u:secret@api"}.String())
}
