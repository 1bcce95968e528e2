package fault

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Fault is what is done to a request in place of just sending it, which next
// does. As an http.RoundTripper, it must close the request's body in any case,
// which next does too, and must not change the request. Chance is between 0
// and 1, evenly distributed, for what is to vary.
type Fault func(req *http.Request, next http.RoundTripper, chance float64) (*http.Response, error)

// Delay sends the request after some time: d, and up to jitter more or less.
// If the request's context ends before, it fails with that, and is not sent.
func Delay(d, jitter time.Duration) Fault {
	return func(req *http.Request, next http.RoundTripper, chance float64) (*http.Response, error) {
		wait := d + time.Duration((2*chance-1)*float64(jitter))
		if err := sleep(req, wait); err != nil {
			closeBody(req)
			return nil, err
		}
		return next.RoundTrip(req)
	}
}

// Hang does not send the request, and fails when its context ends, as a server
// that takes a request and falls silent. Without a deadline, that is never.
func Hang() Fault {
	return func(req *http.Request, _ http.RoundTripper, _ float64) (*http.Response, error) {
		defer closeBody(req)
		select {
		case <-req.Context().Done():
			return nil, context.Cause(req.Context())
		case <-req.Cancel:
			return nil, context.Canceled
		}
	}
}

// Status answers with a status, a header and a body, and sends nothing. Header
// may be nil; it and Body are the same in every answer.
func Status(code int, header http.Header, body string) Fault {
	header = header.Clone()
	return func(req *http.Request, _ http.RoundTripper, _ float64) (*http.Response, error) {
		closeBody(req)
		resp := &http.Response{
			Status: strconv.Itoa(code) + " " + http.StatusText(code), StatusCode: code,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: header.Clone(), Body: http.NoBody, ContentLength: int64(len(body)), Request: req,
		}
		if resp.Header == nil {
			resp.Header = make(http.Header)
		}
		switch {
		case code == http.StatusNoContent || code == http.StatusNotModified:
			resp.ContentLength = 0
		case body != "" && req.Method != http.MethodHead:
			resp.Body = io.NopCloser(strings.NewReader(body))
		}
		return resp, nil
	}
}

// Error fails with an error of the caller's choice, and sends nothing.
func Error(err error) Fault {
	return func(req *http.Request, _ http.RoundTripper, _ float64) (*http.Response, error) {
		closeBody(req)
		return nil, err
	}
}

// Refuse fails as a connection to a port that nobody listens at: with a
// *net.OpError of a dial. So it is certain that nothing was sent.
func Refuse() Fault {
	return func(req *http.Request, next http.RoundTripper, _ float64) (*http.Response, error) {
		closeBody(req)
		err := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		if p, ok := next.(*passage); ok {
			err.Addr = address(p.addr)
		}
		return nil, err
	}
}

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

// Reset sends the request, throws the response away when it comes, and fails
// as a connection does that the peer resets: the server has done its work, and
// the caller cannot know. If there is no response, it fails with the true
// reason.
func Reset() Fault {
	return func(req *http.Request, next http.RoundTripper, _ float64) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err != nil {
			return resp, err
		}
		if resp != nil && resp.Body != nil {
			_ = resp.Body.Close()
		}
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
}

// sleep waits, unless the request ends before.
func sleep(req *http.Request, d time.Duration) error {
	if d <= 0 {
		return nil // whoever sends it looks at the context
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-req.Context().Done():
		return context.Cause(req.Context())
	case <-req.Cancel:
		return context.Canceled
	}
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // the caller's; its error is the caller's business
	}
}
