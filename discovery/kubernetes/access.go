package kubernetes

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	connectTimeout = 5 * time.Second

	// A connection over HTTP/2 that brings nothing for so long is asked for a
	// sign of life, and given up without one. A lost connection looks like a
	// service where nothing changes.
	pingAfter   = 10 * time.Second
	pingTimeout = 5 * time.Second

	maxFileBytes = 1 << 20 // of a token or a bundle of certificates
)

// An access is the way into a cluster.
type access struct {
	cluster  Cluster
	server   *url.URL
	unusable error        // why the cluster's settings cannot be used; nil if they can
	given    *http.Client // nil means ours
	dial     func(ctx context.Context, network, addr string) (net.Conn, error)

	mu  sync.Mutex // guards the rest
	ca  []byte     // what own trusts
	own *http.Transport
}

func newAccess(cluster Cluster, given *http.Client) *access {
	a := &access{cluster: cluster, given: given, dial: (&net.Dialer{
		Timeout:         connectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: pingAfter, Interval: pingTimeout, Count: 3}, // for HTTP/1
	}).DialContext}
	a.server, a.unusable = parseServer(cluster.Server)
	if a.unusable == nil && a.server.Scheme == "http" && (cluster.Token != "" || cluster.TokenFile != "") && !loopback(a.server.Hostname()) {
		a.unusable = fmt.Errorf("kubernetes: %s: a token is not sent in the clear; use https", a.server)
	}
	return a
}

// parseServer returns an error that holds no credentials.
func parseServer(server string) (*url.URL, error) {
	if server == "" {
		return nil, errors.New("kubernetes: no server: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, as in a pod, and WithCluster names none")
	}
	u, err := url.Parse(server)
	switch {
	case err != nil:
		return nil, errors.New("kubernetes: the server's URL cannot be parsed")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("kubernetes: server URL %q begins with neither http:// nor https://", u.Redacted())
	case u.Host == "":
		return nil, fmt.Errorf("kubernetes: server URL %q has no host", u.Redacted())
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return nil, fmt.Errorf("kubernetes: the URL of server %s has a user, a query or a fragment", u.Host)
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u, nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// client returns what carries a request now, after the certificates to trust
// may have been replaced.
func (a *access) client() (*http.Client, error) {
	client := http.Client{}
	if a.given != nil {
		client = *a.given
	} else {
		own, err := a.transport()
		if err != nil {
			return nil, err
		}
		client.Transport = own
	}
	client.Timeout = 0 // requests have bounds of their own
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client, nil
}

func (a *access) transport() (*http.Transport, error) {
	ca, err := content(a.cluster.CA, a.cluster.CAFile)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.own != nil && bytes.Equal(a.ca, ca) {
		return a.own, nil
	}
	cfg := &tls.Config{ServerName: a.cluster.ServerName, MinVersion: tls.VersionTLS12}
	if len(ca) > 0 {
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("no certificate to trust in %s", source(a.cluster.CA, a.cluster.CAFile))
		}
	}
	if len(a.cluster.Cert) > 0 || a.cluster.CertFile != "" {
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return a.certificate() }
	}
	if a.own != nil {
		a.own.CloseIdleConnections() // those in use close when they have been idle
	}
	a.own, a.ca = a.newTransport(cfg), ca
	return a.own, nil
}

func (a *access) certificate() (*tls.Certificate, error) {
	cert, err := content(a.cluster.Cert, a.cluster.CertFile)
	if err != nil {
		return nil, err
	}
	key, err := content(a.cluster.Key, a.cluster.KeyFile)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("client certificate in %s: %w", source(a.cluster.Cert, a.cluster.CertFile), err)
	}
	return &pair, nil
}

// newTransport returns what connects to the server unless the user says
// otherwise. It uses no proxy: the API server is a neighbor, and a proxy may
// cut off requests that wait.
func (a *access) newTransport(cfg *tls.Config) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Transport{
		DialContext:            a.dial,
		TLSClientConfig:        cfg,
		TLSHandshakeTimeout:    connectTimeout,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		Protocols:              protocols,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
}

// token returns the bearer token to send now, or "".
func (a *access) token() (string, error) {
	if a.cluster.Token != "" {
		return a.cluster.Token, nil
	}
	token, err := content(nil, a.cluster.TokenFile)
	if err == nil && a.cluster.TokenFile != "" && len(bytes.TrimSpace(token)) == 0 {
		err = fmt.Errorf("%s: holds no token", a.cluster.TokenFile)
	}
	return string(bytes.TrimSpace(token)), err
}

// namespace returns the namespace of names that have none.
func (a *access) namespace() (string, error) {
	namespace := a.cluster.Namespace
	if namespace == "" && a.cluster.NamespaceFile != "" {
		text, err := content(nil, a.cluster.NamespaceFile)
		if err != nil {
			return "", fmt.Errorf("kubernetes: default namespace: %w", err)
		}
		namespace = string(bytes.TrimSpace(text))
	}
	if namespace == "" {
		namespace = "default"
	}
	return namespace, nil
}

func (a *access) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.own != nil {
		a.own.CloseIdleConnections()
	}
}

// content returns what was given, or what is in the file, or nothing if there
// is neither.
func content(given []byte, file string) ([]byte, error) {
	if len(given) > 0 || file == "" {
		return given, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(text) > maxFileBytes {
		err = fmt.Errorf("%s: longer than %d bytes", file, maxFileBytes)
	}
	return text, err
}

// source names where content comes from.
func source(given []byte, file string) string {
	if len(given) > 0 {
		return "the settings"
	}
	return file
}
