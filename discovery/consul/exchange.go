package consul

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	connectTimeout = 5 * time.Second
	requestTimeout = 10 * time.Second // beyond what the agent is asked to wait

	maxAnswer    = 32 << 20
	maxTokenFile = 4 << 10
	shownAnswer  = 200 // of the text of an error
)

// A StatusError says that an agent answered with a status that means failure.
// Errors of watches and of Register wrap it, for [errors.AsType].
type StatusError struct {
	Agent string // the agent's URL
	Code  int    // the HTTP status
	Text  string // the beginning of what the agent says about it, perhaps empty
}

// Error names the agent and the status, and what the agent says.
func (e *StatusError) Error() string {
	text := e.Agent + ": answered " + strconv.Itoa(e.Code)
	if t := http.StatusText(e.Code); t != "" {
		text += " " + t
	}
	if e.Text != "" {
		text += ": " + e.Text
	}
	switch {
	case e.Code/100 == 3:
		text += "; redirects are not followed"
	case e.Code == http.StatusForbidden:
		text += "; the token needs service:read and node:read, and service:write to announce"
	}
	return text
}

// rejected reports whether err says that a healthy agent does not want the
// request, so that there is no use in repeating it.
func rejected(err error) bool {
	e, ok := errors.AsType[*StatusError](err)
	return ok && e.Code/100 == 4 && e.Code != http.StatusRequestTimeout && e.Code != http.StatusTooManyRequests
}

// A request is what to ask an agent.
type request struct {
	method string
	path   string // escaped, from the root of the API
	query  url.Values
	body   []byte        // JSON; nil means none
	wait   time.Duration // how long the agent may take to answer besides
}

// An answer is what an agent said with status 200.
type answer struct {
	header http.Header
	body   []byte
}

// exchange asks an agent once. Its errors name the agent.
func (c *Client) exchange(ctx context.Context, a *agent, r request) (answer, error) {
	limit := requestTimeout + r.wait
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit))
	defer cancel()
	ans, err := c.send(ctx, a, r)
	if err == nil {
		return ans, nil
	}
	if _, ok := errors.AsType[*StatusError](err); ok {
		return answer{}, err
	}
	if e, ok := errors.AsType[*url.Error](err); ok { // which has a query in it
		err = e.Err
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		err = context.Cause(ctx)
	}
	return answer{}, fmt.Errorf("%s: %w", a, err)
}

func (c *Client) send(ctx context.Context, a *agent, r request) (answer, error) {
	target := a.base + r.path
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
	token, err := c.currentToken()
	if err != nil {
		return answer{}, err
	}
	if token != "" {
		req.Header.Set("X-Consul-Token", token)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "namesake")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // it has been read, or its connection is given up
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, shownAnswer))
		return answer{}, &StatusError{Agent: a.String(), Code: resp.StatusCode, Text: printable(text)}
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(data) > maxAnswer {
		err = fmt.Errorf("answer is longer than %d bytes", maxAnswer)
	}
	return answer{header: resp.Header, body: data}, err
}

// currentToken returns the ACL token, or "" for none.
func (c *Client) currentToken() (string, error) {
	if c.tokenFile == "" {
		return c.token, nil
	}
	f, err := os.Open(c.tokenFile)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	defer f.Close() //nolint:errcheck // it has only been read
	data, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	token := strings.TrimSpace(string(data))
	switch {
	case err != nil:
		return "", fmt.Errorf("token: %w", err)
	case len(data) > maxTokenFile:
		return "", fmt.Errorf("token: %s is longer than %d bytes", c.tokenFile, maxTokenFile)
	case token == "":
		return "", fmt.Errorf("token: %s is empty", c.tokenFile)
	}
	return token, nil
}

// printable returns what may be shown of an agent's text, on one line.
func printable(text []byte) string {
	return strings.Join(strings.FieldsFunc(string(text), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == unicode.ReplacementChar
	}), " ")
}
