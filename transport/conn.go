package transport

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
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
