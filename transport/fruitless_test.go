package transport_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/resilience"
	"github.com/namesake-go/namesake/transport"
)

// What net/http repeats by itself, on connection after connection, must not be
// repeated without end. The endpoint does the same to each call; the second is
// well.
func TestNothingIsRepeatedWithoutEnd(t *testing.T) {
	for name, headers := range map[string]func(*framesConn, uint32){
		"PROTOCOL_ERROR": func(c *framesConn, stream uint32) { c.reset(stream, http2.ErrCodeProtocol) },
		"GOAWAY, not processed": func(c *framesConn, _ uint32) {
			c.goAway(0, http2.ErrCodeNo)
			c.hangUp()
		},
	} {
		for kind, request := range map[string]func(m *mesh) *http.Request{
			"without a body": func(m *mesh) *http.Request { return m.request(http.MethodGet, "http://orders/", "") },
			"with GetBody":   func(m *mesh) *http.Request { return m.request(http.MethodPut, "http://orders/", "the body") },
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				inH2C(t, func(t *testing.T, m *mesh) {
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
					defer cancel()
					f := new(frames)
					f.headers = func(c *framesConn, stream uint32) {
						if f.received() > 1000 { // or the test would not end
							cancel()
							c.answer(stream, "200", "gave in")
							return
						}
						headers(c, stream)
					}
					m.frames("10.0.0.1:80", f)
					m.serve("10.0.0.2:80", say("second"))
					m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
					start := time.Now()
					resp, err := m.rt.RoundTrip(request(m).WithContext(ctx))
					t.Logf("%d sends, %d connections, %v: %v", f.received(), m.net.Dials("10.0.0.1:80"), time.Since(start), err)
					assert.LessOrEqual(t, f.received(), 12)
					assert.Less(t, time.Since(start), 3*time.Second)
					require.NoError(t, err)
					require.NoError(t, resp.Body.Close())
				}, transport.WithPolicy(inOrder))
			})
		}
	}
}

// Connections that net/http makes and then does not need, as it does for calls
// that leave before they are connected, bring no response but are nobody's
// fault.
func TestConnectionsThatNobodyNeedsAreNotFruitless(t *testing.T) {
	const left = 30
	for _, mode := range modes()[2:] {
		t.Run(mode.name, func(t *testing.T) {
			var m *mesh
			var connect chan struct{}
			dial := transport.WithDialContext(func(ctx context.Context, network, addr string) (net.Conn, error) {
				<-connect
				return m.net.DialContext(ctx, network, addr)
			})
			mode.run(t, func(t *testing.T, inner *mesh) {
				m, connect = inner, make(chan struct{})
				m.serve("10.0.0.1:80", func(http.ResponseWriter, *http.Request) { time.Sleep(10 * time.Millisecond) },
					func(s *http.Server) { s.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 1} })
				m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
				defer cancel()
				var calls sync.WaitGroup
				for range left {
					calls.Go(func() {
						_, err := m.rt.RoundTrip(m.request(http.MethodGet, "http://orders/", "").WithContext(ctx)) //nolint:bodyclose // fails
						assert.ErrorIs(t, err, context.DeadlineExceeded)
					})
				}
				calls.Wait()
				close(connect)
				synctest.Wait()
				require.Equal(t, left, m.net.Dials("10.0.0.1:80"))
				require.Equal(t, 1, m.net.Open("10.0.0.1:80"))

				for range 2 { // the second needs a connection of its own
					calls.Go(func() {
						_, _, err := m.get("http://orders/")
						assert.NoError(t, err)
					})
					synctest.Wait()
				}
				calls.Wait()
				assert.Equal(t, 2, m.net.Open("10.0.0.1:80"))
			}, []transport.Option{dial, transport.WithRetry(resilience.RetryConfig{Attempts: 1})})
		})
	}
}
