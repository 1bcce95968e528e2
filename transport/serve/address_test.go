package serve_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/internal/memnet"
	"github.com/namesake-go/namesake/transport/serve"
)

// announcedBy returns what a copy with a listener at an address announces.
func announcedBy(t *testing.T, listen string, in discovery.Instance) (got discovery.Instance, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		listener, listenErr := network.Listen(listen)
		require.NoError(t, listenErr)
		enough := errors.New("enough")
		err = serve.Run(t.Context(), registrarFunc(func(in discovery.Instance) error { got = in; return enough }), service, hello,
			serve.Config{Listener: listener, Instance: in})
		if errors.Is(err, enough) {
			err = nil
		}
		_, listenErr = network.Listen(listen)
		require.NoError(t, listenErr, "the listener has been closed")
	})
	return got, err
}

type registrarFunc func(discovery.Instance) error

func (f registrarFunc) Register(_ context.Context, _ string, in discovery.Instance) (discovery.Registration, error) {
	return nil, f(in)
}

func TestAnnouncedAddress(t *testing.T) {
	for _, test := range []struct{ listen, wanted, want string }{
		{"192.0.2.1:8080", "", "192.0.2.1:8080"},
		{"127.0.0.1:8080", "", "127.0.0.1:8080"},
		{"[2001:db8::7]:8080", "", "[2001:db8::7]:8080"},
		{"orders-1:8080", "", "orders-1:8080"},
		{"[::]:8080", "198.51.100.1:80", "198.51.100.1:80"},
		{"[::]:8080", "198.51.100.1:0", "198.51.100.1:8080"},
		{"0.0.0.0:8080", "orders.example:0", "orders.example:8080"},
		{"192.0.2.1:8080", "[2001:db8::7]:0", "[2001:db8::7]:8080"},
		{"nowhere", "198.51.100.1:80", "198.51.100.1:80"},
	} {
		in, err := announcedBy(t, test.listen, discovery.Instance{Addr: test.wanted})
		require.NoError(t, err, test)
		assert.Equal(t, test.want, in.Addr, test)
	}
	for _, test := range []struct{ listen, wanted, text string }{
		{"nowhere", "", "the listener has no host:port"},
		{"nowhere", "198.51.100.1:0", "the listener has no host:port"},
		{"192.0.2.1:8080", "198.51.100.1", "is not host:port"},
		{"192.0.2.1:8080", "198.51.100.1:0x50", "has no port"},
		{"192.0.2.1:0", "", "has no port"},
		{"192.0.2.1:8080", "or ders:80", "has no usable host"},
	} {
		_, err := announcedBy(t, test.listen, discovery.Instance{Addr: test.wanted})
		require.ErrorContains(t, err, test.text, "%v", test)
		require.ErrorContains(t, err, "serve: orders: ")
	}
}

// A listener without a particular host: the address is one of this host that
// is no loopback, or the error says what to do. Which one depends on the
// machine.
func TestAnnouncedAddressOfAnyHost(t *testing.T) {
	own := make(map[netip.Addr]bool)
	addrs, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		require.NoError(t, err)
		own[prefix.Addr().Unmap()] = true
	}
	for _, listen := range []string{":8080", "0.0.0.0:8080", "[::]:8080"} {
		for _, wanted := range []string{"", ":0", "0.0.0.0:0"} {
			in, err := announcedBy(t, listen, discovery.Instance{Addr: wanted})
			if err != nil {
				require.EqualError(t, err, "serve: orders: no address of this host that others can reach is known; set Config.Instance.Addr")
				continue
			}
			addr, err := netip.ParseAddrPort(in.Addr)
			require.NoError(t, err, in.Addr)
			assert.True(t, own[addr.Addr()], in.Addr)
			assert.False(t, addr.Addr().IsLoopback(), in.Addr)
			assert.EqualValues(t, 8080, addr.Port())
		}
	}
}

func TestAnnouncedScheme(t *testing.T) {
	in, err := announcedBy(t, addr, discovery.Instance{})
	require.NoError(t, err)
	assert.Equal(t, "http", in.Scheme)
	in, err = announcedBy(t, addr, discovery.Instance{Scheme: "https"})
	require.NoError(t, err)
	assert.Equal(t, "https", in.Scheme, "something in front of the copy speaks TLS")
	_, err = announcedBy(t, addr, discovery.Instance{Scheme: "gopher"})
	require.ErrorContains(t, err, "neither http nor https")
}

func TestListenFails(t *testing.T) {
	var memory discovery.Memory
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { assert.NoError(t, taken.Close()) }()
	err = serve.Run(t.Context(), &memory, service, hello, serve.Config{Addr: taken.Addr().String()})
	require.ErrorContains(t, err, "serve: orders: listen tcp "+taken.Addr().String())
}
