package identity_test

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/internal/memnet"
	"github.com/namesake-go/namesake/transport"
	"github.com/namesake-go/namesake/transport/identity"
)

// A listed server answers with the caller's identity, and remembers the serial
// numbers of callers' certificates.
type listed struct {
	addr string
	mu   sync.Mutex
	seen []string
}

func (l *listed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	caller, ok := identity.From(r)
	if !ok {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	l.mu.Lock()
	l.seen = append(l.seen, caller.Certificate.SerialNumber.String())
	l.mu.Unlock()
	_, _ = io.WriteString(w, caller.String()+" called "+caller.ServerName+" over "+r.Proto)
}

// last returns the serial number of the last caller.
func (l *listed) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.seen) == 0 {
		return ""
	}
	return l.seen[len(l.seen)-1]
}

func serve(t *testing.T, l net.Listener, cfg *tls.Config) *listed {
	t.Helper()
	handler := &listed{addr: l.Addr().String()}
	server := &http.Server{Handler: handler, TLSConfig: cfg, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	var serving sync.WaitGroup
	serving.Go(func() { assert.ErrorIs(t, server.ServeTLS(l, "", ""), http.ErrServerClosed) })
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	return handler
}

func serveLoopback(t *testing.T, cfg *tls.Config) *listed {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return serve(t, l, cfg)
}

func get(client *http.Client, url string) (string, error) {
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// S39: each service of one client has roots and an identity of its own; who
// calls is known to the handler; configs are not written to.
func TestServices(t *testing.T) {
	first, second := newAuthority(t, nil), newAuthority(t, nil)
	one := serveLoopback(t, serverConfig(t, holding(first.issue(t, uris(orders)), first), identity.SPIFFE(billing)))
	two := serveLoopback(t, serverConfig(t, holding(second.issue(t, dns("payments")), second), identity.DNS("billing.internal")))

	toOne, err := identity.Client(holding(first.issue(t, uris(billing)), first), identity.SPIFFE(orders))
	require.NoError(t, err)
	toTwo, err := identity.Client(holding(second.issue(t, dns("billing.internal")), second), identity.Called())
	require.NoError(t, err)
	rt := transport.New(discovery.Static{"orders": discovery.Addrs(one.addr), "payments": discovery.Addrs(two.addr)},
		transport.WithLogger(nil), transport.WithTLS(toTwo), transport.ForService("orders", transport.WithTLS(toOne)))
	defer rt.Close()
	client := &http.Client{Transport: rt}

	text, err := get(client, "https://orders/")
	require.NoError(t, err)
	assert.Equal(t, billing+" called orders over HTTP/2.0", text)
	text, err = get(client, "https://payments/")
	require.NoError(t, err)
	assert.Equal(t, `"billing.internal" called payments over HTTP/2.0`, text)
	assert.Empty(t, toOne.NextProtos)
	assert.Empty(t, toTwo.NextProtos)
	assert.Empty(t, toOne.ServerName)

	resp, err := client.Get("https://orders/")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	answered, ok := identity.Of(resp.TLS)
	require.True(t, ok)
	assert.Equal(t, orders, answered.ID.String())
}

// S42: an address that another service has by now gets nothing of a POST, which
// goes on to the right one.
func TestImpostor(t *testing.T) {
	ca := newAuthority(t, nil)
	source := holding(ca.issue(t, uris(billing)), ca)
	impostor := serveLoopback(t, serverConfig(t, holding(ca.issue(t, uris("spiffe://example.org/other")), ca), identity.SPIFFE(billing)))
	owner := serveLoopback(t, serverConfig(t, holding(ca.issue(t, uris(orders)), ca), identity.SPIFFE(billing)))
	cfg, err := identity.Client(source, identity.SPIFFE(orders))
	require.NoError(t, err)
	var failed []string
	rt := transport.New(discovery.Static{"orders": discovery.Addrs(impostor.addr, owner.addr)},
		transport.WithLogger(nil), transport.WithTLS(cfg), transport.WithPolicy(balancer.RoundRobin),
		transport.WithHooks(transport.Hooks{Attempt: func(e transport.AttemptEvent) {
			if e.Outcome == balancer.Failure {
				failed = append(failed, e.Endpoint.Addr())
				assert.ErrorIs(t, e.Err, identity.ErrNotAllowed)
			}
		}}))
	defer rt.Close()
	client := &http.Client{Transport: rt}
	for range 2 { // which puts one of them at the impostor
		resp, err := client.Post("https://orders/", "text/plain", strings.NewReader("a secret"))
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		require.NoError(t, resp.Body.Close())
	}
	assert.Equal(t, []string{impostor.addr}, failed)
	assert.Empty(t, impostor.last())
	assert.NotEmpty(t, owner.last())
}

// S40: certificates and authorities of both sides change under traffic. Nothing
// fails, and within the maximum age all calls show the new ones.
func TestRotationUnderTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const maxAge = 10 * time.Second
		old, next := newAuthority(t, nil), newAuthority(t, nil)
		sides := map[string]identity.FilesConfig{orders: pemFiles(t.TempDir()), billing: pemFiles(t.TempDir())}
		sources := make(map[string]*identity.Files)
		roots := func(all ...*authority) {
			for _, cfg := range sides {
				write(t, cfg.Roots, rootsPEM(all...))
			}
		}
		pairs := func(from *authority) (serials map[string]string) {
			serials = make(map[string]string)
			for id, cfg := range sides {
				cert := from.issue(t, uris(id))
				writePair(t, cfg, cert)
				serials[id] = cert.Leaf.SerialNumber.String()
			}
			return serials
		}
		roots(old)
		before := pairs(old)
		for id, cfg := range sides {
			cfg.Logger = slog.New(slog.DiscardHandler)
			cfg.OnReload = func(err error) { assert.NoError(t, err) }
			sources[id] = identity.NewFiles(cfg)
		}

		var network memnet.Network
		l, err := network.Listen("10.0.0.1:8443")
		require.NoError(t, err)
		server := serve(t, l, serverConfig(t, sources[orders], identity.SPIFFE(billing)))
		cfg, err := identity.Client(sources[billing], identity.SPIFFE(orders))
		require.NoError(t, err)
		rt := transport.New(discovery.Static{"orders": discovery.Addrs(server.addr)}, transport.WithLogger(nil), transport.WithTLS(cfg),
			transport.WithDialContext(network.DialContext), transport.WithPool(transport.PoolConfig{MaxAge: maxAge}))
		defer rt.Close()

		var attempts, failures int
		var answered string
		client := &http.Client{Transport: rt}
		traffic := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
				resp, err := client.Get("https://orders/")
				attempts++
				if err != nil {
					failures++
					t.Error(err)
					continue
				}
				answered = resp.TLS.PeerCertificates[0].SerialNumber.String()
				_, err = io.Copy(io.Discard, resp.Body)
				assert.NoError(t, err)
				assert.NoError(t, resp.Body.Close())
			}
		}
		shown := func() map[string]string { return map[string]string{orders: answered, billing: server.last()} }
		const settled = maxAge + maxAge/10 + 2*identity.DefaultInterval
		traffic(settled)
		assert.Equal(t, before, shown())
		roots(old, next)
		traffic(settled)
		assert.Equal(t, before, shown())
		after := pairs(next)
		traffic(settled)
		assert.Equal(t, after, shown())
		roots(next)
		traffic(settled)
		assert.Equal(t, after, shown())
		assert.Equal(t, 520, attempts)
		assert.Zero(t, failures)
		assert.GreaterOrEqual(t, network.Dials(server.addr), 4)
	})
}
