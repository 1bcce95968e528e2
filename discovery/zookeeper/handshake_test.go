package zookeeper

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A server that accepts connections and says nothing is given up after as long
// as a session may last.
func TestSilentServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	accepted := make(chan net.Conn, 10)
	go func() { // until the listener is closed
		defer close(accepted)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	registry := New(listener.Addr().String(), WithSessionTimeout(time.Second))
	_, err = registry.connection()
	require.NoError(t, err)
	for range 2 {
		select {
		case conn := <-accepted:
			defer conn.Close() //nolint:errcheck // it is only held
		case <-time.After(5 * time.Second):
			require.FailNow(t, "it is not given up")
		}
	}
	registry.Close()
	require.NoError(t, listener.Close())
	for conn := range accepted {
		_ = conn.Close()
	}
}
