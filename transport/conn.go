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
	unread atomic.Bool // since it was handed to net/http, for HTTP/2
	closed atomic.Bool
}

// Read reads on. The first time shows that net/http has a use for the
// connection: one that it finds it does not need it closes unread.
func (c *conn) Read(p []byte) (int, error) {
	if c.unread.Load() && c.unread.Swap(false) {
		c.pool.fruitless.begin()
	}
	return c.Conn.Read(p)
}

// watch has a connection counted as fruitless from when net/http uses it, for
// HTTP/2, until there is a response.
func watch(c net.Conn) {
	if c, ok := c.(*conn); ok {
		c.unread.Store(true)
	}
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

// A fruitless counts the HTTP/2 connections that came into use in the last
// second since the last response. net/http repeats a request that a server
// resets as malformed, or says goodbye to, on a new connection, at once and
// without end; a connection too many ends that, and the call goes to another
// endpoint. Connections that net/http makes and then does not need, as many as
// it likes in a burst of calls, do not count. Nor do those over HTTP/1: each call
// that is given up takes one with it, and is repeated by nobody.
type fruitless struct {
	count atomic.Int64
	mu    sync.Mutex // guards since
	since time.Time
}

// begin counts a connection.
func (f *fruitless) begin() { f.add(1) }

// reached reports whether there are as many connections as a limit.
func (f *fruitless) reached(limit int64) bool { return f.count.Load() >= limit && f.add(0) >= limit }

func (f *fruitless) add(n int64) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.since) >= time.Second {
		f.since = now
		f.count.Store(0)
	}
	return f.count.Add(n)
}

// end says that there was a response.
func (f *fruitless) end() {
	if f.count.Load() != 0 { // spare the usual case the write
		f.count.Store(0)
	}
}
