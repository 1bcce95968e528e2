package serve_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/internal/memnet"
	"github.com/namesake-go/namesake/transport"
	"github.com/namesake-go/namesake/transport/serve"
)

// listen serves a handler on a network in memory until the test is over, which
// is in a bubble.
func listen(t *testing.T, network *memnet.Network, addr string, handler http.Handler, protocols *http.Protocols) {
	t.Helper()
	l, err := network.Listen(addr)
	require.NoError(t, err)
	s := &http.Server{Handler: handler, Protocols: protocols}
	go func() { _ = s.Serve(l) }() // ends with the test
	t.Cleanup(func() { _ = s.Close() })
}

// clientOf returns a client for whatever listens there.
func clientOf(t *testing.T, network *memnet.Network, protocols *http.Protocols) *http.Client {
	pool := &http.Transport{DialContext: network.DialContext, Protocols: protocols, ExpectContinueTimeout: time.Minute}
	t.Cleanup(pool.CloseIdleConnections)
	return &http.Client{Transport: pool}
}

// A refused request's body is not even asked for, where the caller waits to be
// asked, and the connection goes on.
func TestSheddingReadsNothing(t *testing.T) {
	var h1, h2c http.Protocols
	h1.SetHTTP1(true)
	h2c.SetUnencryptedHTTP2(true)
	for name, protocols := range map[string]*http.Protocols{"HTTP/1.1": &h1, "HTTP/2.0": &h2c} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var network memnet.Network
				shed := serve.NewShedder(serve.ShedderConfig{MaxInFlight: 1})
				listen(t, &network, addr, shed.Handler(slowly), protocols)
				client := clientOf(t, &network, protocols)
				var first sync.WaitGroup
				first.Go(func() {
					resp, err := client.Get("http://" + addr + "/1s")
					if assert.NoError(t, err) {
						_ = resp.Body.Close()
					}
				})
				synctest.Wait()
				for range 3 {
					body := &countedReader{Reader: strings.NewReader("an order")}
					req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/1s", body)
					require.NoError(t, err)
					req.Header.Set("Expect", "100-continue")
					resp, err := client.Do(req)
					require.NoError(t, err)
					text, err := io.ReadAll(resp.Body)
					require.NoError(t, err)
					require.NoError(t, resp.Body.Close())
					assert.Equal(t, name, resp.Proto)
					assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
					assert.Contains(t, []string{"1", "2"}, resp.Header.Get("Retry-After"))
					assert.Equal(t, "too busy\n", string(text))
					assert.Zero(t, body.reads)
				}
				first.Wait()
				assert.LessOrEqual(t, network.Dials(addr), 4)
			})
		})
	}
}

type countedReader struct {
	io.Reader
	reads int
}

func (r *countedReader) Read(p []byte) (int, error) {
	r.reads++
	return r.Reader.Read(p)
}

// A copy that refuses is busy, not ill: calls go to the other, and it is not
// ejected.
func TestSheddingAsCallersSeeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		full := serve.NewShedder(serve.ShedderConfig{MaxInFlight: 1})
		listen(t, &network, "10.0.0.1:80", full.Handler(slowly), nil)
		listen(t, &network, "10.0.0.2:80", slowly, nil)
		direct := clientOf(t, &network, nil)
		var busy sync.WaitGroup
		busy.Go(func() {
			resp, err := direct.Get("http://10.0.0.1:80/1h")
			if assert.NoError(t, err) {
				_ = resp.Body.Close()
			}
		})
		synctest.Wait()

		outcomes := make(map[string]map[balancer.Outcome]int)
		rt := transport.New(discovery.Static{service: discovery.Addrs("10.0.0.1:80", "10.0.0.2:80")},
			transport.WithDialContext(network.DialContext), transport.WithPolicy(balancer.RoundRobin), transport.WithLogger(nil),
			transport.WithHooks(transport.Hooks{
				Attempt: func(e transport.AttemptEvent) {
					if outcomes[e.Endpoint.Addr()] == nil {
						outcomes[e.Endpoint.Addr()] = make(map[balancer.Outcome]int)
					}
					outcomes[e.Endpoint.Addr()][e.Outcome]++
				},
				EndpointEjected: func(e transport.EndpointEvent) { t.Errorf("%s is ejected", e.Endpoint.Addr()) },
			}))
		defer rt.Close()
		client := &http.Client{Transport: rt}
		for range 40 {
			resp, err := client.Get("http://" + service + "/1s")
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, resp.StatusCode)
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		}
		assert.Equal(t, map[balancer.Outcome]int{balancer.Success: 40}, outcomes["10.0.0.2:80"])
		assert.Len(t, outcomes["10.0.0.1:80"], 1)
		assert.GreaterOrEqual(t, outcomes["10.0.0.1:80"][balancer.Busy], 15, "a round robin finds it again and again")
		busy.Wait()
	})
}

// When no other copy is left, a caller waits for as long as it is told to.
func TestSheddingIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		shed := serve.NewShedder(serve.ShedderConfig{MaxInFlight: 1, RetryAfter: 2 * time.Second, RetryJitter: -1})
		listen(t, &network, "10.0.0.1:80", shed.Handler(slowly), nil)
		rt := transport.New(discovery.Static{service: discovery.Addrs("10.0.0.1:80")},
			transport.WithDialContext(network.DialContext), transport.WithLogger(nil))
		defer rt.Close()
		client := &http.Client{Transport: rt}
		start := time.Now()
		var first sync.WaitGroup
		first.Go(func() {
			resp, err := client.Get("http://" + service + "/1500ms")
			if assert.NoError(t, err) {
				_ = resp.Body.Close()
			}
		})
		synctest.Wait()
		resp, err := client.Get("http://" + service + "/0s")
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		assert.GreaterOrEqual(t, time.Since(start), 2*time.Second)
		assert.LessOrEqual(t, time.Since(start), 2400*time.Millisecond, "a fifth of jitter on its side")
		first.Wait()
	})
}
