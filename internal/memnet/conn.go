package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// bufferSize is how much one side can write before the other reads, about what
// a system gives a socket. Without any, two sides that say goodbye at once
// would wait for each other.
const bufferSize = 64 << 10

// pair returns the two ends of a connection.
func pair(client, server net.Addr) (c, s *conn) {
	up, down := newStream(), newStream()
	c = &conn{in: down, out: up, local: client, remote: server}
	s = &conn{in: up, out: down, local: server, remote: client}
	return c, s
}

// A stream is one direction of a connection.
type stream struct {
	mu      sync.Mutex // guards the rest
	data    []byte
	ended   bool          // nothing more will be written
	refused bool          // nothing more will be read
	changed chan struct{} // closed at the next change
}

func newStream() *stream { return &stream{changed: make(chan struct{})} }

// change must be called with mu held.
func (s *stream) change() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// A conn is one end of a connection. Waiting in its methods counts as waiting
// in a synctest bubble.
type conn struct {
	in, out       *stream
	local, remote net.Addr
	readBy        deadline
	writeBy       deadline
}

func (c *conn) Read(p []byte) (int, error) {
	for {
		late := c.readBy.passed()
		s := c.in
		s.mu.Lock()
		switch {
		case s.refused:
			s.mu.Unlock()
			return 0, c.fail("read", net.ErrClosed)
		case isClosed(late):
			s.mu.Unlock()
			return 0, c.fail("read", os.ErrDeadlineExceeded)
		case len(s.data) > 0 || len(p) == 0:
			n := copy(p, s.data)
			s.data = s.data[n:]
			s.change()
			s.mu.Unlock()
			return n, nil
		case s.ended:
			s.mu.Unlock()
			return 0, io.EOF
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-late:
		}
	}
}

func (c *conn) Write(p []byte) (int, error) {
	written := 0
	for {
		late := c.writeBy.passed()
		s := c.out
		s.mu.Lock()
		switch {
		case s.ended:
			s.mu.Unlock()
			return written, c.fail("write", net.ErrClosed)
		case s.refused:
			s.mu.Unlock()
			return written, c.fail("write", os.NewSyscallError("write", syscall.EPIPE))
		case isClosed(late):
			s.mu.Unlock()
			return written, c.fail("write", os.ErrDeadlineExceeded)
		}
		if n := min(len(p)-written, bufferSize-len(s.data)); n > 0 {
			s.data = append(s.data, p[written:written+n]...)
			written += n
			s.change()
		}
		changed := s.changed
		s.mu.Unlock()
		if written == len(p) {
			return written, nil
		}
		select {
		case <-changed:
		case <-late:
		}
	}
}

// CloseWrite says that nothing more will be written.
func (c *conn) CloseWrite() error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if c.out.ended {
		return c.fail("close", net.ErrClosed)
	}
	c.out.ended = true
	c.out.change()
	return nil
}

func (c *conn) Close() error {
	err := c.CloseWrite()
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	if c.in.refused {
		return err
	}
	c.in.refused = true
	c.in.data = nil
	c.in.change()
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error {
	c.readBy.set(t)
	c.writeBy.set(t)
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.readBy.set(t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.writeBy.set(t)
	return nil
}

func (c *conn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// A deadline is a channel that is closed when a time has passed. It can be
// moved as often as one likes; the zero value never passes.
type deadline struct {
	mu    sync.Mutex // guards the rest
	timer *time.Timer
	moves int
	late  chan struct{}
}

// passed returns the channel. It stays the one to wait for until it is closed.
func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.channel()
}

func (d *deadline) channel() chan struct{} {
	if d.late == nil {
		d.late = make(chan struct{})
	}
	return d.late
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	d.moves++
	if isClosed(d.channel()) { // whoever waits from now on waits for another
		d.late = make(chan struct{})
	}
	switch left := time.Until(t); {
	case t.IsZero():
	case left <= 0:
		close(d.late)
	default:
		move := d.moves
		d.timer = time.AfterFunc(left, func() { d.pass(move) })
	}
}

func (d *deadline) pass(move int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.moves == move { // else it has been moved just in time
		close(d.late)
	}
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
