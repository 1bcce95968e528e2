package transport

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// askURL returns what asks for a path, and a query if there is one: a URL but
// for scheme and host.
func askURL(target string) url.URL {
	target = "/" + strings.TrimPrefix(target, "/")
	if u, err := url.ParseRequestURI(target); err == nil {
		return *u
	}
	path, query, _ := strings.Cut(target, "?")
	return url.URL{Path: path, RawQuery: query}
}

// An answer is what an endpoint says that was asked something.
type answer struct {
	status  int // 0 without a response
	header  http.Header
	latency time.Duration // until the header, or the failure
}

// ask sends a GET to the endpoint the way calls go: over its connections or the
// base, with the service's name as the host, and in the scheme of the URL if the
// registry does not say what the endpoint speaks. It is no attempt: what it takes
// is neither load nor latency, and no breaker hears of it.
//
// Up to bound bytes of the answer's body are read, so that its connection can be
// used again.
func (l *link) ask(ctx context.Context, u url.URL, header http.Header, bound int64) (answer, error) {
	name := l.service.name
	u.Scheme = cmp.Or(l.scheme, u.Scheme)
	u.Host = name
	if l.pool == nil {
		u.Host = l.endpoint.Addr()
	}
	req := &http.Request{
		Method: http.MethodGet, URL: &u, Host: name, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	start := time.Now()
	resp, err := l.base.RoundTrip(req.WithContext(ctx))
	a := answer{latency: time.Since(start)}
	switch {
	case err != nil:
		drop(resp) // a base must not return both
		return a, err
	case resp == nil:
		return a, errNilResponse
	case resp.Body != nil:
		_, _ = io.CopyN(io.Discard, resp.Body, bound)
		drop(resp)
	}
	a.status, a.header = resp.StatusCode, resp.Header
	return a, nil
}
