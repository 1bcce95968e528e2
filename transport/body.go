package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/balancer"
)

// A body wraps a response's body to learn when the attempt is over: at its
// end, at an error or at Close, whichever is first. Bodies are not reused: a
// late second Close must not end somebody else's attempt.
type body struct {
	io.ReadCloser
	link       *link
	attempt    balancer.Attempt
	ctx        context.Context         // the call's
	gaveUp     <-chan struct{}         // the request's Cancel
	timeout    *attemptTimeout         // or nil
	attempted  context.CancelCauseFunc // of the attempt's own context, or nil
	cancel     context.CancelFunc      // of the call's timeout, or nil
	leave      func(broken bool)       // the service's guards, or nil
	finish     func(error)             // the End hook, or nil
	blamed     bool                    // the header was a failure already
	pending    bool                    // the header was a success, which the end is to make certain
	generation uint64                  // of the breaker when the attempt began
	closed     atomic.Bool             // by the caller
	ended      atomic.Bool

	previous, next *body // in bodies
}

// wrapBody makes the end of resp's body the end of its attempt. It reports
// false if there is nothing to read, so that it has ended already.
func (c *call) wrapBody(resp *http.Response, a balancer.Attempt, timeout *attemptTimeout, outcome balancer.Outcome, generation uint64, pending bool) (more bool) {
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	if c.bodiless(resp) {
		timeout.end()
		if c.endAttempt != nil {
			c.endAttempt(nil)
		}
		c.last.end(&a)
		return false
	}
	wrapper := &body{
		ReadCloser: resp.Body, link: c.last, attempt: a, ctx: c.ctx, gaveUp: c.req.Cancel, timeout: timeout, attempted: c.endAttempt,
		finish: c.hookEnd(), blamed: outcome == balancer.Failure, generation: generation, pending: pending,
	}
	if w, ok := resp.Body.(io.Writer); ok { // a protocol upgrade
		resp.Body = &upgraded{body: wrapper, Writer: w}
	} else {
		resp.Body = wrapper
	}
	return true
}

// bodiless reports whether there is nothing to read. net/http says so with
// NoBody, but for HTTP/2, whose empty body is of a type of its own.
func (c *call) bodiless(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusNoContent, http.StatusNotModified:
		return true
	case http.StatusSwitchingProtocols:
		return false
	}
	return resp.Body == nil || resp.Body == http.NoBody || c.req.Method == http.MethodHead ||
		resp.ContentLength == 0 && c.last.pool != nil // others may not say how long it is
}

// handOver prepares a response's body for the caller, who may abandon it, and
// has the end of the body end the call's timeout.
func (c *call) handOver(resp *http.Response) {
	switch b := resp.Body.(type) {
	case *body:
		b.cancel, b.leave = c.cancel, c.leaving()
		if b.ctx.Done() != nil {
			b.link.bodies.add(b)
		}
	case *upgraded: // outlives the context
		b.cancel, b.leave = c.cancel, c.leaving()
	default:
		if c.passage.guards != nil {
			c.passage.know(c.outcome)
			c.passage.end(c.outcome, c.latency)
		}
		c.release()
	}
}

// leaving returns what the end of the body means to the guards, or nil if
// there are none. As with endpoints, a failure is known by the header, and a
// success when the body has not been broken off; a trial ends with the header,
// because a body that is never closed must not keep the breaker waiting.
func (c *call) leaving() func(broken bool) {
	if c.passage.guards == nil {
		return nil
	}
	pending := c.outcome == balancer.Success && c.passage.trial == noTrial
	if !pending {
		c.passage.know(c.outcome)
	}
	p, outcome, latency := c.passage, c.outcome, c.latency
	return func(broken bool) {
		if broken {
			outcome = balancer.Failure
		}
		if pending {
			p.know(outcome)
		}
		p.end(outcome, latency)
	}
}

// Read reads on, and ends the attempt at the body's end or at an error. When
// the call's context is done, that is the error, whatever came of it first.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		if !errors.Is(err, io.EOF) && b.ctx.Err() != nil {
			err = contextError(b.ctx)
		}
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
	// The endpoint broke off what it had begun well?
	broken := err != nil && !errors.Is(err, io.EOF) && !b.blamed && !b.closed.Load() && b.ctx.Err() == nil && !isClosed(b.gaveUp)
	if broken {
		b.link.observe(&b.attempt, balancer.Failure, 0, noTrial, b.link.breaker.Generation(), false)
	} else if b.pending {
		b.link.succeed(&b.attempt, b.generation, b.link.service.balancer.Now())
	}
	b.link.bodies.remove(b)
	b.link.end(&b.attempt)
	b.timeout.end()
	if b.attempted != nil {
		b.attempted(nil)
	}
	if b.leave != nil {
		b.leave(broken)
	}
	if b.cancel != nil {
		b.cancel()
	}
	if b.finish != nil {
		b.finish(err)
	}
}

// sweepInterval is how long an abandoned body goes unnoticed.
const sweepInterval = time.Second

// bodies are the bodies of an endpoint that are being read, or not: a caller
// whose context ends may walk away without reading on or closing, and net/http
// cleans up behind it. Its attempt must not stay in flight forever, or a
// policy that looks at load would starve the endpoint. To look once a second
// costs a call less than to be told when its context ends.
type bodies struct {
	mu    sync.Mutex
	first *body
	timer *time.Timer
	armed bool
}

func (l *bodies) add(b *body) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b.next = l.first
	if l.first != nil {
		l.first.previous = b
	}
	l.first = b
	switch {
	case l.armed:
	case l.timer == nil:
		l.armed = true
		l.timer = time.AfterFunc(sweepInterval, l.sweep)
	default:
		l.armed = true
		l.timer.Reset(sweepInterval)
	}
}

// remove takes out a body that was added. It does nothing for others.
func (l *bodies) remove(b *body) {
	if b.ctx.Done() == nil { // spare it the lock
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case b.previous != nil:
		b.previous.next = b.next
	case l.first == b:
		l.first = b.next
	}
	if b.next != nil {
		b.next.previous = b.previous
	}
	b.previous, b.next = nil, nil
}

// sweep ends the bodies that were abandoned.
func (l *bodies) sweep() {
	var abandoned []*body
	l.mu.Lock()
	for b := l.first; b != nil; b = b.next {
		if b.ctx.Err() != nil {
			abandoned = append(abandoned, b)
		}
	}
	l.armed = l.first != nil
	if l.armed {
		l.timer.Reset(sweepInterval)
	}
	l.mu.Unlock()
	for _, b := range abandoned {
		_ = b.Close()
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
