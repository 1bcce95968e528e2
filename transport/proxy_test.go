package transport_test

import (
	"bufio"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
)

// S63: a reverse proxy over a Transport upgrades connections, which outlive all
// timeouts and are in flight until they are closed, by whichever side.
func TestUnderAReverseProxy(t *testing.T) {
	var gauge inFlight
	for _, mode := range ways() {
		if !mode.protocols.HTTP1() || mode.secure {
			continue // upgrades are HTTP/1's
		}
		t.Run(mode.name, func(t *testing.T) {
			mode.run(t, func(t *testing.T, m *mesh) {
				m.serve("10.0.0.1:80", echo)
				m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
				proxy := &httputil.ReverseProxy{
					Transport: m.rt,
					Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "orders"}) },
					ErrorLog:  log.New(io.Discard, "", 0),
				}
				m.serve("10.0.9.9:80", proxy.ServeHTTP)
				outside := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
					return m.net.DialContext(ctx, network, "10.0.9.9:80")
				}}
				defer outside.CloseIdleConnections()

				for range 3 {
					req := m.request(http.MethodGet, "http://shop.example/", "")
					req.Header.Set("Connection", "Upgrade")
					req.Header.Set("Upgrade", "echo")
					resp, err := outside.RoundTrip(req) //nolint:bodyclose // closed as what it is
					require.NoError(t, err)
					require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
					conn := resp.Body.(io.ReadWriteCloser)
					lines := bufio.NewReader(conn)
					for range 3 {
						time.Sleep(time.Minute)
						_, err = io.WriteString(conn, "hello\n")
						require.NoError(t, err)
						line, err := lines.ReadString('\n')
						require.NoError(t, err)
						assert.Equal(t, "you said hello\n", line)
						assert.Equal(t, int64(1), gauge.now())
					}
					require.NoError(t, conn.Close())
					synctest.Wait()
					assert.Zero(t, gauge.now())
				}
			}, []transport.Option{transport.WithHooks(gauge.hooks()), transport.WithAttemptTimeout(time.Second)})
		})
	}
}
