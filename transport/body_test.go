package transport_test

import (
	"bufio"
	"context"
	"errors"
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
	"github.com/namesake-go/namesake/transport"
)

// inFlight follows the endpoint that was picked last.
type inFlight struct {
	mu       sync.Mutex
	endpoint *balancer.Endpoint
}

func (f *inFlight) hooks() transport.Hooks {
	return transport.Hooks{Pick: func(e transport.PickEvent) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.endpoint = e.Endpoint
	}}
}

func (f *inFlight) now() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.endpoint.InFlight()
}

// S59, S60: an attempt is over when its body is, once, however it ends.
func TestWhenAnAttemptIsOver(t *testing.T) {
	var gauge inFlight
	inEveryMode(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/empty":
			case "/204":
				w.WriteHeader(http.StatusNoContent)
			case "/304":
				w.WriteHeader(http.StatusNotModified)
			case "/truncated":
				w.Header().Set("Content-Length", "10")
				_, _ = io.WriteString(w, "x")
			default:
				_, _ = io.WriteString(w, "hello")
			}
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		for name, c := range map[string]struct {
			method, path string
			end          func(resp *http.Response)
		}{
			"EOF without Close": {"GET", "/", func(r *http.Response) { _, _ = io.ReadAll(r.Body) }},
			"Close unread":      {"GET", "/", func(r *http.Response) { _ = r.Body.Close() }},
			"Close twice":       {"GET", "/", func(r *http.Response) { _ = r.Body.Close(); _ = r.Body.Close() }},
			"a read error":      {"GET", "/truncated", func(r *http.Response) { _, err := io.ReadAll(r.Body); assert.Error(t, err) }},
			"EOF, then Close":   {"GET", "/", func(r *http.Response) { _, _ = io.ReadAll(r.Body); _ = r.Body.Close() }},
			"Read and Close at once": {"GET", "/", func(r *http.Response) {
				var both sync.WaitGroup
				both.Go(func() { _, _ = io.ReadAll(r.Body) })
				both.Go(func() { _ = r.Body.Close() })
				both.Wait()
			}},
			"HEAD":   {"HEAD", "/", nil},
			"204":    {"GET", "/204", nil},
			"304":    {"GET", "/304", nil},
			"length": {"GET", "/empty", nil},
		} {
			resp, err := m.rt.RoundTrip(m.request(c.method, "http://orders"+c.path, "")) //nolint:bodyclose // the test's subject
			require.NoError(t, err, name)
			if c.end == nil {
				assert.Zero(t, gauge.now(), name)
				if m.mode.protocols.HTTP1() { // of HTTP/2 it is another type
					assert.Equal(t, http.NoBody, resp.Body, name)
				}
				continue
			}
			assert.Equal(t, int64(1), gauge.now(), name)
			c.end(resp)
			assert.Zero(t, gauge.now(), name)
		}
	}, transport.WithHooks(gauge.hooks()))
}

// echo answers lines on an upgraded connection.
func echo(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", "echo")
	w.WriteHeader(http.StatusSwitchingProtocols)
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	for {
		line, err := rw.ReadString('\n')
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte("you said " + line))
	}
}

// S63: an upgraded connection goes both ways, outlives all timeouts for the
// header, and is in flight until it is closed.
func TestUpgrade(t *testing.T) {
	var gauge inFlight
	inMesh(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", echo)
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		req := newRequest(t, http.MethodGet, "http://orders/", "")
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "echo")
		resp, err := m.rt.RoundTrip(req) //nolint:bodyclose // closed as what it is
		require.NoError(t, err)
		require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
		conn, ok := resp.Body.(io.ReadWriteCloser)
		require.True(t, ok)
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
		assert.Zero(t, gauge.now())
	}, transport.WithHooks(gauge.hooks()), transport.WithAttemptTimeout(time.Second))
}

// S64: events are read as they are sent, and silence ends nothing.
func TestServerSentEvents(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for range 3 {
				_, _ = io.WriteString(w, "data: tick\n\n")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(5 * time.Minute)
			}
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		start := time.Now()
		resp, err := m.client.Get(m.url("http://orders/"))
		require.NoError(t, err)
		defer func() { _ = resp.Body.Close() }()
		lines := bufio.NewScanner(resp.Body)
		for i := range 3 {
			require.True(t, lines.Scan())
			assert.Equal(t, "data: tick", lines.Text())
			assert.Equal(t, time.Duration(i)*5*time.Minute, time.Since(start))
			require.True(t, lines.Scan())
		}
		assert.False(t, lines.Scan())
	})
}

// S65, S66: trailers and compression are net/http's, untouched.
func TestTrailersAndCompression(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "Announced")
			_, _ = io.WriteString(w, r.Header.Get("Accept-Encoding"))
			w.Header().Set("Announced", "yes")
			w.Header().Set(http.TrailerPrefix+"Surprise", "yes")
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		resp, err := m.client.Get(m.url("http://orders/"))
		require.NoError(t, err)
		data, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, "gzip", string(data))
		assert.Equal(t, "yes", resp.Trailer.Get("Announced"))
		assert.Equal(t, "yes", resp.Trailer.Get("Surprise"))
	})
}

// S1: the caller's request is not modified.
func TestTheRequestIsNotModified(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.2:80", answer(http.StatusServiceUnavailable, ""))
		m.serve("10.0.0.3:80", say("ok"))
		m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
		req := m.request(http.MethodPut, "http://orders/x?y=1", "body")
		req.Header.Set("A", "b")
		before, url := *req, *req.URL
		header := req.Header.Clone()
		resp, err := m.rt.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, url, *req.URL)
		assert.Equal(t, header, req.Header)
		assert.Equal(t, before.Host, req.Host)
		assert.Equal(t, before.Body, req.Body)
		assert.Equal(t, before.Context(), req.Context())
		assert.Same(t, req, resp.Request)
	}, transport.WithPolicy(inOrder), transport.WithAttemptTimeout(time.Minute))
}

// S2: the request's body is closed on every path, once.
func TestTheRequestBodyIsAlwaysClosed(t *testing.T) {
	canceled := func(ctx context.Context) context.Context {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return ctx
	}
	for name, c := range map[string]struct {
		url     string
		context func(context.Context) context.Context
		opts    []transport.Option
	}{
		"success":           {url: "http://orders/"},
		"refused":           {url: "http://refused/"},
		"plaintext refused": {url: "https://plain/"},
		"no endpoints":      {url: "http://nobody/"},
		"canceled before":   {url: "http://orders/", context: canceled},
		"a policy that errs": {url: "http://orders/", opts: []transport.Option{transport.WithPolicy(func(balancer.Set) balancer.Picker {
			return balancer.PickerFunc(func(balancer.PickInfo) (*balancer.Endpoint, error) { return nil, errors.New("no") })
		})}},
		"a policy that builds nothing": {url: "http://orders/", opts: []transport.Option{transport.WithPolicy(func(balancer.Set) balancer.Picker { return nil })}},
		"a picker that picks nothing": {url: "http://orders/", opts: []transport.Option{transport.WithPolicy(func(balancer.Set) balancer.Picker {
			return balancer.PickerFunc(func(balancer.PickInfo) (*balancer.Endpoint, error) { return nil, nil })
		})}},
		"a picker that picks a stranger": {url: "http://orders/", opts: []transport.Option{transport.WithPolicy(func(balancer.Set) balancer.Picker {
			stranger := new(balancer.Service).NewEndpoint(discovery.Instance{Addr: "10.9.9.9:80"})
			return balancer.PickerFunc(func(balancer.PickInfo) (*balancer.Endpoint, error) { return stranger, nil })
		})}},
	} {
		for kind, withGetBody := range map[string]bool{"GetBody": true, "plain": false} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				inEveryWay(t, func(t *testing.T, m *mesh) {
					m.serve("10.0.0.1:80", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) })
					m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
					m.registry.Set("refused", discovery.Addrs("10.0.0.2:80", "10.0.0.3:80")...)
					m.registry.Set("plain", discovery.Instance{Addr: "10.0.0.1:80", Scheme: "http"})
					var bodies []*trackBody
					body := func() (io.ReadCloser, error) {
						b := &trackBody{Reader: strings.NewReader("hello")}
						bodies = append(bodies, b)
						return b, nil
					}
					req := m.request(http.MethodPost, c.url, "")
					req.Body, _ = body()
					req.ContentLength = 5
					if withGetBody {
						req.GetBody = body
					}
					if c.context != nil {
						req = req.WithContext(c.context(t.Context()))
					}
					resp, err := m.rt.RoundTrip(req)
					assert.Equal(t, name == "success", err == nil, "%v", err)
					if err == nil {
						_ = resp.Body.Close()
					}
					synctest.Wait()
					for _, b := range bodies {
						assert.Equal(t, 1, b.closed())
					}
				}, c.opts...)
			})
		}
	}
}
