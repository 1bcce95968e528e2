package serve

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// DeadlineHeader is the request header that [Deadline] reads: the milliseconds
// that the caller is still going to wait. Envoy and Istio send it by default.
const DeadlineHeader = "X-Envoy-Expected-Rq-Timeout-Ms"

// maxTimeout is longer than any call takes. More is taken for nonsense.
const maxTimeout = 24 * time.Hour

// Deadline returns a handler that calls next with the deadline that the caller
// announces in [DeadlineHeader], in the context of the request. It counts from
// the beginning of the handler; an earlier deadline that the context already
// has stands.
//
// The header is a whole number from 1 to 86,400,000, one day. Anything else,
// and more than one value, means no deadline, and so does 0, because that is
// how Envoy writes "without end": a caller that has no time left sends 1. Next is called
// in any case, and what it answers after the deadline is its own decision.
func Deadline(next http.Handler) http.Handler {
	return DeadlineFrom(DeadlineHeader, next)
}

// DeadlineFrom does what [Deadline] does with another header.
func DeadlineFrom(header string, next http.Handler) http.Handler {
	if next == nil {
		panic("serve: a deadline for a nil handler")
	}
	header = http.CanonicalHeaderKey(header)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if timeout := parseTimeout(r.Header[header]); timeout > 0 {
			ctx, cancel := context.WithTimeout(r.Context(), timeout)
			defer cancel()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}

// parseTimeout returns the timeout that a header announces, or 0 if it
// announces none that makes sense.
func parseTimeout(values []string) time.Duration {
	if len(values) != 1 {
		return 0
	}
	ms, err := strconv.ParseUint(values[0], 10, 64)
	if err != nil || ms > uint64(maxTimeout.Milliseconds()) {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}
