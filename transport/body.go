package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/namesake-go/namesake/balancer"
)

// A body wraps a response's body to learn when the attempt is over: at its
// end, at an error or at Close, whichever is first. Bodies are not reused: a
// late second Close must not end somebody else's attempt.
type body struct {
	io.ReadCloser
	link   *link
	ctx    context.Context    // the call's
	cancel context.CancelFunc // or nil
	closed atomic.Bool        // by the caller
	ended  atomic.Bool
}

// wrapBody makes the end of resp's body the end of its attempt. An empty body
// ends it now. wrapper is where the body goes if there is a place already.
func (c *call) wrapBody(resp *http.Response, timeout *attemptTimeout, wrapper *body) {
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	if resp.Body == http.NoBody {
		timeout.end()
		c.last.endpoint.End()
		return
	}
	if wrapper == nil {
		wrapper = new(body)
	}
	wrapper.ReadCloser = resp.Body
	wrapper.link = c.last
	wrapper.ctx = c.ctx
	if timeout != nil {
		wrapper.cancel = timeout.end
	}
	if w, ok := resp.Body.(io.Writer); ok { // a protocol upgrade
		resp.Body = &upgraded{body: wrapper, Writer: w}
		return
	}
	resp.Body = wrapper
}

// endWith has cancel called at the end of resp's body too. It reports false if
// that has been reached already.
func endWith(resp *http.Response, cancel context.CancelFunc) bool {
	var b *body
	switch wrapped := resp.Body.(type) {
	case *body:
		b = wrapped
	case *upgraded:
		b = wrapped.body
	default:
		return false
	}
	if first := b.cancel; first != nil {
		b.cancel = func() { first(); cancel() }
	} else {
		b.cancel = cancel
	}
	return true
}

// Read reads on, and ends the attempt at the body's end or at an error.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.end(err)
	}
	return n, err
}

// Close closes the body and ends the attempt.
func (b *body) Close() error {
	b.closed.Store(true)
	err := b.ReadCloser.Close()
	b.end(nil)
	return err
}

func (b *body) end(err error) {
	if b.ended.Swap(true) {
		return
	}
	if err != nil && !errors.Is(err, io.EOF) && b.ctx.Err() == nil && !b.closed.Load() {
		// The endpoint broke off what it had begun well.
		b.link.observe(balancer.Failure, 0, noTrial, b.link.breaker.Generation())
	}
	b.link.endpoint.End()
	if b.cancel != nil {
		b.cancel()
	}
}

// An upgraded is the body of a 101: both directions of the connection.
type upgraded struct {
	*body
	io.Writer
}

// CloseWrite closes the sending direction, if the connection can.
func (u *upgraded) CloseWrite() error {
	if c, ok := u.Writer.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}
