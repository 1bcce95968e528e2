package serve_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport/serve"
)

// certificate returns one that httptest's clients trust.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	return s.TLS.Certificates[0]
}

// A copy with a TLSConfig speaks TLS, says so in the registry, and is as kind
// to HTTP/1 over it as without.
func TestTLS(t *testing.T) {
	cert := certificate(t)
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, nil, hello, serve.Config{
			Server:   &http.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}},
			LameDuck: time.Second,
			Drain:    time.Second,
		})
		assert.Equal(t, []discovery.Instance{{Addr: addr, Scheme: "https"}}, w.copies(t))
		pool := &http.Transport{DialContext: w.network.DialContext, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		defer pool.CloseIdleConnections()
		get := func() *http.Response {
			resp, err := (&http.Client{Transport: pool}).Get("https://" + addr + "/")
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			return resp
		}
		first := get() //nolint:bodyclose // closed by get
		assert.Equal(t, "HTTP/1.1", first.Proto)
		assert.False(t, first.Close)
		w.stop()
		w.at(time.Second)
		assert.True(t, get().Close) //nolint:bodyclose // closed by get
		require.NoError(t, <-w.result)
	})
}

func TestTLSWithoutCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, nil, hello, serve.Config{Server: &http.Server{TLSConfig: new(tls.Config)}})
		require.EqualError(t, <-w.result, "serve: orders: the server's TLSConfig has no certificate")
		w.stop()
	})
}

// An HTTP/2 connection serves until the end. Then GOAWAY says which requests
// were too late, and those that were not finish.
func TestHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(true)
		protocols.SetUnencryptedHTTP2(true)
		w := begin(t, nil, slowly, serve.Config{Server: &http.Server{Protocols: protocols}, LameDuck: 3 * time.Second, Drain: 7 * time.Second})
		onlyTwo := new(http.Protocols)
		onlyTwo.SetUnencryptedHTTP2(true)
		pool := &http.Transport{DialContext: w.network.DialContext, Protocols: onlyTwo}
		client := &http.Client{Transport: pool}
		post := func(path string) error {
			resp, err := client.Post("http://"+addr+path, "text/plain", io.MultiReader(strings.NewReader("cannot be read twice")))
			if err != nil {
				return err
			}
			defer func() { _ = resp.Body.Close() }()
			assert.Equal(t, "HTTP/2.0", resp.Proto)
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			_, err = io.Copy(io.Discard, resp.Body)
			return err
		}
		require.NoError(t, post("/0s"))
		w.stop()
		synctest.Wait()
		for range 5 {
			require.NoError(t, post("/1s"))
		}
		w.at(9 * time.Second)
		require.NoError(t, post("/0s"), "the listener is closed, but not the connection")
		require.NoError(t, post("/2s"), "GOAWAY comes after one second")
		assert.Equal(t, 1, w.network.Dials(addr), "one connection has served all")
		require.ErrorContains(t, post("/0s"), "connection refused", "the connection takes no more")
		require.NoError(t, <-w.result)
		assert.GreaterOrEqual(t, w.ended, 11*time.Second, "the last call's end")
		assert.Less(t, w.ended, 12*time.Second, "net/http looks twice a second")
		assert.Zero(t, w.network.Open(addr))
	})
}

// A connection that turns out to be one of HTTP/2 only when the server is
// being shut down, and brings no request, is told to end like the others. A
// client that was in a hurry, and then got another, leaves such connections.
func TestLateHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(true)
		protocols.SetUnencryptedHTTP2(true)
		w := begin(t, nil, hello, serve.Config{Server: &http.Server{Protocols: protocols}, LameDuck: time.Second, Drain: time.Second})
		conn, err := w.network.DialContext(t.Context(), "tcp", addr)
		require.NoError(t, err)
		w.stop()
		w.at(2500 * time.Millisecond)
		go func() {
			_, _ = io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
		}()
		_, err = io.Copy(io.Discard, conn)
		require.NoError(t, err)
		require.NoError(t, <-w.result)
		assert.Less(t, w.ended, 5*time.Second)
	})
}
