package transport_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/namesake-go/namesake/transport"
)

// A frames is a copy of a service that speaks HTTP/2 without TLS frame by
// frame, so that it can say what no well-behaved server says.
type frames struct {
	// settings are announced on each connection.
	settings []http2.Setting
	// headers is called for the header of each request, and says what to send.
	headers func(c *framesConn, stream uint32)

	mu       sync.Mutex
	requests int
}

// A framesConn is one connection of a frames. Its methods are for the
// functions of the frames.
type framesConn struct {
	conn  net.Conn
	queue chan func(*http2.Framer) error // so that reading never waits for the peer to read
}

// frames starts f at addr.
func (m *mesh) frames(addr string, f *frames) {
	m.t.Helper()
	l, err := m.net.Listen(addr)
	require.NoError(m.t, err)
	m.closers = append(m.closers, l)
	go func() { // ends with mesh.close
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			m.mu.Lock()
			m.closers = append(m.closers, conn)
			m.mu.Unlock()
			go f.serve(conn)
		}
	}()
}

func (f *frames) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	c := &framesConn{conn: conn, queue: make(chan func(*http2.Framer) error, 10_000)}
	framer := http2.NewFramer(conn, conn)
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case write := <-c.queue:
				if write(framer) != nil {
					_ = conn.Close()
					return
				}
			case <-done:
				return
			}
		}
	}()
	c.send(func(w *http2.Framer) error { return w.WriteSettings(f.settings...) })
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				c.send((*http2.Framer).WriteSettingsAck)
			}
		case *http2.PingFrame:
			if data := frame.Data; !frame.IsAck() {
				c.send(func(w *http2.Framer) error { return w.WritePing(true, data) })
			}
		case *http2.HeadersFrame:
			f.mu.Lock()
			f.requests++
			f.mu.Unlock()
			f.headers(c, frame.StreamID)
		case *http2.DataFrame:
			if n, stream := uint32(frame.Length), frame.StreamID; n > 0 {
				c.send(func(w *http2.Framer) error { _ = w.WriteWindowUpdate(stream, n); return w.WriteWindowUpdate(0, n) })
			}
		}
	}
}

// received returns how many requests have arrived.
func (f *frames) received() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

func (c *framesConn) send(write func(*http2.Framer) error) { c.queue <- write }

// reset ends a stream with a code.
func (c *framesConn) reset(stream uint32, code http2.ErrCode) {
	c.send(func(w *http2.Framer) error { return w.WriteRSTStream(stream, code) })
}

// goAway says that streams above last are not processed.
func (c *framesConn) goAway(last uint32, code http2.ErrCode) {
	c.send(func(w *http2.Framer) error { return w.WriteGoAway(last, code, nil) })
}

// hangUp closes the connection behind what is queued.
func (c *framesConn) hangUp() {
	c.send(func(*http2.Framer) error { return c.conn.Close() })
	c.send(func(*http2.Framer) error { return io.ErrClosedPipe })
}

// answer sends a response with a status and a body.
func (c *framesConn) answer(stream uint32, status, body string) {
	c.send(func(w *http2.Framer) error {
		var block bytes.Buffer
		enc := hpack.NewEncoder(&block)
		_ = enc.WriteField(hpack.HeaderField{Name: ":status", Value: status})
		if err := w.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true}); err != nil {
			return err
		}
		return w.WriteData(stream, true, []byte(body))
	})
}

// inH2C is inMesh in the mode that a frames needs.
func inH2C(t *testing.T, f func(t *testing.T, m *mesh), opts ...transport.Option) {
	t.Helper()
	modes()[3].run(t, f, opts)
}
