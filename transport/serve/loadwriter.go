package serve

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// A measured writer reports the load with the header of a response.
type measured struct {
	http.ResponseWriter
	load     *Load
	status   int // 0 until the header is written
	upgraded bool
}

// report adds the load to a header that is about to be written.
func (m *measured) report() {
	if m.status == 0 && !m.upgraded {
		m.status = http.StatusOK
		m.load.write(m.Header(), 1)
	}
}

// WriteHeader reports with the header of the response, not with those that come
// before it.
func (m *measured) WriteHeader(status int) {
	switch {
	case status == http.StatusSwitchingProtocols:
		m.upgraded = true
	case status >= 200 && m.status == 0:
		m.report()
		m.status = status
	}
	m.ResponseWriter.WriteHeader(status)
}

func (m *measured) Write(p []byte) (int, error) {
	m.report()
	return m.ResponseWriter.Write(p)
}

func (m *measured) WriteString(s string) (int, error) {
	m.report()
	return io.WriteString(m.ResponseWriter, s)
}

// ReadFrom lets the system copy files to sockets, as it does without a wrapper.
func (m *measured) ReadFrom(r io.Reader) (int64, error) {
	m.report()
	if rf, ok := m.ResponseWriter.(io.ReaderFrom); ok {
		return rf.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{m.ResponseWriter}, r)
}

// FlushError is what an http.ResponseController asks for.
func (m *measured) FlushError() error {
	m.report()
	return http.NewResponseController(m.ResponseWriter).Flush()
}

// Unwrap lets an http.ResponseController find the rest.
func (m *measured) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// able returns a writer that can do what the one below can, and nothing more:
// handlers ask for it by type.
func (m *measured) able() http.ResponseWriter {
	_, flushes := m.ResponseWriter.(http.Flusher)
	_, hijacks := m.ResponseWriter.(http.Hijacker)
	_, pushes := m.ResponseWriter.(http.Pusher)
	f, h, p := flusher{m}, hijacker{m}, pusher{m}
	switch {
	case flushes && hijacks: // HTTP/1
		return struct {
			*measured
			flusher
			hijacker
		}{m, f, h}
	case flushes && pushes: // HTTP/2
		return struct {
			*measured
			flusher
			pusher
		}{m, f, p}
	case flushes:
		return struct {
			*measured
			flusher
		}{m, f}
	case hijacks:
		return struct {
			*measured
			hijacker
		}{m, h}
	default:
		return m
	}
}

type flusher struct{ of *measured }

func (f flusher) Flush() { _ = f.of.FlushError() } // as an http.Flusher, it cannot say

type hijacker struct{ of *measured }

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := h.of.ResponseWriter.(http.Hijacker).Hijack() //nolint:forcetypeassert // see able
	if err == nil {
		h.of.upgraded = true
	}
	return c, rw, err
}

type pusher struct{ of *measured }

func (p pusher) Push(target string, opts *http.PushOptions) error {
	return p.of.ResponseWriter.(http.Pusher).Push(target, opts) //nolint:forcetypeassert // see able
}
