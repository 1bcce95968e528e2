package memnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/nettest"

	"github.com/namesake-go/namesake/internal/memnet"
)

func connect(t *testing.T, n *memnet.Network, addr string) (client, server net.Conn) {
	t.Helper()
	l, err := n.Listen(addr)
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	accepted := make(chan net.Conn)
	go func() {
		c, err := l.Accept()
		assert.NoError(t, err)
		accepted <- c
	}()
	client, err = n.DialContext(t.Context(), "tcp", addr)
	require.NoError(t, err)
	return client, <-accepted
}

// It behaves as any net.Conn must.
func TestConformance(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		c1, c2 = connect(t, new(memnet.Network), "10.0.0.1:80")
		return c1, c2, func() { _ = c1.Close(); _ = c2.Close() }, nil
	})
}

func TestRefusedAndHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		_, err := n.DialContext(t.Context(), "tcp", "10.0.0.1:80")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)

		l, err := n.Listen("10.0.0.1:80")
		require.NoError(t, err)
		_, err = n.Listen("10.0.0.1:80")
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err = n.DialContext(ctx, "tcp", "10.0.0.1:80")
		op, ok := errors.AsType[*net.OpError](err)
		require.True(t, ok)
		assert.Equal(t, "dial", op.Op)
		assert.True(t, op.Timeout())
		assert.Equal(t, time.Second, time.Since(start))
		require.NoError(t, l.Close())
		assert.Equal(t, 2, n.Dials("10.0.0.1:80"))
		assert.Zero(t, n.Dialing("10.0.0.1:80"))
	})
}

// Both sides can say goodbye at once, and what was written before is read.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		client, server := connect(t, &n, "10.0.0.1:80")
		assert.Equal(t, 1, n.Open("10.0.0.1:80"))
		for _, c := range []net.Conn{client, server} {
			_, err := c.Write([]byte("goodbye"))
			require.NoError(t, err)
		}
		require.NoError(t, client.Close())
		assert.Zero(t, n.Open("10.0.0.1:80"))
		text, err := io.ReadAll(server)
		require.NoError(t, err)
		assert.Equal(t, "goodbye", string(text))
		_, err = server.Write([]byte("anybody?"))
		require.ErrorIs(t, err, syscall.EPIPE)
		_, err = client.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

// Nobody can write more than the other side reads and the buffer holds.
func TestWriteBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		client, server := connect(t, &n, "10.0.0.1:80")
		defer func() { _ = client.Close(); _ = server.Close() }()
		require.NoError(t, client.SetWriteDeadline(time.Now().Add(time.Second)))
		start := time.Now()
		written, err := client.Write(make([]byte, 1<<20))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, 64<<10, written)
		assert.Equal(t, time.Second, time.Since(start))
	})
}

func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		client, server := connect(t, &n, "10.0.0.1:80")
		defer func() { _ = client.Close(); _ = server.Close() }()
		n.Silence("10.0.0.1:80")
		_, err := client.Write([]byte("hello?"))
		require.NoError(t, err)
		require.NoError(t, server.SetReadDeadline(time.Now().Add(time.Hour)))
		_, err = server.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	})
}
