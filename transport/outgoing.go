package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// errAttemptTimeout is what an attempt fails with that took too long.
var errAttemptTimeout error = timeoutError{}

type timeoutError struct{}

func (timeoutError) Error() string {
	return "transport: no response header within the attempt's timeout"
}
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }
func (timeoutError) Is(target error) bool {
	return target == context.DeadlineExceeded
}

// A rewritten is the copy of a request that is sent in its place where the
// caller's own cannot be, in one allocation with its URL.
type rewritten struct {
	req http.Request
	url url.URL
}

// outgoing returns the request to send to an endpoint: the caller's own
// whenever that is possible. The timeout is that of the attempt, nil if it has
// none.
func (c *call) outgoing(l *link) (*http.Request, *attemptTimeout, error) {
	upgrade := l.scheme == "https" && c.req.URL.Scheme == "http"
	ownBody := c.replay == nil && (c.sends == 0 || c.req.Body == nil || c.req.Body == http.NoBody)
	timed := c.service.cfg.attemptTimeout > 0
	pinned := l.pool != nil
	renamed := c.service.transport.cfg.mapsAddresses && c.service.ownAddress(c.req.URL)
	remaining := c.remaining()
	if pinned && !upgrade && !renamed && ownBody && !timed && !c.derived && remaining == "" {
		return c.req, nil, nil
	}

	r := new(rewritten)
	r.req = *c.req
	switch {
	case ownBody:
	case c.replay != nil:
		r.req.Body = c.replay.reader()
		r.req.GetBody = notHere
	default:
		var err error
		if r.req.Body, err = c.req.GetBody(); err != nil {
			return nil, nil, fmt.Errorf("transport: the request's GetBody: %w", err)
		}
	}
	if !pinned || upgrade || renamed {
		r.url = *c.req.URL
		r.req.URL = &r.url
	}
	if renamed {
		if r.req.Host == "" || r.req.Host == r.url.Host {
			r.req.Host = c.service.name
		}
		r.url.Host = c.service.name
	}
	if upgrade {
		r.url.Scheme = "https"
	}
	if !pinned {
		if r.req.Host == "" {
			r.req.Host = r.url.Host
		}
		r.url.Host = l.endpoint.Addr()
	}
	if remaining != "" {
		r.req.Header = c.req.Header.Clone()
		r.req.Header.Set(c.service.transport.cfg.deadlineHeader, remaining)
	}
	var timeout *attemptTimeout
	switch {
	case timed:
		timeout = newAttemptTimeout(c.ctx, c.service.cfg.attemptTimeout)
		r.req = *r.req.WithContext(timeout.ctx)
	case c.derived:
		r.req = *r.req.WithContext(c.ctx)
	}
	return &r.req, timeout, nil
}

// errElsewhere ends what net/http would repeat by itself on the same endpoint.
var errElsewhere = errors.New("transport: to be repeated elsewhere")

// notHere is the GetBody of a request whose body we lend. net/http asks for it
// only where the request was not processed, or may be repeated anyway; without
// it, it would hide the reason in a text.
func notHere() (io.ReadCloser, error) { return nil, errElsewhere }

// plaintext reports whether a request must not go to the endpoint, which
// speaks plain HTTP, because its URL demands https.
func (l *link) plaintext(req *http.Request) bool {
	return req.URL.Scheme == "https" && l.scheme == "http"
}

// remaining returns the milliseconds that are left to the attempt, for the
// header that tells the server, or "" if it is not to be told.
func (c *call) remaining() string {
	if c.service.transport.cfg.deadlineHeader == "" || c.req.Header == nil {
		return ""
	}
	left := c.service.cfg.attemptTimeout
	if deadline, ok := c.ctx.Deadline(); ok && (left <= 0 || time.Until(deadline) < left) {
		left = time.Until(deadline)
	}
	if left <= 0 {
		return ""
	}
	return strconv.FormatInt(max(1, left.Milliseconds()), 10)
}

// An attemptTimeout ends an attempt that takes too long. Its methods do
// nothing on nil, for an attempt without one.
type attemptTimeout struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

func newAttemptTimeout(parent context.Context, d time.Duration) *attemptTimeout {
	ctx, cancel := context.WithCancelCause(parent)
	timer := time.AfterFunc(d, func() { cancel(errAttemptTimeout) })
	return &attemptTimeout{ctx: ctx, cancel: cancel, timer: timer}
}

// expired reports whether the timeout ended the attempt.
func (a *attemptTimeout) expired() bool {
	return a != nil && errors.Is(context.Cause(a.ctx), errAttemptTimeout)
}

// disarm lets the attempt go on for as long as the response's body takes. The
// context lives until end. It reports false if it is too late for that.
func (a *attemptTimeout) disarm() bool { return a == nil || a.timer.Stop() }

// end releases the attempt's context.
func (a *attemptTimeout) end() {
	if a != nil {
		a.timer.Stop()
		a.cancel(nil)
	}
}
