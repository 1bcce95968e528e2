package transport_test

import (
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/transport"
)

// A name is canonical: what it names is named by itself, too.
func FuzzServiceName(f *testing.F) {
	for _, u := range []string{
		"http://orders/", "http://ORDERS./x", "https://orders:443", "http://orders:", "http://[::1]:80/", "http://[::1%25eth0]/",
		"http:orders", "http:///", "http://ünïcode/", "http://orders.:8080/", "ftp://x", "http://a..", "http://:80",
	} {
		f.Add(u)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.Parse(raw)
		if err != nil {
			return
		}
		name, err := transport.ServiceName(u)
		if err != nil {
			assert.Empty(t, name)
			return
		}
		require.NotEmpty(t, name)
		assert.LessOrEqual(t, len(name), 253+len("[]:65535"))
		again, err := transport.ServiceName(&url.URL{Scheme: u.Scheme, Host: name})
		require.NoError(t, err)
		assert.Equal(t, name, again)
	})
}

func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for _, v := range []string{"0", "2", "-1", "99999999999999999999", "Sun, 01 Nov 2026 12:00:05 GMT", "Sun, 01 Nov 1026 12:00:05 GMT", "soon", " 3", "1.5"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, value string) {
		d, ok := transport.ParseRetryAfter(http.Header{"Retry-After": {value}}, now)
		assert.GreaterOrEqual(t, d, time.Duration(0))
		assert.True(t, ok || d == 0)
	})
}

func TestRetryAfterForms(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"120":                            2 * time.Minute,
		"99999999999999999999":           math.MaxInt64,
		"-5":                             0,
		"1.5":                            0,
		"soon":                           0,
		"Sun, 01 Nov 2026 12:00:05 GMT":  5 * time.Second,
		"Sunday, 01-Nov-26 12:00:05 GMT": 5 * time.Second, // obsolete, to be accepted
		"Sun Nov  1 12:00:05 2026":       5 * time.Second, // likewise
		"Sun, 01 Nov 2026 11:59:00 GMT":  0,               // past
	} {
		d, _ := transport.ParseRetryAfter(http.Header{"Retry-After": {value}}, now)
		assert.Equal(t, want, d, value)
	}
}

// What sendable accepts, net/http sends, and what it refuses, net/http does.
func FuzzSendable(f *testing.F) {
	f.Add("GET", "X-Name", "value")
	f.Add("", "a b", "x")
	f.Add("GE T", "X", "a\nb")
	f.Add("PUT", "X", "\x7f")
	f.Add("PUT", "X", "tab\tand ü")
	f.Add("ü", "ü", "")
	f.Fuzz(func(t *testing.T, method, name, value string) {
		req := &http.Request{
			Method: method, URL: &url.URL{Scheme: "http", Host: "orders", Path: "/"},
			Header: http.Header{name: {value}}, Body: io.NopCloser(strings.NewReader("")),
		}
		dialed := false
		bare := &http.Transport{DialContext: dialer(func() { dialed = true })}
		_, err := bare.RoundTrip(req.Clone(t.Context())) //nolint:bodyclose // fails
		require.Error(t, err)
		assert.Equal(t, dialed, transport.Sendable(req), "%q %q %q: %v", method, name, value, err)
	})
}
