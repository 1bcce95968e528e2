package discovery_test

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/namesake-go/namesake/discovery"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestInstanceValidate(t *testing.T) {
	for _, addr := range []string{
		"10.0.0.7:80", "[::1]:65535", "[fe80::1%eth0]:80", "orders-1.internal:8080", "my_host:1", "EXAMPLE.org.:443",
	} {
		assert.NoError(t, discovery.Instance{Addr: addr}.Validate(), addr)
	}
	for addr, says := range map[string]string{
		"":                          "is not host:port",
		"10.0.0.7":                  "is not host:port",
		"::1:80":                    "is not host:port",
		":80":                       "has no usable host",
		"[]:80":                     "has no usable host",
		"[not:an:ip]:80":            "has no usable host",
		"user@host:80":              "has no usable host",
		"a b:80":                    "has no usable host",
		"a\x00b:80":                 "has no usable host",
		"[fe80::1%a/b]:80":          "has no usable host",
		"b\u00fccher.example:80":    "has no usable host",
		"host:0":                    "has no port",
		"host:65536":                "has no port",
		"host:-1":                   "has no port",
		"host:http":                 "has no port",
		"host:":                     "has no port",
		"http://10.0.0.7:80":        "is not host:port",
		"10.0.0.7:80/path":          "has no port",
		"10.0.0.7:80\r\nHost: evil": "is not host:port",
	} {
		err := discovery.Instance{ID: "orders-1", Addr: addr}.Validate()
		assert.ErrorContains(t, err, says, addr)
		assert.ErrorContains(t, err, `"orders-1"`, addr)
	}
	assert.NoError(t, discovery.Instance{Addr: "a:1", Scheme: "https"}.Validate())
	assert.EqualError(t, discovery.Instance{ID: "x", Addr: "a:1", Scheme: "ftp"}.Validate(),
		`discovery: instance "x": scheme "ftp" is neither http nor https`)
}

func TestInstanceEqual(t *testing.T) {
	full := discovery.Instance{
		ID: "a", Addr: "10.0.0.7:80", Scheme: "http", Zone: "z", Weight: 1, Priority: 1, Metadata: map[string]string{"k": "v"},
	}
	assert.True(t, full.Equal(full))
	assert.True(t, discovery.Instance{}.Equal(discovery.Instance{Metadata: map[string]string{}}))
	for name, change := range map[string]func(*discovery.Instance){
		"ID":       func(in *discovery.Instance) { in.ID = "b" },
		"Addr":     func(in *discovery.Instance) { in.Addr = "10.0.0.8:80" },
		"Scheme":   func(in *discovery.Instance) { in.Scheme = "https" },
		"Zone":     func(in *discovery.Instance) { in.Zone = "y" },
		"Weight":   func(in *discovery.Instance) { in.Weight = 2 },
		"Priority": func(in *discovery.Instance) { in.Priority = 2 },
		"Metadata": func(in *discovery.Instance) { in.Metadata = map[string]string{"k": "w"} },
	} {
		other := full
		change(&other)
		assert.False(t, full.Equal(other), name)
	}
}

// What Validate accepts can be split, dialed and put into a URL.
func FuzzInstanceValidate(f *testing.F) {
	for _, addr := range []string{"10.0.0.7:80", "[::1]:8080", "[fe80::1%eth0]:80", "host:0", "[a:b]:1", "a%b:1", "\\:1", "h:080"} {
		f.Add("id", addr, "http")
	}
	f.Fuzz(func(t *testing.T, id, addr, scheme string) {
		in := discovery.Instance{ID: id, Addr: addr, Scheme: scheme}
		if err := in.Validate(); err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "discovery: instance "+strconv.Quote(id)+": "), err)
			return
		}
		host, port, err := net.SplitHostPort(addr)
		require.NoError(t, err)
		number, err := net.LookupPort("tcp", port)
		require.NoError(t, err)
		require.Positive(t, number)
		ip, err := netip.ParseAddr(host)
		if err == nil {
			_, err = net.ResolveTCPAddr("tcp", net.JoinHostPort(ip.WithZone("").String(), port))
			require.NoError(t, err)
		}
		if ip.Zone() != "" {
			return // a URL has its own way to write a zone
		}
		u, err := url.Parse("http://" + net.JoinHostPort(host, port) + "/")
		require.NoError(t, err)
		require.Equal(t, host, u.Hostname())
		require.Equal(t, port, u.Port())
	})
}
