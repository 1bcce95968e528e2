package transport_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/transport"
)

// What probes and health checks ask for may have a query and escapes, and
// nothing that is configured there makes it the URL of somebody else.
func TestAskedPaths(t *testing.T) {
	for target, want := range map[string]string{
		"readyz":            "http://orders/readyz",
		"/health?deep=1":    "http://orders/health?deep=1",
		"a%20b%2Fc":         "http://orders/a%20b%2Fc",
		"/100%?of=1":        "http://orders/100%25?of=1",
		"//elsewhere/x":     "http://orders//elsewhere/x",
		"http://elsewhere/": "http://orders/http://elsewhere/",
		"":                  "http://orders/",
	} {
		u := transport.AskURL(target)
		u.Scheme, u.Host = "http", "orders"
		assert.Equal(t, want, u.String(), target)
	}
}
