package transport

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

var (
	// ErrClosed fails calls on a Transport that has been closed.
	ErrClosed = errors.New("transport: closed")

	// ErrNoAnswer fails calls for a service of which the registry has not
	// said anything yet: neither a set nor that it knows no such service. The
	// error that wraps it holds what the registry's watcher complained about
	// last, if it did.
	ErrNoAnswer = errors.New("transport: no answer from the registry yet")

	// ErrPlaintext refuses an endpoint that the registry says speaks plain
	// HTTP, when the URL demands https.
	ErrPlaintext = errors.New("transport: the endpoint speaks plain http, the URL demands https")

	// ErrEndpointAddress refuses a call to the own address of a known
	// endpoint, as absolute redirects cause. See [WithEndpointRedirects].
	ErrEndpointAddress = errors.New("transport: an endpoint's address is no service's name")

	// ErrTooManyServices fails calls for one more name than a Transport keeps
	// state for, which is 1000. Names that the registry does not know are
	// forgotten a minute or two after their last call.
	ErrTooManyServices = errors.New("transport: too many services")
)

var (
	errNoURL       = errors.New("the request has no URL")
	errNoPicker    = errors.New("the policy built no picker")
	errNotOurs     = errors.New("the policy's picker chose no endpoint of the set")
	errNilResponse = errors.New("the base returned neither a response nor an error")
	errEmptySet    = errors.New("transport: the registry lists no endpoints any more")
	// errForgotten makes a call look its service up again.
	errForgotten = errors.New("transport: service forgotten")
)

// An Error is what every failed call returns, inside the url.Error that
// http.Client makes. It unwraps to the last cause.
type Error struct {
	// Service is the name that was called.
	Service string
	// Addr is the address of the endpoint that was tried last, empty if the
	// call never got that far.
	Addr string
	// Attempts is how many times the call was given to a connection pool to
	// be sent.
	Attempts int
	// Stopped says why there was no further attempt at a call that could have
	// been repeated: an error of package resilience. It is nil for a call
	// that cannot be repeated.
	Stopped error
	// Err is what the last attempt failed with, or what kept the first one
	// from being made: [discovery.ErrUnknownService], [balancer.ErrNoEndpoints],
	// [ErrNoAnswer], [ErrClosed], a context's error, or an error of the base.
	Err error
	// Earlier are the errors of the attempts before the last, oldest first.
	// Unwrap does not lead to them.
	Earlier []error
}

// Error names the service, the endpoint and the cause. The URL is left out,
// since http.Client adds it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("transport: ")
	b.WriteString(e.Service)
	if e.Attempts > 1 {
		b.WriteString(": ")
		b.WriteString(strconv.Itoa(e.Attempts))
		b.WriteString(" attempts")
		if e.Stopped != nil {
			b.WriteString(" (")
			b.WriteString(strings.TrimPrefix(e.Stopped.Error(), "resilience: "))
			b.WriteString(")")
		}
	}
	if e.Addr != "" {
		b.WriteString(": ")
		b.WriteString(e.Addr)
	}
	b.WriteString(": ")
	b.WriteString(strings.TrimPrefix(e.Err.Error(), "transport: "))
	return b.String()
}

// Unwrap returns the last cause.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether the last cause was a deadline or a time-out.
// url.Error asks for it.
func (e *Error) Timeout() bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](e.Err)
	return ok && t.Timeout()
}

// contextError returns why a context is done: its error and, if that is
// another, its cause. net/http returns the one over HTTP/2 and the other over
// HTTP/1.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
