package transport_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
)

// S10: what is asked for arrives byte for byte as a bare http.Transport sends
// it.
func TestTargets(t *testing.T) {
	type seen struct{ method, target, host string }
	inEveryWay(t, func(t *testing.T, m *mesh) {
		var got seen
		m.serve("10.0.0.1:80", func(_ http.ResponseWriter, r *http.Request) {
			got = seen{r.Method, r.RequestURI, r.Host}
		}, func(s *http.Server) { s.DisableGeneralOptionsHandler = true }) // OPTIONS * is the handler's too
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		bare := &http.Transport{
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return m.net.DialContext(ctx, network, "10.0.0.1:80")
			},
			TLSClientConfig: m.clientTLS.Clone(), Protocols: &m.mode.protocols,
		}
		defer bare.CloseIdleConnections()

		for name, c := range map[string]struct {
			method string
			url    url.URL
			want   string // of the plain ones, to see that the comparison is not of two mistakes
		}{
			"plain":             {"GET", url.URL{Path: "/x"}, "/x"},
			"no path":           {"GET", url.URL{}, "/"},
			"an escaped slash":  {"GET", url.URL{Path: "/a/b", RawPath: "/a%2Fb"}, "/a%2Fb"},
			"an empty query":    {"GET", url.URL{Path: "/", ForceQuery: true}, "/?"},
			"an odd query":      {"GET", url.URL{Path: "/x", RawQuery: "a=1;b=%20&&c=%zz"}, "/x?a=1;b=%20&&c=%zz"},
			"two slashes":       {"GET", url.URL{Path: "//double//x"}, "//double//x"},
			"dots":              {"GET", url.URL{Path: "/a/../b/./c"}, "/a/../b/./c"},
			"a fragment":        {"GET", url.URL{Path: "/x", Fragment: "y"}, "/x"},
			"other letters":     {"GET", url.URL{Path: "/größe"}, "/gr%C3%B6%C3%9Fe"},
			"the server":        {"OPTIONS", url.URL{Path: "*"}, "*"},
			"an opaque path":    {"GET", url.URL{Opaque: "/a%2fb%41"}, ""},
			"an opaque address": {"GET", url.URL{Opaque: "//orders/a%2fb", RawQuery: "x"}, ""},
			"an own method":     {"PURGE", url.URL{Path: "/x"}, "/x"},
		} {
			send := func(rt http.RoundTripper) (seen, string) {
				got = seen{}
				req := m.request(c.method, "http://orders/", "")
				scheme, host := req.URL.Scheme, req.URL.Host
				*req.URL = c.url
				req.URL.Scheme, req.URL.Host = scheme, host
				resp, err := rt.RoundTrip(req)
				if err != nil {
					return got, "error"
				}
				require.NoError(t, resp.Body.Close())
				return got, resp.Status
			}
			want, wantStatus := send(bare)
			if c.want != "" {
				require.Equal(t, seen{c.method, c.want, "orders"}, want, name)
			}
			have, status := send(m.rt)
			assert.Equal(t, want, have, name)
			assert.Equal(t, wantStatus, status, name)
		}
	})
}

// S11: who answers is who was picked, every time.
func TestWhoAnswersWasPicked(t *testing.T) {
	var picked string
	inEveryWay(t, func(t *testing.T, m *mesh) {
		for _, addr := range addrs(2) {
			m.serve(addr, say(addr))
		}
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		for range 200 {
			_, body, err := m.get("http://orders/")
			require.NoError(t, err)
			require.Equal(t, picked, body)
		}
	}, transport.WithPolicy(balancer.RoundRobin), transport.WithHooks(transport.Hooks{
		Pick: func(e transport.PickEvent) { picked = e.Endpoint.Addr() },
	}))
}

// S21: what sends the attempt gets the caller's own header map, not a copy.
func TestTheHeaderIsNotCopied(t *testing.T) {
	var got []uintptr
	note := func(req *http.Request) { got = append(got, reflect.ValueOf(req.Header).Pointer()) }
	for name, opt := range map[string]transport.Option{
		"around the pool": transport.WithEndpointBase(func(_ discovery.Instance, pool http.RoundTripper) http.RoundTripper {
			return &tracing{pool, note}
		}),
		"a user's base": transport.WithBase(roundTripFunc(func(req *http.Request) (*http.Response, error) {
			note(req)
			return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: http.NoBody}, nil
		})),
	} {
		t.Run(name, func(t *testing.T) {
			got = nil
			inMesh(t, func(t *testing.T, m *mesh) {
				m.serve("10.0.0.2:80", answer(http.StatusServiceUnavailable, ""))
				m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
				req := m.request(http.MethodPut, "http://orders/", "body")
				req.Header.Set("A", "b")
				resp, _ := m.rt.RoundTrip(req)
				if resp != nil {
					_ = resp.Body.Close()
				}
				own := reflect.ValueOf(req.Header).Pointer()
				assert.Equal(t, []uintptr{own, own, own}, got, "also when it is sent again, with a timeout")
			}, opt, transport.WithPolicy(inOrder), transport.WithAttemptTimeout(time.Minute))
		})
	}
}

// S1: nobody but the caller's own goroutine sees the request change: others may
// read it meanwhile. The race detector is the judge.
func TestTheRequestMayBeReadMeanwhile(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", answer(http.StatusServiceUnavailable, "no"))
		m.serve("10.0.0.3:80", func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Millisecond)
			_, _ = io.Copy(w, r.Body)
		})
		m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
		m.registry.Set("down", discovery.Addrs("10.0.0.8:80", "10.0.0.9:80")...)
		for _, name := range []string{"orders", "down", "nobody"} {
			for kind, getBody := range map[string]bool{"GetBody": true, "plain": false} {
				req := m.request(http.MethodPut, "http://"+name+"/x?y=z", "the body")
				if !getBody {
					req.GetBody = nil
				}
				req.Header["Empty"] = nil
				req.Header.Set("A", "b")
				done := make(chan struct{})
				var readers sync.WaitGroup
				readers.Go(func() {
					for {
						fields := *req
						url := *req.URL
						_, _ = url.String(), fields.Context().Err()
						for key, values := range req.Header {
							_ = key + strings.Join(values, "")
						}
						select {
						case <-done:
							return
						case <-time.After(10 * time.Microsecond):
						}
					}
				})
				resp, err := m.rt.RoundTrip(req)
				if name == "orders" {
					require.NoError(t, err, kind)
					text, err := io.ReadAll(resp.Body)
					require.NoError(t, err)
					require.NoError(t, resp.Body.Close())
					assert.Equal(t, "the body", string(text), kind)
				} else {
					require.Error(t, err, kind)
				}
				close(done)
				readers.Wait()
			}
		}
	}, transport.WithPolicy(inOrder), transport.WithAttemptTimeout(time.Minute), transport.WithTimeout(time.Minute),
		transport.WithDeadlineHeader(""))
}

// S66: compression is net/http's offer, unless the caller makes one.
func TestCompression(t *testing.T) {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, _ = io.WriteString(zip, "the text")
	_ = zip.Close()
	inEveryWay(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, []string{"gzip"}, r.Header["Accept-Encoding"])
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed.Bytes())
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		for _, own := range []bool{false, true} {
			req := m.request(http.MethodGet, "http://orders/", "")
			if own {
				req.Header.Set("Accept-Encoding", "gzip")
			}
			resp, err := m.rt.RoundTrip(req)
			require.NoError(t, err)
			data, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, !own, resp.Uncompressed)
			if own {
				assert.Equal(t, packed.Bytes(), data)
				assert.Equal(t, "gzip", resp.Header.Get("Content-Encoding"))
				assert.Equal(t, int64(packed.Len()), resp.ContentLength)
			} else {
				assert.Equal(t, "the text", string(data))
				assert.Empty(t, resp.Header.Get("Content-Encoding"))
				assert.Equal(t, int64(-1), resp.ContentLength)
			}
		}
	})
}

// S67: traces see every attempt, and one may be shared.
func TestTraces(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		hint := func(status int) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Link", "</style.css>; rel=preload")
				w.WriteHeader(http.StatusEarlyHints)
				time.Sleep(time.Millisecond)
				w.WriteHeader(status)
			}
		}
		m.serve("10.0.0.1:80", hint(http.StatusServiceUnavailable))
		m.serve("10.0.0.2:80", hint(http.StatusOK))
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		m.registry.Set("others", discovery.Addrs("10.0.0.2:80")...)
		var conns, hints, headers atomic.Int64
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GotConn: func(httptrace.GotConnInfo) { conns.Add(1) },
			Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
				assert.Equal(t, http.StatusEarlyHints, code)
				assert.NotEmpty(t, header.Get("Link"))
				hints.Add(1)
				return nil
			},
			GotFirstResponseByte: func() { headers.Add(1) },
		})
		call := func(name string) {
			resp, err := m.rt.RoundTrip(m.request(http.MethodGet, "http://"+name+"/", "").WithContext(ctx))
			if assert.NoError(t, err) {
				assert.Equal(t, http.StatusOK, resp.StatusCode)
				_ = resp.Body.Close()
			}
		}
		call("orders")
		assert.Equal(t, []int64{2, 2, 2}, []int64{conns.Load(), hints.Load(), headers.Load()}, "one each for both attempts")
		var calls sync.WaitGroup
		for range 100 {
			calls.Go(func() { call("others") })
		}
		calls.Wait()
		assert.Equal(t, []int64{102, 102, 102}, []int64{conns.Load(), hints.Load(), headers.Load()})
	}, transport.WithPolicy(inOrder))
}
