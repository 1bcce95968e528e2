package transport_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
)

// rejectEarly serves addr by hand: the first request is answered with 503 and
// Retry-After once its header and some of its body are there, and then read to
// its end, as a server does that wants to keep the connection. The requests
// after it are read whole, and their bodies sent to got.
func (m *mesh) rejectEarly(addr string, got chan<- []byte) {
	m.t.Helper()
	l, err := m.net.Listen(addr)
	require.NoError(m.t, err)
	m.t.Cleanup(func() { _ = l.Close() })
	var answered atomic.Bool
	serve := func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		for r := bufio.NewReader(conn); ; {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if !answered.Swap(true) {
				_, _ = io.ReadFull(req.Body, make([]byte, 8<<10))
				_, _ = io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nbusy")
				time.Sleep(time.Millisecond)
				_, _ = io.Copy(io.Discard, req.Body)
				continue
			}
			data, err := io.ReadAll(req.Body)
			if err != nil {
				return
			}
			got <- data
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
}

// An upload may go on after its attempt was answered. What it reads meanwhile
// must not be missing from the next attempt: either the body is sent whole once
// more, or the answer stands.
func TestUploadThatGoesOnAfterTheAnswer(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		got := make(chan []byte, 1)
		m.rejectEarly("10.0.0.1:80", got)
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		whole := bytes.Repeat([]byte("0123456789abcdef"), 16<<10) // 256 KiB
		req := newRequest(t, http.MethodPut, "http://orders/", "")
		req.Body = io.NopCloser(io.MultiReader(bytes.NewReader(whole)))
		req.ContentLength = -1
		resp, err := m.client.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		if resp.StatusCode == http.StatusServiceUnavailable {
			return
		}
		data := <-got
		assert.Equal(t, sha256.Sum256(whole), sha256.Sum256(data), "%d of %d bytes", len(data), len(whole))
	})
}

// alone is a reader that wants to be read by one goroutine at a time.
type alone struct {
	io.Reader
	inside, together atomic.Int32
}

func (a *alone) Read(p []byte) (int, error) {
	if a.inside.Add(1) > 1 {
		a.together.Add(1)
	}
	defer a.inside.Add(-1)
	return a.Reader.Read(p)
}

func TestOneReaderAtATime(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		got := make(chan []byte, 1)
		m.rejectEarly("10.0.0.1:80", got)
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		r, w := io.Pipe()
		body := &alone{Reader: r}
		go func() {
			_, _ = w.Write(make([]byte, 20<<10))
			time.Sleep(5 * time.Second) // the upload waits for more, inside Read
			_, _ = io.WriteString(w, "the end")
			_ = w.Close()
		}()
		req := newRequest(t, http.MethodPut, "http://orders/", "")
		req.Body, req.ContentLength = io.NopCloser(body), -1
		resp, err := m.client.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		_ = w.Close()
		time.Sleep(10 * time.Second)
		assert.Zero(t, body.together.Load(), "two attempts read at once")
		if resp.StatusCode == 200 {
			data := <-got
			assert.True(t, strings.HasSuffix(string(data), "the end"), "%d bytes", len(data))
			assert.Equal(t, 20<<10+7, len(data))
		}
	}, transport.WithReplayLimit(1<<20))
}
