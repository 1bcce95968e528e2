package eureka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	connectTimeout = 5 * time.Second
	requestTimeout = 10 * time.Second // beyond what the server is asked to wait

	maxRegistryBytes = 64 << 20
	maxDrainBytes    = 64 << 10 // of a body that is of no interest, to keep its connection
)

// A StatusError says that a server answered with a status other than those
// that a request can succeed with. Register and SetStatus wrap it, for
// [errors.AsType].
type StatusError struct {
	Server string // the server's URL, without credentials
	Code   int    // the HTTP status
}

// Error names the server and the status.
func (e *StatusError) Error() string {
	text := e.Server + ": answered " + strconv.Itoa(e.Code)
	if t := http.StatusText(e.Code); t != "" {
		text += " " + t
	}
	if e.Code/100 == 3 {
		text += ", and redirects are not followed"
	}
	return text
}

// rejected reports whether err says that a healthy server does not want the
// request, so that there is no use in repeating it there.
func rejected(err error) bool {
	if errors.Is(err, errShrunk) {
		return true
	}
	e, ok := errors.AsType[*StatusError](err)
	return ok && e.Code/100 == 4 && e.Code != http.StatusRequestTimeout && e.Code != http.StatusTooManyRequests
}

// A request is what to ask of any server.
type request struct {
	method string
	path   string // escaped, below the server's URL
	query  url.Values
	body   []byte // JSON; nil means none

	read     bool   // the answer's body is wanted
	revision string // wait for changes since then; empty means do not wait
}

// An answer is what a server said, whatever its status.
type answer struct {
	code   int
	header http.Header
	body   []byte // of status 200, and if wanted
}

// exchange asks one server once. Its errors name the server.
func (c *Client) exchange(ctx context.Context, s *server, r request) (answer, error) {
	limit := requestTimeout
	if r.revision != "" {
		limit += waitForChange
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit))
	defer cancel()
	a, err := c.send(ctx, s, r)
	if err != nil {
		// The URL that http.Client puts in front has a query.
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return answer{}, fmt.Errorf("%s: %w", s, err)
	}
	return a, nil
}

func (c *Client) send(ctx context.Context, s *server, r request) (answer, error) {
	target := s.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Accept", "application/json")
	c.identity.introduce(req.Header)
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if s.user != nil {
		password, _ := s.user.Password()
		req.SetBasicAuth(s.user.Username(), password)
	}
	if r.revision != "" {
		req.Header.Set("If-None-Match", `"`+r.revision+`"`)
		req.Header.Set("Prefer", "wait="+strconv.Itoa(int(waitForChange/time.Second)))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // it has been read, or its connection is given up
	a := answer{code: resp.StatusCode, header: resp.Header}
	if !r.read || resp.StatusCode != http.StatusOK {
		_, _ = io.CopyN(io.Discard, resp.Body, maxDrainBytes)
		return a, nil
	}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxRegistryBytes+1))
	if err == nil && len(a.body) > maxRegistryBytes {
		err = fmt.Errorf("answer is longer than %d bytes", maxRegistryBytes)
	}
	return a, err
}

// introduce says who asks.
func (i Identity) introduce(h http.Header) {
	h.Set("User-Agent", i.UserAgent)
	h.Set("DiscoveryIdentity-Name", i.Name)
	if i.Version != "" {
		h.Set("DiscoveryIdentity-Version", i.Version)
	}
	if i.ID != "" {
		h.Set("DiscoveryIdentity-Id", i.ID)
	}
}
