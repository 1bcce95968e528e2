package transport

import (
	"context"
	"net/http"
)

// Repeatable says of calls with this context that sending one twice does no more
// than sending it once, whatever the method: they are repeated, and hedged, as a
// GET is.
func Repeatable(ctx context.Context) context.Context {
	return context.WithValue(ctx, repeatableKey{}, repeatable)
}

// Unrepeatable says of calls with this context that each may be sent once only,
// whatever the method: it is given to one endpoint, and nothing is done if that
// fails. Net/http may still repeat a request by itself, without a body, if the
// connection that it chose turns out to have been closed.
func Unrepeatable(ctx context.Context) context.Context {
	return context.WithValue(ctx, repeatableKey{}, notRepeatable)
}

type repeatableKey struct{}

type repeatableValue int

const (
	byMethod repeatableValue = iota
	repeatable
	notRepeatable
)

// repeatability returns what the request's context says.
func repeatability(req *http.Request) repeatableValue {
	v, _ := req.Context().Value(repeatableKey{}).(repeatableValue)
	return v
}
