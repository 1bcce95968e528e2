package main

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

func write(t *testing.T, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestWrongOptions(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"more"}, `registry: "more" is not an option`},
		{[]string{"-log-format", "xml"}, "-log-format"},
		{[]string{"-log-level", "loud"}, "-log-level"},
		{[]string{"-tls-cert", "x"}, "-tls-cert and -tls-key go together"},
		{[]string{"-client-ca", "x"}, "-client-ca needs"},
		{[]string{"-callers", "x"}, "-callers needs"},
		{[]string{"-preservation", "mine"}, "-preservation"},
		{[]string{"-users", "/does/not/exist"}, "registry: open /does/not/exist"},
		{[]string{"-tls-cert", "/does/not/exist", "-tls-key", "/does/not/exist"}, "/does/not/exist"},
		{[]string{"-metrics", "nowhere:x", "-addr", "127.0.0.1:0"}, "registry: -metrics"},
	} {
		assert.ErrorContains(t, run(t.Context(), tt.args, io.Discard), tt.want)
	}
}

// A URL that stands beside its option may have a password.
func TestErrorsShowNoPassword(t *testing.T) {
	err := run(t.Context(), []string{"-peers", "http://u:secret@a,", "http://u:secret@b"}, io.Discard)
	require.ErrorContains(t, err, "is not an option")
	assert.NotContains(t, err.Error(), "secret")
}

func TestEntries(t *testing.T) {
	entries, err := readEntries(write(t, `
# name secret grants applications
orders  s3cret  write         ORDERS,stock

ops     t0ken   read,operate
`), true)
	require.NoError(t, err)
	assert.Equal(t, []entry{
		{eurekaserver.Caller{Name: "orders", Grant: eurekaserver.Write, Apps: []string{"ORDERS", "stock"}}, "s3cret"},
		{eurekaserver.Caller{Name: "ops", Grant: eurekaserver.Read | eurekaserver.Operate}, "t0ken"},
	}, entries)

	entries, err = readEntries(write(t, "spiffe://example.org/orders all"), false)
	require.NoError(t, err)
	assert.Equal(t, []entry{{eurekaserver.Caller{Name: "spiffe://example.org/orders", Grant: eurekaserver.All}, ""}}, entries)

	for _, wrong := range []string{"name", "name secret", "name secret reed", "name secret read APP more", "name secret read, APP"} {
		path := write(t, "# comment\n"+wrong)
		_, err := readEntries(path, true)
		require.ErrorContains(t, err, path+", line 2: ", wrong)
		assert.NotContains(t, err.Error(), "secret read")
		assert.NotContains(t, err.Error(), "reed")
	}
}

func TestURL(t *testing.T) {
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}
	assert.Equal(t, "http://127.0.0.1:80/eureka/", (&config{prefix: "/eureka"}).url(addr))
	assert.Equal(t, "https://127.0.0.1:80/a/b/", (&config{prefix: "a/b/", cert: "x"}).url(addr))
	assert.Equal(t, "http://127.0.0.1:80/", (&config{prefix: "/"}).url(addr))
}

func TestWarningWhenOpen(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:1": false, "localhost:1": false, "[::1]:1": false, ":1": true, "0.0.0.0:1": true, "10.0.0.1:1": true,
	} {
		assert.Equal(t, want, (&config{addr: addr}).open(), addr)
		assert.False(t, (&config{addr: addr, users: "x"}).open(), addr)
		assert.False(t, (&config{addr: addr, readOpen: true}).open(), "nobody may change anything")
	}
}
