package dns_test

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/namesake-go/namesake/discovery/dns"
)

// listen serves on loopback until the test ends, over UDP and TCP at one port,
// which takes some luck.
func (s *server) listen(t testing.TB) (addr string) {
	t.Helper()
	var packets net.PacketConn
	var listener net.Listener
	for range 20 {
		p, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		if listener, err = net.Listen("tcp", p.LocalAddr().String()); err == nil {
			packets = p
			break
		}
		_ = p.Close()
	}
	require.NotNil(t, packets, "no port that is free for UDP and TCP")
	var running sync.WaitGroup
	running.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := packets.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			for _, reply := range s.handle("udp", append([]byte(nil), buf[:n]...)) {
				_, _ = packets.WriteTo(reply, from)
			}
		}
	})
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { s.serve("tcp", conn) })
		}
	})
	t.Cleanup(func() {
		_ = packets.Close()
		_ = listener.Close()
		running.Wait()
	})
	return packets.LocalAddr().String()
}

// The default dialer, over real sockets.
func TestLoopback(t *testing.T) {
	s := newServer(t)
	addr := s.listen(t)
	records := []dnsmessage.Resource{}
	for i := range 301 {
		records = append(records, srv(0, 1, uint16(1000+i), "b.test.", 0))
	}
	s.set(orders, records...)
	s.set("b.test.", a("192.0.2.1", 0))
	c := dns.NewSRV("_%s._tcp.test", dns.WithServers(addr))
	for set, err := range c.Watch(t.Context(), "orders") {
		require.NoError(t, err)
		assert.Len(t, set, 301)
		break
	}
	assert.Equal(t, []string{"udp SRV " + orders, "tcp SRV " + orders, "udp A b.test."}, s.asked())
}

func TestLoopbackWithNobodyThere(t *testing.T) {
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := p.LocalAddr().String()
	require.NoError(t, p.Close())
	for _, err := range dns.NewSRV("_%s._tcp.test", dns.WithServers(addr)).Watch(t.Context(), "orders") {
		assert.EqualError(t, err, fmt.Sprintf(`dns: lookup of "orders": SRV %s: server %s: no answer: udp: read: connection refused`, orders, addr))
		break
	}
}
