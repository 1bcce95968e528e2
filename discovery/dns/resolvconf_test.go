package dns_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/dns"
)

func TestResolvConf(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for i, addr := range []string{"10.0.0.54:53", "[fe80::1%eth0]:53", "127.0.0.1:53"} {
			r.add(addr, newServer(t)).set("orders.test.", a(fmt.Sprintf("192.0.2.%d", i+1), 60))
		}
		r.set("orders.test.", a("192.0.2.66", 60)) // at 10.0.0.53
		file := filepath.Join(t.TempDir(), "resolv.conf")
		write := func(text string) {
			require.NoError(t, os.WriteFile(file+".new", []byte(text), 0o600))
			require.NoError(t, os.Rename(file+".new", file))
		}
		s := follow(t, dns.NewHost("%s.test", 80, dns.WithDial(r.dial), dns.WithResolvConf(file)), "orders")
		s.says(`error: dns: lookup of "orders": servers: stat ` + file + ": no such file or directory")

		write("# a comment\nsearch test internal\n; nameserver 10.0.0.53\nnameserver\nnameserver ns.test\n" +
			"options ndots:5\nnameserver 10.9.9.1\nnameserver 10.9.9.2\n  nameserver\t10.0.0.54  \nnameserver 10.0.0.53\n")
		wait(time.Minute)
		heard := s.heard()
		assert.Equal(t, "[192.0.2.1:80]", heard[len(heard)-1], "of the third")

		write("nameserver 10.9.9.1\nnameserver 10.9.9.2\nnameserver 10.9.9.3\nnameserver 10.0.0.53\n")
		wait(time.Minute + 6*time.Second)
		for _, line := range s.heard() {
			assert.Contains(t, line, "connection refused; server 10.9.9.3:53")
		}
		assert.Empty(t, r.asked(), "the fourth does not count")
		write("nameserver 10.0.0.54\n")
		wait(time.Minute)
		s.says("[192.0.2.1:80]")

		require.NoError(t, os.Remove(file))
		wait(time.Minute + 6*time.Second)
		s.says()

		write("nameserver fe80::1%eth0\n")
		wait(time.Minute + 6*time.Second)
		s.says("[192.0.2.2:80]")
		write("search test\n")
		wait(time.Minute + 6*time.Second)
		s.says("[192.0.2.3:80]")
	})
}
