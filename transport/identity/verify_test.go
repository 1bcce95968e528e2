package identity_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/transport/identity"
)

const (
	orders  = "spiffe://example.org/orders"
	billing = "spiffe://example.org/billing"
)

// meet shakes hands over loopback, and returns what either side says of it,
// and what the client knows of the connection.
func meet(t *testing.T, client, server *tls.Config) (state tls.ConnectionState, clientErr, serverErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			served <- err
			return
		}
		defer func() { _ = conn.Close() }()
		s := tls.Server(conn, server)
		if err = s.HandshakeContext(ctx); err == nil {
			_, err = s.Write([]byte("!"))
		}
		served <- err
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	c := tls.Client(conn, client)
	if clientErr = c.HandshakeContext(ctx); clientErr == nil {
		// Only what is read tells a TLS 1.3 client that it is welcome, and
		// brings it a session to resume.
		_, clientErr = c.Read(make([]byte, 1))
	}
	state = c.ConnectionState()
	_ = conn.Close()
	return state, clientErr, <-served
}

func clientConfig(t *testing.T, source identity.Source, allow identity.Allow) *tls.Config {
	t.Helper()
	cfg, err := identity.Client(source, allow)
	require.NoError(t, err)
	cfg.ServerName = "orders.internal"
	return cfg
}

func serverConfig(t *testing.T, source identity.Source, allow identity.Allow) *tls.Config {
	t.Helper()
	cfg, err := identity.Server(source, allow)
	require.NoError(t, err)
	return cfg
}

// refused requires err to be a refusal of ours, in the form of crypto/tls.
func refused(t *testing.T, err error) *identity.Error {
	t.Helper()
	invalid, ok := errors.AsType[*tls.CertificateVerificationError](err)
	require.True(t, ok, "%v", err)
	mine, ok := errors.AsType[*identity.Error](invalid)
	require.True(t, ok, "%v", err)
	return mine
}

func TestWhoIsAllowed(t *testing.T) {
	ca := newAuthority(t, newAuthority(t, nil)) // with an intermediate
	svid, plain := ca.issue(t, uris(orders)), ca.issue(t, dns("orders.internal", "*.example.com"))
	both := ca.issue(t, uris(orders), dns("orders.internal"))
	byName := func(p identity.Peer) error {
		if p.ID.Path() != "/"+p.ServerName[:len("orders")] {
			return errors.New("another name")
		}
		return nil
	}
	for name, test := range map[string]struct {
		cert  *tls.Certificate
		allow identity.Allow
		want  string // of the error; "" if allowed
	}{
		"id":               {svid, identity.SPIFFE(billing, orders), ""},
		"other id":         {svid, identity.SPIFFE(billing), "identity: want " + billing + ", got " + orders + ": not allowed"},
		"two others":       {svid, identity.SPIFFE(billing, orders+"2"), "want " + billing + " or " + orders + "2, got"},
		"domain":           {svid, identity.TrustDomain("example.org"), ""},
		"other domain":     {svid, identity.TrustDomain("example.com"), "identity: want spiffe://example.com/..., got " + orders + ": not allowed"},
		"subdomain":        {svid, identity.TrustDomain("org"), "not allowed"},
		"name":             {plain, identity.DNS("orders.internal"), ""},
		"wildcard":         {plain, identity.DNS("a.example.com"), ""},
		"wildcard's owner": {plain, identity.DNS("example.com"), "not allowed"},
		"other name":       {plain, identity.DNS("billing.internal"), `identity: want "billing.internal", got "orders.internal", "*.example.com": not allowed`},
		"called":           {plain, identity.Called(), ""},
		"other called":     {ca.issue(t, dns("billing.internal")), identity.Called(), `identity: want the name called, got "billing.internal": not allowed: "orders.internal" was called`},
		"name for id":      {plain, identity.SPIFFE(orders), "not allowed"},
		"name for domain":  {plain, identity.TrustDomain("example.org"), "not allowed"},
		"name of svid":     {both, identity.DNS("orders.internal"), "got " + orders + ": not allowed"},
		"called svid":      {both, identity.Called(), "not allowed"},
		"id of both":       {both, identity.SPIFFE(orders), ""},
		"any, first":       {svid, identity.AnyOf(identity.SPIFFE(orders), identity.DNS("x")), ""},
		"any, last":        {plain, identity.AnyOf(identity.SPIFFE(orders), identity.DNS("orders.internal")), ""},
		"any, none":        {svid, identity.AnyOf(identity.SPIFFE(billing), identity.DNS("x")), "want " + billing + ` or "x", got`},
		"func":             {svid, identity.Func(byName), ""},
		"func, no":         {ca.issue(t, uris(billing)), identity.Func(byName), "identity: got " + billing + ": not allowed: another name"},
		"no names":         {ca.issue(t), identity.DNS("orders.internal"), "got a certificate without names: not allowed"},
		"names with lines": {ca.issue(t, dns("a\nb", "c", "d", "e", "f")), identity.DNS("x"), `got "a\nb", "c", "d", 2 more`},
	} {
		t.Run(name, func(t *testing.T) {
			root := ca.up
			server := &tls.Config{Certificates: []tls.Certificate{*test.cert}}
			_, err, _ := meet(t, clientConfig(t, holding(new(tls.Certificate), root), test.allow), server)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, identity.ErrNotAllowed)
			assert.ErrorContains(t, refused(t, err), test.want)
		})
	}
}

// What the X.509-SVID specification asks of a leaf, and what is asked of every
// certificate, from either side, over either version.
func TestWhoIsNotBelieved(t *testing.T) {
	ca, stranger := newAuthority(t, nil), newAuthority(t, nil)
	intermediate := newAuthority(t, ca)
	chainless := intermediate.issue(t, uris(orders))
	chainless.Certificate = chainless.Certificate[:1]
	usage := func(u x509.KeyUsage) func(*x509.Certificate) { return func(c *x509.Certificate) { c.KeyUsage = u } }
	for name, test := range map[string]struct {
		cert *tls.Certificate
		want string
	}{
		"unknown authority": {stranger.issue(t, uris(orders)), "got " + orders + ": x509: certificate signed by unknown authority"},
		"no intermediate":   {chainless, "signed by unknown authority"},
		"self-signed":       {&tls.Certificate{Certificate: [][]byte{stranger.cert.Raw}, PrivateKey: stranger.key}, "unknown authority"},
		"expired":           {ca.issue(t, uris(orders), func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) }), "expired or is not yet valid"},
		"not yet valid":     {ca.issue(t, uris(orders), func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), "expired or is not yet valid"},
		"two ids":           {ca.issue(t, uris(orders, billing)), `got "` + orders + `": 2 URIs`},
		"id and other URI":  {ca.issue(t, uris("https://example.org/", orders)), "2 URIs"},
		"malformed id":      {ca.issue(t, uris("spiffe://example.org/orders/"), dns("orders.internal")), "empty segment"},
		"no path":           {ca.issue(t, uris("spiffe://example.org")), "no workload"},
		"authority":         {ca.issue(t, uris(orders), func(c *x509.Certificate) { c.IsCA = true }), "authority"},
		"signs others":      {ca.issue(t, uris(orders), usage(x509.KeyUsageDigitalSignature|x509.KeyUsageCRLSign)), "may sign others"},
		"no key usage":      {ca.issue(t, uris(orders), usage(0)), "not meant for signatures"},
		"other usage":       {ca.issue(t, uris(orders), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }), "incompatible key usage"},
	} {
		everybody := identity.Func(func(identity.Peer) error { return nil })
		for version, max := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
			t.Run(name+"/server/"+version, func(t *testing.T) {
				server := &tls.Config{Certificates: []tls.Certificate{*test.cert}, MaxVersion: max}
				_, err, _ := meet(t, clientConfig(t, holding(new(tls.Certificate), ca), everybody), server)
				assert.ErrorContains(t, refused(t, err), test.want)
				assert.NotErrorIs(t, err, identity.ErrNotAllowed)
			})
			t.Run(name+"/client/"+version, func(t *testing.T) {
				client := &tls.Config{Certificates: []tls.Certificate{*test.cert}, InsecureSkipVerify: true, MaxVersion: max}
				_, remote, err := meet(t, client, serverConfig(t, holding(ca.issue(t, uris(billing)), ca), everybody))
				assert.ErrorContains(t, refused(t, err), test.want)
				assert.ErrorContains(t, remote, "remote error: tls: bad certificate")
			})
		}
	}
}

// A certificate for clients is none for servers, and the other way around.
func TestRoles(t *testing.T) {
	ca := newAuthority(t, nil)
	with := func(u x509.ExtKeyUsage) *tls.Certificate {
		return ca.issue(t, uris(orders), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{u} })
	}
	forClients, forServers := with(x509.ExtKeyUsageClientAuth), with(x509.ExtKeyUsageServerAuth)
	allow := identity.SPIFFE(orders)
	_, clientErr, serverErr := meet(t, clientConfig(t, holding(forClients, ca), allow), serverConfig(t, holding(forServers, ca), allow))
	require.NoError(t, clientErr)
	require.NoError(t, serverErr)
	_, clientErr, _ = meet(t, clientConfig(t, holding(forClients, ca), allow), serverConfig(t, holding(forClients, ca), allow))
	assert.ErrorContains(t, refused(t, clientErr), "incompatible key usage")
	_, _, serverErr = meet(t, clientConfig(t, holding(forServers, ca), allow), serverConfig(t, holding(forServers, ca), allow))
	assert.ErrorContains(t, refused(t, serverErr), "incompatible key usage")
}

func TestOldVersions(t *testing.T) {
	ca := newAuthority(t, nil)
	source := holding(ca.issue(t, uris(orders)), ca)
	client, server := clientConfig(t, source, identity.SPIFFE(orders)), serverConfig(t, source, identity.SPIFFE(orders))
	state, _, _ := meet(t, client, server)
	assert.Equal(t, uint16(tls.VersionTLS13), state.Version)

	old := &tls.Config{Certificates: []tls.Certificate{*source.cert.Load()}, InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	_, err, _ := meet(t, old, server)
	require.ErrorContains(t, err, "protocol version")
	_, err, _ = meet(t, client, old)
	require.Error(t, err)
}

// The authorities of one trust domain cannot make IDs in another.
func TestDomainsApart(t *testing.T) {
	org, com := newAuthority(t, nil), newAuthority(t, nil)
	source := &store{roots: func(domain string) (*x509.CertPool, error) {
		switch domain {
		case "example.org":
			return org.pool(), nil
		case "example.com":
			return com.pool(), nil
		}
		return nil, errors.New("nobody vouches for " + domain)
	}}
	source.cert.Store(new(tls.Certificate))
	client := clientConfig(t, source, identity.TrustDomain("example.org", "example.com", "example.net"))
	for _, test := range []struct {
		ca   *authority
		id   string
		want string
	}{
		{org, orders, ""},
		{com, "spiffe://example.com/orders", ""},
		{com, orders, "unknown authority"},
		{org, "spiffe://example.com/orders", "unknown authority"},
		{org, "spiffe://example.net/orders", "nobody vouches for example.net"},
	} {
		_, err, _ := meet(t, client, &tls.Config{Certificates: []tls.Certificate{*test.ca.issue(t, uris(test.id))}})
		if test.want == "" {
			require.NoError(t, err, test.id)
			continue
		}
		assert.ErrorContains(t, refused(t, err), test.want, test.id)
	}
}

// What is not there fails: it is never taken for "no matter".
func TestFailsClosed(t *testing.T) {
	ca := newAuthority(t, nil)
	good := holding(ca.issue(t, uris(orders)), ca)
	allow := identity.SPIFFE(orders)

	for _, test := range []struct {
		source identity.Source
		allow  identity.Allow
		want   string
	}{
		{nil, allow, "no source"},
		{good, identity.Allow{}, "nobody is allowed"},
		{good, identity.SPIFFE(), "nobody is allowed"},
		{good, identity.TrustDomain(), "nobody is allowed"},
		{good, identity.DNS(), "nobody is allowed"},
		{good, identity.AnyOf(), "nobody is allowed"},
		{good, identity.Func(nil), "nobody is allowed"},
		{good, identity.AnyOf(allow, identity.Allow{}), "nobody is allowed"},
		{good, identity.SPIFFE(orders, "orders"), "is no SPIFFE ID"},
		{good, identity.SPIFFE("spiffe://example.org"), "names a trust domain"},
		{good, identity.TrustDomain("spiffe://example.org"), "trust domain has"},
		{good, identity.DNS("orders", ""), "is no DNS name"},
	} {
		_, err := identity.Client(test.source, test.allow)
		require.ErrorContains(t, err, test.want)
		_, err = identity.Server(test.source, test.allow)
		require.ErrorContains(t, err, test.want)
	}
	_, err := identity.Server(good, identity.AnyOf(identity.Called(), allow))
	require.ErrorContains(t, err, "Called is for clients")

	fine := serverConfig(t, good, allow)
	for why, roots := range map[string]func(string) (*x509.CertPool, error){
		"the source has no roots": func(string) (*x509.CertPool, error) { return nil, nil },
		"unknown authority":       func(string) (*x509.CertPool, error) { return x509.NewCertPool(), nil },
		"not yet":                 func(string) (*x509.CertPool, error) { return nil, errors.New("not yet") },
	} {
		source := &store{roots: roots}
		source.cert.Store(good.cert.Load())
		_, err, _ := meet(t, clientConfig(t, source, allow), fine)
		assert.ErrorContains(t, refused(t, err), why)
		_, _, err = meet(t, clientConfig(t, good, allow), serverConfig(t, source, allow))
		assert.ErrorContains(t, refused(t, err), why)
	}

	// A client without a certificate; it hears of that after its handshake.
	naked := holding(new(tls.Certificate), ca)
	_, client, server := meet(t, clientConfig(t, naked, allow), fine)
	assert.ErrorContains(t, server, "client didn't provide a certificate")
	assert.ErrorContains(t, client, "remote error: tls: certificate required")
	optional := fine.Clone()
	optional.ClientAuth = tls.RequestClientCert // which nobody should do
	_, _, server = meet(t, clientConfig(t, naked, allow), optional)
	assert.ErrorContains(t, refused(t, server), "got no certificate: not allowed")

	expired := ca.issue(t, uris(orders), func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) })
	expired.Leaf = nil
	for why, cert := range map[string]*tls.Certificate{
		"own certificate: expired at": expired,
		"the source has none":         nil,
		"a server must have one":      new(tls.Certificate),
	} {
		source := holding(cert, ca)
		_, _, server = meet(t, clientConfig(t, good, allow), serverConfig(t, source, allow))
		assert.ErrorContains(t, server, why)
		if cert == nil || len(cert.Certificate) > 0 {
			_, client, _ = meet(t, clientConfig(t, source, allow), fine)
			assert.ErrorContains(t, client, why)
		}
	}
}

// S41: each connection is checked, one that resumes a session too, on either
// side; and what is allowed may change in between.
func TestResumedSessionsAreChecked(t *testing.T) {
	for version, max := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(version, func(t *testing.T) {
			ca := newAuthority(t, nil)
			source := holding(ca.issue(t, uris(orders)), ca)
			type side struct {
				checks  atomic.Int64
				allowed atomic.Pointer[string]
			}
			check := func(s *side) identity.Allow {
				s.allowed.Store(new(orders))
				return identity.Func(func(p identity.Peer) error {
					s.checks.Add(1)
					if p.ID.String() != *s.allowed.Load() {
						return errors.New("no longer")
					}
					return nil
				})
			}
			var atClient, atServer side
			client := clientConfig(t, source, check(&atClient))
			client.MaxVersion = max
			client.ClientSessionCache = tls.NewLRUClientSessionCache(8)
			server := serverConfig(t, source, check(&atServer))
			server.SessionTicketsDisabled = false

			resumed := 0
			for range 5 {
				state, clientErr, serverErr := meet(t, client, server)
				require.NoError(t, clientErr)
				require.NoError(t, serverErr)
				if state.DidResume {
					resumed++
				}
			}
			assert.Equal(t, 4, resumed)
			assert.Equal(t, int64(5), atClient.checks.Load())
			assert.Equal(t, int64(5), atServer.checks.Load())

			atServer.allowed.Store(new(billing))
			_, _, err := meet(t, client, server)
			require.ErrorIs(t, err, identity.ErrNotAllowed)
			atServer.allowed.Store(new(orders))
			atClient.allowed.Store(new(billing))
			_, err, _ = meet(t, client, server)
			require.ErrorIs(t, err, identity.ErrNotAllowed)

			// So are the roots.
			atClient.allowed.Store(new(orders))
			before := source.roots
			other := newAuthority(t, nil)
			source.roots = func(string) (*x509.CertPool, error) { return other.pool(), nil }
			_, err, _ = meet(t, client, server)
			assert.ErrorContains(t, refused(t, err), "unknown authority")
			source.roots = before
		})
	}
}

// Without being asked for, sessions are not resumed, so that the next
// connection shows the certificates of today.
func TestSessionsAreNotResumed(t *testing.T) {
	ca := newAuthority(t, nil)
	source := holding(ca.issue(t, uris(orders)), ca)
	client := clientConfig(t, source, identity.SPIFFE(orders))
	client.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	server := serverConfig(t, source, identity.SPIFFE(orders))
	for range 3 {
		state, err, _ := meet(t, client, server)
		require.NoError(t, err)
		assert.False(t, state.DidResume)
	}
	assert.Nil(t, clientConfig(t, source, identity.SPIFFE(orders)).ClientSessionCache)
}
