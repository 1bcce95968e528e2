package identity_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/transport/identity"
)

func TestFrom(t *testing.T) {
	ca := newAuthority(t, nil)
	request := func(cert *tls.Certificate) *http.Request {
		return &http.Request{TLS: &tls.ConnectionState{
			HandshakeComplete: true, ServerName: "orders", PeerCertificates: []*x509.Certificate{cert.Leaf},
		}}
	}
	both := ca.issue(t, uris(billing), dns("billing.internal"))
	p, ok := identity.From(request(both))
	require.True(t, ok)
	assert.Equal(t, billing, p.ID.String())
	assert.Empty(t, p.DNSNames, "it is known by its ID alone")
	assert.Equal(t, "orders", p.ServerName)
	assert.Same(t, both.Leaf, p.Certificate)

	p, ok = identity.From(request(ca.issue(t, dns("billing.internal"))))
	require.True(t, ok)
	assert.True(t, p.ID.IsZero())
	assert.Equal(t, []string{"billing.internal"}, p.DNSNames)

	unfinished := request(both)
	unfinished.TLS.HandshakeComplete = false
	for _, r := range []*http.Request{
		{}, {TLS: &tls.ConnectionState{HandshakeComplete: true}}, unfinished,
		request(ca.issue(t, uris(orders, billing))),
	} {
		p, ok := identity.From(r)
		assert.False(t, ok)
		assert.Zero(t, p.ID)
	}
}
