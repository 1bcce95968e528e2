package transport

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A conn counts itself.
type conn struct {
	net.Conn
	pool   *pool
	closed atomic.Bool
}

func (c *conn) Close() error {
	if !c.closed.Swap(true) {
		c.pool.conns.Add(-1)
		c.pool.service.transport.conns.Add(-1)
	}
	return c.Conn.Close()
}

// CloseWrite closes the sending direction of an upgraded connection.
func (c *conn) CloseWrite() error {
	if cw, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return errors.ErrUnsupported
}

// ReadFrom lets the system copy files to sockets, as it does without a wrapper.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if rf, ok := c.Conn.(io.ReaderFrom); ok {
		return rf.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, r)
}

// spareConns is how many connections in a row may bring no response, beyond
// two for each call in flight.
const spareConns = 8

var errFruitless = errors.New("transport: too many connections that bring no response")

// A fruitless counts the connections that were made in the last second since
// the last response. net/http repeats a request that an HTTP/2 server resets
// as malformed, or says goodbye to, on a new connection, at once and without
// end; a connection too many ends that, and the call goes to another endpoint.
type fruitless struct {
	count atomic.Int64
	mu    sync.Mutex // guards since
	since time.Time
}

// begin counts a connection and returns their number.
func (f *fruitless) begin() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.since) >= time.Second {
		f.since = now
		f.count.Store(0)
	}
	return f.count.Add(1)
}

// end says that there was a response.
func (f *fruitless) end() {
	if f.count.Load() != 0 { // spare the usual case the write
		f.count.Store(0)
	}
}
