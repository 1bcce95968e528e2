package serve_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/internal/memnet"
	"github.com/namesake-go/namesake/transport/internal/orca"
	"github.com/namesake-go/namesake/transport/serve"
)

// over runs f with a client of a server over HTTP/1 and over HTTP/2.
func over(t *testing.T, handler http.Handler, f func(t *testing.T, client *http.Client)) {
	t.Helper()
	for _, name := range []string{"HTTP1", "HTTP2"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var network memnet.Network
				listener, err := network.Listen(addr)
				require.NoError(t, err)
				protocols := new(http.Protocols)
				protocols.SetHTTP1(name == "HTTP1")
				protocols.SetUnencryptedHTTP2(name == "HTTP2")
				server := &http.Server{Handler: handler, Protocols: protocols}
				go func() { _ = server.Serve(listener) }() // ends with Close
				defer func() { _ = server.Close() }()
				pool := &http.Transport{DialContext: network.DialContext, Protocols: protocols}
				defer pool.CloseIdleConnections()
				f(t, &http.Client{Transport: pool})
			})
		})
	}
}

// Whichever way a handler writes, its response has the report, and the handler
// finds what it would find without.
func TestWaysToWrite(t *testing.T) {
	ways := map[string]http.HandlerFunc{
		"nothing": func(http.ResponseWriter, *http.Request) {},
		"status":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"write":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("text")) },
		"string":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "text") },
		"copy": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, io.LimitReader(strings.NewReader("texttext"), 4)) // no WriterTo, so that ReadFrom counts
		},
		"flush": func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush() //nolint:forcetypeassert // that is the test
			_, _ = io.WriteString(w, "text")
		},
		"controller": func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "text")
		},
		"early": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			_, _ = io.WriteString(w, "text")
		},
		"proxied": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(serve.LoadHeader, "TEXT eps=99")
			w.Header().Set(orca.BinaryHeader, "AAAA")
			_, _ = io.WriteString(w, "text")
		},
	}
	load := serve.NewLoad(serve.LoadConfig{})
	mux := http.NewServeMux()
	for name, way := range ways {
		mux.Handle("/"+name, load.Measure(way))
	}
	over(t, mux, func(t *testing.T, client *http.Client) {
		for name := range ways {
			early := 0
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
					early++
					assert.Empty(t, h.Get(serve.LoadHeader), name)
					return nil
				},
			})
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/"+name, nil)
			require.NoError(t, err)
			resp, err := client.Do(req)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			values := resp.Header.Values(serve.LoadHeader)
			if assert.Len(t, values, 1, name) {
				assert.Contains(t, values[0], "named_metrics.rif=0", name)
				assert.NotContains(t, values[0], "99", name)
			}
			assert.Empty(t, resp.Header.Get(orca.BinaryHeader), name)
			switch name {
			case "status":
				assert.Equal(t, http.StatusTeapot, resp.StatusCode)
				assert.Empty(t, body)
			case "nothing":
				assert.Empty(t, body)
			default:
				assert.Equal(t, "text", string(body), name)
			}
			assert.Equal(t, name == "early", early == 1, name)
		}
	})
}

// A handler asks by type what it can do.
func TestMeasureHidesNothingAndPromisesNothing(t *testing.T) {
	ask := func(w http.ResponseWriter) [5]bool {
		_, flushes := w.(http.Flusher)
		_, hijacks := w.(http.Hijacker)
		_, pushes := w.(http.Pusher)
		_, reads := w.(io.ReaderFrom)
		_, writes := w.(io.StringWriter)
		return [5]bool{flushes, hijacks, pushes, reads, writes}
	}
	var bare, wrapped [5]bool
	load := serve.NewLoad(serve.LoadConfig{})
	over(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bare = ask(w)
		bare[3] = true // with a loop where there is nothing better
		load.Measure(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { wrapped = ask(w) })).ServeHTTP(w, r)
	}), func(t *testing.T, client *http.Client) {
		resp, err := client.Get("http://" + addr + "/")
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, bare, wrapped)
		assert.NotZero(t, bare)
	})

	for _, w := range []http.ResponseWriter{
		struct{ http.ResponseWriter }{httptest.NewRecorder()},
		struct {
			http.ResponseWriter
			http.Hijacker
		}{httptest.NewRecorder(), nil},
		httptest.NewRecorder(),
	} {
		want := ask(w)
		want[3], want[4] = true, true
		load.Measure(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			assert.Equal(t, want, ask(w))
		})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	}
}

func TestHijackedCallsAreNoLatencies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := serve.NewLoad(serve.LoadConfig{})
		server := httptest.NewUnstartedServer(load.Measure(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, rw, err := w.(http.Hijacker).Hijack() //nolint:forcetypeassert // that is the test
			if assert.NoError(t, err) {
				time.Sleep(time.Minute)
				_, _ = rw.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				_ = rw.Flush()
				_ = conn.Close()
			}
		})))
		var network memnet.Network
		var err error
		require.NoError(t, server.Listener.Close())
		server.Listener, err = network.Listen(addr)
		require.NoError(t, err)
		server.Start()
		defer server.Close()
		pool := &http.Transport{DialContext: network.DialContext}
		defer pool.CloseIdleConnections()
		resp, err := (&http.Client{Transport: pool}).Get("http://" + addr + "/")
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		synctest.Wait()
		r := probe(t, load)
		assert.Zero(t, r.Latency)
		assert.Zero(t, r.InFlight)
		assert.Empty(t, resp.Header.Get(serve.LoadHeader))
	})
}

// A file goes through ReadFrom of the server's writer.
func TestReadFromReachesTheServer(t *testing.T) {
	var w readerFrom
	load := serve.NewLoad(serve.LoadConfig{})
	load.Measure(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.Copy(w, io.LimitReader(strings.NewReader("text"), 4))
	})).ServeHTTP(&w, httptest.NewRequest(http.MethodGet, "/", nil))
	assert.Equal(t, "text", w.read.String())
	assert.NotEmpty(t, w.Header().Get(serve.LoadHeader))
}

type readerFrom struct {
	header http.Header
	read   bytes.Buffer
}

func (w *readerFrom) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}
func (w *readerFrom) Write([]byte) (int, error)           { panic("not by Write") }
func (w *readerFrom) WriteHeader(int)                     {}
func (w *readerFrom) ReadFrom(r io.Reader) (int64, error) { return w.read.ReadFrom(r) }
