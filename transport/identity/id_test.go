package identity_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/transport/identity"
)

func TestParseID(t *testing.T) {
	for text, want := range map[string][2]string{
		"spiffe://example.org/orders":         {"example.org", "/orders"},
		"spiffe://example.org":                {"example.org", ""},
		"spiffe://k8s-west_1.example/ns/a/sa": {"k8s-west_1.example", "/ns/a/sa"},
		"spiffe://1.2.3.4/Orders.v2/.../..a":  {"1.2.3.4", "/Orders.v2/.../..a"},
		"spiffe://" + strings.Repeat("a", 255) + "/" + strings.Repeat("b", 2048-9-255-1): {
			strings.Repeat("a", 255), "/" + strings.Repeat("b", 2048-9-255-1)},
	} {
		id, err := identity.ParseID(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, [2]string{id.TrustDomain(), id.Path()})
		assert.Equal(t, text, id.String())
		assert.False(t, id.IsZero())
	}
	assert.Empty(t, identity.ID{}.String())
	assert.True(t, identity.ID{}.IsZero())
}

func TestParseIDRefuses(t *testing.T) {
	for text, why := range map[string]string{
		"":                                                     "begin",
		"example.org/orders":                                   "begin",
		"https://example.org/orders":                           "begin",
		"SPIFFE://example.org/orders":                          "begin",
		"spiffe:/example.org/orders":                           "begin",
		" spiffe://example.org/orders":                         "begin",
		"spiffe://":                                            "trust domain is empty",
		"spiffe:///orders":                                     "trust domain is empty",
		"spiffe://Example.org/orders":                          "trust domain has",
		"spiffe://example.org:1/orders":                        "trust domain has",
		"spiffe://me@example.org/o":                            "trust domain has",
		"spiffe://exämple.org/orders":                          "trust domain has",
		"spiffe://example.org?a=b":                             "trust domain has",
		"spiffe://ex%61mple.org/o":                             "trust domain has",
		"spiffe://[::1]/o":                                     "trust domain has",
		"spiffe://example.org/":                                "empty segment",
		"spiffe://example.org/orders/":                         "empty segment",
		"spiffe://example.org//orders":                         "empty segment",
		"spiffe://example.org/./orders":                        "dot",
		"spiffe://example.org/a/..":                            "dot",
		"spiffe://example.org/a?b":                             "path has",
		"spiffe://example.org/a#b":                             "path has",
		"spiffe://example.org/%61":                             "path has",
		"spiffe://example.org/a b":                             "path has",
		"spiffe://example.org/a\x00":                           "path has",
		"spiffe://example.org/*":                               "path has",
		"spiffe://example.org/ä":                               "path has",
		"spiffe://" + strings.Repeat("a", 256) + "/o":          "longer than 255",
		"spiffe://example.org/" + strings.Repeat("a", 2048-20): "longer than 2048",
	} {
		id, err := identity.ParseID(text)
		require.ErrorContains(t, err, why, text)
		assert.Less(t, len(err.Error()), 1200)
		assert.NotContains(t, err.Error(), "\x00")
		assert.Zero(t, id)
	}
}

// Whatever is taken for an ID is a URI with the same parts, and is written in
// one way only.
func FuzzParseID(f *testing.F) {
	for _, seed := range []string{
		"spiffe://example.org/orders", "spiffe://example.org", "spiffe://a/b/../c", "spiffe://a:1/b",
		"spiffe://u@a/b", "spiffe://a/b?c#d", "spiffe://a/%2e", "spiffe://A/b", "spiffe:///", "\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := identity.ParseID(text)
		if err != nil {
			assert.Zero(t, id)
			return
		}
		assert.Equal(t, text, id.String())
		uri, err := url.Parse(text)
		require.NoError(t, err)
		assert.Equal(t, "spiffe", uri.Scheme)
		assert.Equal(t, id.TrustDomain(), uri.Host)
		assert.Equal(t, id.Path(), uri.Path)
		assert.Equal(t, text, uri.String())
		if id.Path() != "" {
			assert.Equal(t, text, uri.JoinPath().String(), "there is nothing to be cleaned")
		}
		assert.Equal(t, strings.ToLower(id.TrustDomain()), id.TrustDomain())
		assert.LessOrEqual(t, len(text), 2048)
	})
}
