package fault

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// TruncateBody breaks the response's body off after n bytes, with
// io.ErrUnexpectedEOF, as a connection does that is lost meanwhile. A body
// that is known to be shorter stays whole.
func TruncateBody(n int64) Fault {
	n = max(n, 0)
	return onBody(func(resp *http.Response, _ *http.Request) {
		if resp.ContentLength < 0 || resp.ContentLength > n {
			resp.Body = &truncated{ReadCloser: resp.Body, left: n}
		}
	})
}

type truncated struct {
	io.ReadCloser
	left int64
}

func (t *truncated) Read(p []byte) (int, error) {
	if t.left == 0 {
		_ = t.ReadCloser.Close() // so that the connection is not used again
		return 0, io.ErrUnexpectedEOF
	}
	n, err := t.ReadCloser.Read(p[:min(int64(len(p)), t.left)])
	t.left -= int64(n)
	return n, err
}

// SlowBody gives the response's body in pieces of at most chunk bytes, with a
// pause before each. Chunk is at least 1. When the request's context ends, so
// does the body.
func SlowBody(chunk int, pause time.Duration) Fault {
	return onBody(func(resp *http.Response, req *http.Request) {
		resp.Body = &slow{ReadCloser: resp.Body, ctx: req.Context(), chunk: max(chunk, 1), pause: pause, closed: make(chan struct{})}
	})
}

type slow struct {
	io.ReadCloser
	ctx    context.Context
	chunk  int
	pause  time.Duration
	once   sync.Once
	closed chan struct{}
}

func (s *slow) Read(p []byte) (int, error) {
	timer := time.NewTimer(s.pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.closed: // and so is the body, which says it
	case <-s.ctx.Done():
		return 0, context.Cause(s.ctx)
	}
	return s.ReadCloser.Read(p[:min(len(p), s.chunk)])
}

func (s *slow) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.ReadCloser.Close()
}

// onBody sends the request and does something to the response's body, if there
// is one. That of a 101 is a connection and no body.
func onBody(do func(*http.Response, *http.Request)) Fault {
	return func(req *http.Request, next http.RoundTripper, _ float64) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err == nil && resp.Body != nil && resp.Body != http.NoBody && resp.StatusCode != http.StatusSwitchingProtocols {
			do(resp, req)
		}
		return resp, err
	}
}
