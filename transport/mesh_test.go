package transport_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/internal/memnet"
	"github.com/namesake-go/namesake/transport"
)

// A mesh is a registry, copies of services on a network in memory, and a
// client that calls them by name, all inside one synctest bubble.
type mesh struct {
	t         *testing.T
	mode      mode
	tls       *tls.Config // the copies' side
	clientTLS *tls.Config
	net       memnet.Network
	registry  discovery.Memory
	rt        *transport.Transport
	client    *http.Client

	mu      sync.Mutex
	servers []*http.Server
	closers []io.Closer
}

// A mode is how the copies of a test's mesh are spoken to.
type mode struct {
	name      string
	secure    bool
	protocols http.Protocols
	over      over
}

// over is what a mesh's calls are sent by.
type over int

const (
	overPools     over = iota // the transport's own
	aroundPools               // a RoundTripper around each of them
	overUsersBase             // an http.Transport of the user's for all
)

// The first is the one that tests use which run in one mode only.
func modes() []mode {
	list := []mode{{name: "HTTP1"}, {name: "HTTP1 over TLS", secure: true}, {name: "HTTP2", secure: true}, {name: "h2c"}}
	list[0].protocols.SetHTTP1(true)
	list[1].protocols.SetHTTP1(true)
	list[2].protocols.SetHTTP2(true)
	list[3].protocols.SetUnencryptedHTTP2(true)
	return list
}

// ways are the modes, and those again around the pools and over a base of the
// user's.
func ways() []mode {
	list := modes()
	for _, mode := range modes() {
		around, base := mode, mode
		around.name, around.over = mode.name+" around the pools", aroundPools
		base.name, base.over = mode.name+" over a base", overUsersBase
		list = append(list, around, base)
	}
	return list
}

// inMesh runs f in a bubble. The transport gets the network's dialer and logs
// into the test's log; opts come after.
func inMesh(t *testing.T, f func(t *testing.T, m *mesh), opts ...transport.Option) {
	t.Helper()
	modes()[0].run(t, f, opts)
}

// inEveryMode runs f in a bubble for each mode, one after the other.
func inEveryMode(t *testing.T, f func(t *testing.T, m *mesh), opts ...transport.Option) {
	t.Helper()
	for _, mode := range modes() {
		t.Run(mode.name, func(t *testing.T) { mode.run(t, f, opts) })
	}
}

// inEveryWay is inEveryMode for what holds whatever the calls are sent by. It
// is not for tests of connections: those of a user's base are its own business.
func inEveryWay(t *testing.T, f func(t *testing.T, m *mesh), opts ...transport.Option) {
	t.Helper()
	for _, mode := range ways() {
		t.Run(mode.name, func(t *testing.T) { mode.run(t, f, opts) })
	}
}

func (mode mode) run(t *testing.T, f func(t *testing.T, m *mesh), opts []transport.Option) {
	t.Helper()
	serverTLS, clientTLS := certificate(t)
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t, mode: mode, tls: serverTLS, clientTLS: clientTLS}
		opts := append([]transport.Option{
			transport.WithDialContext(m.net.DialContext),
			transport.WithLogger(slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))),
			transport.WithProtocols(mode.protocols),
			transport.WithTLS(clientTLS),
		}, opts...)
		switch mode.over {
		case aroundPools:
			opts = append(opts, transport.WithEndpointBase(func(_ discovery.Instance, pool http.RoundTripper) http.RoundTripper {
				return &tracing{pool, func(*http.Request) {}}
			}))
		case overUsersBase:
			base := &http.Transport{
				DialContext: m.net.DialContext, TLSClientConfig: clientTLS.Clone(), Protocols: &mode.protocols,
				ExpectContinueTimeout: time.Second,
			}
			defer base.CloseIdleConnections()
			opts = append(opts, transport.WithBase(base))
		}
		m.rt = transport.New(&m.registry, opts...)
		m.client = &http.Client{Transport: m.rt}
		defer m.close()
		f(t, m)
	})
}

// certificate returns the two sides of TLS, made once.
var certificate = func() func(t *testing.T) (server, client *tls.Config) {
	make := sync.OnceValues(func() (tls.Certificate, error) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return tls.Certificate{}, err
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), DNSNames: []string{"copy.internal"}, IsCA: true, BasicConstraintsValid: true,
			// In a bubble it is the year 2000.
			NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			return tls.Certificate{}, err
		}
		leaf, err := x509.ParseCertificate(der)
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
	})
	return func(t *testing.T) (server, client *tls.Config) {
		t.Helper()
		cert, err := make()
		require.NoError(t, err)
		pool := x509.NewCertPool()
		pool.AddCert(cert.Leaf)
		return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13},
			&tls.Config{RootCAs: pool, ServerName: "copy.internal", MinVersion: tls.VersionTLS13}
	}
}()

// url gives a URL the mode's scheme.
func (m *mesh) url(u string) string {
	if rest, ok := strings.CutPrefix(u, "http://"); ok && m.mode.secure {
		return "https://" + rest
	}
	return u
}

// request makes a request with the mode's scheme.
func (m *mesh) request(method, url, body string) *http.Request {
	m.t.Helper()
	return newRequest(m.t, method, m.url(url), body)
}

func (m *mesh) close() {
	m.rt.Close()
	m.mu.Lock()
	for _, s := range m.servers {
		_ = s.Close()
	}
	for _, c := range m.closers {
		_ = c.Close()
	}
	m.mu.Unlock()
	time.Sleep(2 * time.Second) // the clock stands still when the bubble's function has returned
}

// serve starts a server at addr, configured before. It does not register it.
func (m *mesh) serve(addr string, handler http.HandlerFunc, configure ...func(*http.Server)) *http.Server {
	m.t.Helper()
	l, err := m.net.Listen(addr)
	require.NoError(m.t, err)
	s := &http.Server{Handler: handler, Protocols: &m.mode.protocols, TLSConfig: m.tls.Clone(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	for _, f := range configure {
		f(s)
	}
	go func() { // ends with mesh.close
		if m.mode.secure {
			_ = s.ServeTLS(l, "", "")
		} else {
			_ = s.Serve(l)
		}
	}()
	m.mu.Lock()
	m.servers = append(m.servers, s)
	m.mu.Unlock()
	return s
}

// hang makes addr a host that drops packets: dials wait.
func (m *mesh) hang(addr string) {
	m.t.Helper()
	l, err := m.net.Listen(addr)
	require.NoError(m.t, err)
	m.t.Cleanup(func() { _ = l.Close() })
}

// get calls a service and returns the response's status and body.
func (m *mesh) get(url string) (int, string, error) {
	return m.do(http.MethodGet, url, nil)
}

func (m *mesh) do(method, url string, body io.Reader) (int, string, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, m.url(url), body)
	require.NoError(m.t, err)
	resp, err := m.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), err
}

// hangs never answers, not even when the caller has gone: an answer at that
// moment could still reach it.
func hangs(_ http.ResponseWriter, r *http.Request) {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// settle lets a call that is over leave everything as the next one expects to
// find it: with HTTP/2, net/http offers a new connection to others only behind
// the back of the call that it was made for, and forgets a stream likewise.
func settle() { synctest.Wait() }

// say answers with the copy's name.
func say(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }
}

// answer answers with a status and the copy's name.
func answer(status int, name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, name)
	}
}

func addrs(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("10.0.0.%d:80", i+1)
	}
	return list
}

// trackBody counts how often it is closed.
type trackBody struct {
	io.Reader
	mu     sync.Mutex
	closes int
	reads  int
}

func (b *trackBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	b.reads++
	closed := b.closes > 0
	b.mu.Unlock()
	if closed {
		return 0, errors.New("read after close")
	}
	return b.Reader.Read(p)
}

func (b *trackBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closes++
	return nil
}

func (b *trackBody) closed() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closes
}

func (b *trackBody) read() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reads
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func newRequest(t testing.TB, method, url, body string) *http.Request {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, url, r)
	require.NoError(t, err)
	return req
}

const forever = 24 * time.Hour

// dialer fails every dial, and tells.
func dialer(tell func()) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		tell()
		return nil, errors.New("no network")
	}
}
