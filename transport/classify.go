package transport

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/namesake-go/namesake/balancer"
)

// A repeat says which calls may be repeated after an attempt.
type repeat uint8

const (
	repeatNever      repeat = iota // the answer stands
	repeatIdempotent               // it may have been processed
	repeatAny                      // it was certainly not processed
)

// idempotent reports whether sending a request twice does no more than sending
// it once: by its method (RFC 9110, section 9.2.2), or because it says so with
// an idempotency key, as net/http understands it.
func idempotent(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	if _, ok := req.Header["Idempotency-Key"]; ok {
		return true
	}
	_, ok := req.Header["X-Idempotency-Key"]
	return ok
}

// classifyResponse says what a response means for its endpoint's health, and
// whether the call may be repeated.
func classifyResponse(resp *http.Response) (outcome balancer.Outcome, repeat repeat, retryAfter time.Duration) {
	switch code := resp.StatusCode; code {
	case http.StatusMisdirectedRequest, http.StatusTooEarly:
		// Not processed, by definition (RFC 9110, 15.5.20; RFC 8470, 5.2).
		return balancer.Success, repeatAny, 0
	case http.StatusTooManyRequests:
		return balancer.Busy, repeatIdempotent, parseRetryAfter(resp.Header, time.Now())
	case http.StatusServiceUnavailable:
		if retryAfter = parseRetryAfter(resp.Header, time.Now()); retryAfter > 0 {
			return balancer.Busy, repeatIdempotent, retryAfter
		}
		return balancer.Failure, repeatIdempotent, 0
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return balancer.Failure, repeatIdempotent, 0
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return balancer.Success, repeatNever, 0
	default:
		if code >= 500 {
			return balancer.Failure, repeatNever, 0
		}
		return balancer.Success, repeatNever, 0
	}
}

// classifyError says the same of an attempt that got no response.
func (c *call) classifyError(err error) (balancer.Outcome, repeat) {
	switch {
	case c.ctx.Err() != nil || c.canceled():
		// The caller gave up. The attempt says nothing of its endpoint but
		// that it takes at least so long.
		return balancer.Ignored, repeatNever
	case c.replay != nil && c.replay.err() != nil:
		return balancer.Ignored, repeatNever // the caller's body failed
	case neverSent(err):
		return balancer.Failure, repeatAny
	case !sendable(c.req):
		return balancer.Ignored, repeatNever // nor would another endpoint get it
	default:
		return balancer.Failure, repeatIdempotent
	}
}

func (c *call) canceled() bool {
	select {
	case <-c.req.Cancel:
		return true
	default:
		return false
	}
}

// neverSent reports whether an error proves that the request was not
// processed, because there was no connection to send it over, or because the
// peer says so. In doubt it does not.
func neverSent(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "dial" || op.Op == "remote error") {
		return true // "remote error" is a TLS alert
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	stream, ok := errors.AsType[streamError](err)
	return ok && stream.Code == refusedStream
}

// refusedStream is the HTTP/2 error code of a request that the peer did not
// process (RFC 9113, section 8.7).
const refusedStream = 7

// A streamError has the shape by which net/http lets its own HTTP/2 stream
// errors be recognized with errors.As.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return "http2: stream error " + strconv.Itoa(int(e.Code)) }

// sendable reports whether net/http accepts the request's method and header.
// It is asked after an error only, to tell the caller's fault from the
// endpoint's.
func sendable(req *http.Request) bool {
	if req.Header == nil || !token(req.Method) && req.Method != "" {
		return false
	}
	for name, values := range req.Header {
		if !token(name) {
			return false
		}
		for _, value := range values {
			for _, b := range []byte(value) {
				if b < ' ' && b != '\t' || b == 0x7f {
					return false
				}
			}
		}
	}
	return true
}

// token reports whether s is a token (RFC 9110, section 5.6.2).
func token(s string) bool {
	for _, b := range []byte(s) {
		if b <= ' ' || b >= 0x7f {
			return false
		}
		switch b {
		case '"', '(', ')', ',', '/', ':', ';', '<', '=', '>', '?', '@', '[', '\\', ']', '{', '}':
			return false
		}
	}
	return s != ""
}

// parseRetryAfter returns the delay that a Retry-After header asks for, in
// either form (RFC 9110, section 10.2.3): seconds, or a date. It returns 0 if
// there is none that makes sense.
func parseRetryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}
