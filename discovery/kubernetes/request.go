package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	headerTimeout = 15 * time.Second // to connect and to get an answer's header
	listTimeout   = 30 * time.Second // to get a page of a list as a whole

	maxPageBytes   = 64 << 20
	maxStatusBytes = 16 << 10
	maxRetryAfter  = time.Minute
)

// A StatusError says that the API server refused a request. Watches yield
// errors that wrap it, for [errors.AsType]: Code 403 means that a Role or a
// RoleBinding is missing.
type StatusError struct {
	Server    string // the server's URL
	Verb      string // what was asked for: "list" or "watch"
	Namespace string // where the endpoint slices are
	Code      int    // the HTTP status
	Message   string // what the server says about it; may be empty

	retryAfter time.Duration
}

// Error names the server, the verb, the resource, the namespace and the
// status.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s: %s endpointslices.discovery.k8s.io in namespace %q: answered %d", e.Server, e.Verb, e.Namespace, e.Code)
	if t := http.StatusText(e.Code); t != "" {
		text += " " + t
	}
	switch e.Code {
	case http.StatusUnauthorized:
		text += ", the credentials are not accepted"
	case http.StatusForbidden:
		text += ", a Role and a RoleBinding must allow it"
	case http.StatusNotFound:
		text += ", the server has no discovery.k8s.io/v1 (Kubernetes 1.21)"
	}
	if e.Code/100 == 3 {
		text += ", and redirects are not followed"
	}
	if e.Message != "" {
		text += fmt.Sprintf(": %.300q", e.Message)
	}
	return text
}

// errExpired says that the server cannot continue where it is asked to, so
// that all must be listed again.
var errExpired = errors.New("the version is too old")

// Is makes two answers to a watch an errExpired: 410 Gone, and 400 Bad
// Request for a version that another server has made up.
func (e *StatusError) Is(target error) bool {
	return target == errExpired && (e.Code == http.StatusGone || e.Code == http.StatusBadRequest)
}

// retryAfter returns how long the server wants to be left alone.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*StatusError](err); ok {
		return e.retryAfter
	}
	return 0
}

// get asks for the endpoint slices of a service. It returns an answer with
// status 200, whose body must be closed. The context ends the body as well.
func (c *Client) get(ctx context.Context, n name, verb string, query url.Values) (*http.Response, error) {
	client, err := c.access.client()
	if err != nil {
		return nil, err
	}
	token, err := c.access.token()
	if err != nil {
		return nil, err
	}
	query.Set("labelSelector", "kubernetes.io/service-name="+n.service)
	target := *c.access.server
	target.Path += "/apis/discovery.k8s.io/v1/namespaces/" + n.namespace + "/endpointslices"
	target.RawQuery = query.Encode()
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(headerTimeout, func() { cancel(fmt.Errorf("no answer within %v", headerTimeout)) })
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "namesake")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	late.Stop()
	if err != nil {
		defer cancel(nil)
		return nil, fmt.Errorf("%s: %w", c.access.server, cause(ctx, err))
	}
	resp.Body = &body{resp.Body, cancel}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close() //nolint:errcheck // it has been read, or its connection is given up
	refused := &StatusError{Server: c.access.server.String(), Verb: verb, Namespace: n.namespace, Code: resp.StatusCode}
	if text, err := io.ReadAll(io.LimitReader(resp.Body, maxStatusBytes)); err == nil {
		var s status
		if json.Unmarshal(text, &s) == nil {
			refused.Message = s.Message
		}
	}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		refused.retryAfter = min(time.Duration(min(seconds, 3600))*time.Second, maxRetryAfter)
	}
	return nil, refused
}

// A body ends its request's context when it is closed.
type body struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (b *body) Close() error {
	defer b.cancel(nil)
	return b.ReadCloser.Close()
}

// cause returns why a request failed: what ended its context, or err without
// the URL that http.Client puts in front, which has a query.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
