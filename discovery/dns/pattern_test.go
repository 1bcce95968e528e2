package dns_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/dns"
)

func TestNames(t *testing.T) {
	long := strings.Repeat("x", 63)
	for _, test := range []struct{ pattern, service, asked string }{
		{"%s.test", "orders", "orders.test."},
		{"%s.Test.", "ORDERS", "orders.test."},
		{"%s", "orders.shop.test", "orders.shop.test."},
		{"%s", "orders.shop.test.", "orders.shop.test."},
		{"%s.test", "orders.eu.", "orders.eu.test."},
		{"%s", "orders", "orders."}, // absolute: no search list
		{"fixed.test", "orders", "fixed.test."},
		{"%s.%s.test", "a", "a.a.test."},
		{"x-%s_1.test", "9", "x-9_1.test."},
		{"%s.test", long, long + ".test."},
		{"%s", strings.Repeat(long+".", 3) + long[:61], strings.Repeat(long+".", 3) + long[:61] + "."},
	} {
		t.Run(test.pattern+" "+test.service, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.set(test.asked, a("192.0.2.1", 60))
				s := follow(t, r.host(test.pattern), test.service)
				s.says("[192.0.2.1:80]")
				assert.Equal(t, []string{"udp A " + test.asked}, r.asked())
			})
		})
	}
}

// What can be no name is an error, and nothing is asked.
func TestBadNames(t *testing.T) {
	long := strings.Repeat("x", 64)
	const letters = `has other characters than letters, digits, hyphens and underscores`
	for _, test := range []struct{ pattern, service, want string }{
		{"%s.test", "", `error: dns: service "": an empty label`},
		{"%s.test", ".", `error: dns: service ".": an empty label`},
		{"%s.test", "a..b", `error: dns: service "a..b": an empty label`},
		{"%s.test", ".a", `error: dns: service ".a": an empty label`},
		{"%s.test", "a b", `error: dns: service "a b": label "a b" ` + letters},
		{"%s.test", "a/b", `error: dns: service "a/b": label "a/b" ` + letters},
		{"%s.test", "a\x00b", `error: dns: service "a\x00b": label "a\x00b" ` + letters},
		{"%s.test", `a\.b`, `error: dns: service "a\\.b": label "a\\" ` + letters},
		{"%s.test", "münchen", `error: dns: service "münchen": label "münchen" ` + letters},
		{"%s.test", "10.0.0.1:80", `error: dns: service "10.0.0.1:80": label "1:80" ` + letters},
		{"%s.test", long, `error: dns: service "` + long + `": label "` + long + `" is longer than 63 characters`},
		{"x%s.test", long[:63], `error: dns: service "` + long[:63] + `": name "x` + long[:63] + `.test": label "x` + long[:63] + `" is longer than 63 characters`},
		{"%s.test", strings.Repeat("abc.", 63), "longer than 253 characters"},
		{"%s", strings.Repeat("abc.", 64), "longer than 253 characters"},
		{"", "orders", `error: dns: pattern "": an empty label`},
		{".%s", "orders", `error: dns: pattern ".%s": an empty label`},
		{"%d.test", "orders", `error: dns: pattern "%d.test": label "%d" ` + letters},
		{"%s.test:80", "orders", `error: dns: pattern "%s.test:80": label "test:80" ` + letters},
	} {
		t.Run(test.pattern+" "+test.service, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				s := follow(t, r.host(test.pattern), test.service)
				wait(time.Hour)
				heard := s.heard()
				if assert.Len(t, heard, 1) {
					assert.Contains(t, heard[0], test.want)
				}
				assert.Empty(t, r.asked())
				assert.False(t, errors.Is(s.errs[0], discovery.ErrUnknownService))
			})
		})
	}
}

func TestUnusableOptions(t *testing.T) {
	for name, test := range map[string]struct {
		client *dns.Client
		want   string
	}{
		"no port":          {dns.NewHost("%s.test", 0), "error: dns: port 0: addresses of a name need the port at which the copies listen"},
		"server with path": {dns.NewSRV("%s.test", dns.WithServers("10.0.0.1", "http://x/")), `error: dns: server "http://x/" is no address such as 10.0.0.2, 10.0.0.2:5353 or [fd00::2]:5353`},
		"server port":      {dns.NewSRV("%s.test", dns.WithServers("10.0.0.1:99999")), `error: dns: server "10.0.0.1:99999" is no address such as 10.0.0.2, 10.0.0.2:5353 or [fd00::2]:5353`},
		"empty server":     {dns.NewSRV("%s.test", dns.WithServers("")), `error: dns: server "" is no address such as 10.0.0.2, 10.0.0.2:5353 or [fd00::2]:5353`},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, _ *rig) {
				s := follow(t, test.client, "orders")
				wait(time.Hour)
				s.says(test.want)
			})
		})
	}
}
