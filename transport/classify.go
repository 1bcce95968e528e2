package transport

import (
	"crypto/tls"
	"errors"
	"math"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

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
// it once: by its method (RFC 9110, section 9.2.2), or because it says so, with
// Repeatable or with an idempotency key, as net/http understands it.
func idempotent(req *http.Request) bool {
	if repeatability(req) == repeatable {
		return true
	}
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
		retryAfter, _ = parseRetryAfter(resp.Header, time.Now())
		return balancer.Busy, repeatIdempotent, retryAfter
	case http.StatusServiceUnavailable:
		if retryAfter, ok := parseRetryAfter(resp.Header, time.Now()); ok {
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

// classifyError says the same of an attempt that got no response, and what the
// error is.
func (c *call) classifyError(err error, timeout *attemptTimeout) (balancer.Outcome, repeat, error) {
	switch {
	case c.ctx.Err() != nil:
		// The caller gave up. The attempt says nothing of its endpoint but
		// that it takes at least so long.
		return balancer.Ignored, repeatNever, contextError(c.ctx)
	case isClosed(c.req.Cancel):
		return balancer.Ignored, repeatNever, err
	case timeout.expired():
		return balancer.Failure, repeatIdempotent, errAttemptTimeout
	case c.replay != nil && c.replay.err() != nil:
		return balancer.Ignored, repeatNever, err // the caller's body is at fault
	case errors.Is(err, errNilResponse):
		return balancer.Ignored, repeatNever, err
	case neverSent(err):
		return balancer.Failure, repeatAny, err
	case !sendable(c.req):
		return balancer.Ignored, repeatNever, err // nor would another endpoint get it
	default:
		return balancer.Failure, repeatIdempotent, err
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

// neverSent reports whether an error proves that the request was not
// processed, because there was no connection to send it over, or because the
// peer says so. In doubt it does not.
func neverSent(err error) bool {
	if errors.Is(err, errElsewhere) {
		return true
	}
	if _, ok := errors.AsType[*handshakeError](err); ok {
		return true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "dial" || op.Op == "remote error" && aboutCertificate(op.Err)) {
		return true
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	stream, ok := errors.AsType[streamError](err)
	return ok && stream.Code == refusedStream
}

// aboutCertificate reports whether a TLS alert from the peer refuses our
// certificate. Under TLS 1.3 that arrives after our side of the handshake is
// over, and looks like a failed exchange; but a peer that refuses us does not
// process what we say. The numbers are those of RFC 8446, section 6; the type
// is crypto/tls's own.
func aboutCertificate(alert error) bool {
	v := reflect.ValueOf(alert)
	if v.Kind() != reflect.Uint8 {
		return false
	}
	switch v.Uint() {
	case 40, 42, 43, 44, 45, 46, 48, 49, 116:
		return true
	}
	return false
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

// sendable reports whether net/http accepts the request. It is asked after an
// error only, to tell the caller's fault from the endpoint's.
func sendable(req *http.Request) bool {
	_, err := httpguts.PunycodeHostPort(req.Host)
	return err == nil && req.Header != nil &&
		(req.Method == "" || httpguts.ValidHeaderFieldName(req.Method)) && // both are tokens
		(req.Body != nil || req.ContentLength <= 0) &&
		!strings.ContainsFunc(req.URL.RequestURI(), func(r rune) bool { return r < ' ' || r == 0x7f }) &&
		sendableHeader(req.Header) && sendableHeader(req.Trailer)
}

func sendableHeader(h http.Header) bool {
	for name, values := range h {
		if !httpguts.ValidHeaderFieldName(name) {
			return false
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return false
			}
		}
	}
	return true
}

// parseRetryAfter returns the delay that a Retry-After header asks for, in
// either form (RFC 9110, section 10.2.3): seconds, or a date. It reports false
// if there is none that makes sense.
func parseRetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	value := h.Get("Retry-After")
	seconds, err := strconv.ParseUint(value, 10, 64)
	switch {
	case err == nil && seconds <= uint64(math.MaxInt64/time.Second):
		return time.Duration(seconds) * time.Second, true
	case err == nil, errors.Is(err, strconv.ErrRange):
		return math.MaxInt64, true
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, date.Sub(now)), true
	}
	return 0, false
}
