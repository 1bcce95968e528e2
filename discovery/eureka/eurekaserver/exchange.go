package eurekaserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// What an exchange with a peer may take.
const (
	connectTimeout   = 2 * time.Second
	exchangeTimeout  = 5 * time.Second
	maxExchangeBytes = 64 << 20 // of an answer
)

// newPeerTransport returns what connects to peers unless the user says
// otherwise.
func newPeerTransport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout:    connectTimeout,
		MaxIdleConnsPerHost:    2,
		MaxConnsPerHost:        8,
		IdleConnTimeout:        45 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		Protocols:              protocols,
	}
}

// A reply is what a peer answered, whatever the status.
type reply struct {
	code int
	body []byte // of status 200
	kind PeerKind
}

// exchange asks the peer once. Its errors hold no URL and no credentials.
func (p *peer) exchange(ctx context.Context, method, path string, body []byte) (reply, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, exchangeTimeout, fmt.Errorf("no answer within %v: %w", exchangeTimeout, context.DeadlineExceeded))
	defer cancel()
	rep, err := p.ask(ctx, method, path, body)
	if err == nil {
		return rep, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return reply{}, err
}

func (p *peer) ask(ctx context.Context, method, path string, body []byte) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.url.base+path, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	h := req.Header
	h.Set("Accept", "application/json")
	h.Set("User-Agent", "namesake")
	h.Set("DiscoveryIdentity-Name", "DefaultServer") // which Netflix's rate limit spares
	h.Set("DiscoveryIdentity-Version", "1.0")
	h.Set("DiscoveryIdentity-Id", p.cluster.Name)
	h.Set(headerServer, p.cluster.server.id)
	if body != nil {
		h.Set("Content-Type", "application/json")
	}
	if p.url.user != nil {
		password, _ := p.url.user.Password()
		req.SetBasicAuth(p.url.user.Username(), password)
	}
	resp, err := p.cluster.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // it has been read, or its connection is given up
	rep := reply{code: resp.StatusCode, kind: p.learn(resp.StatusCode, resp.Header)}
	rep.body, err = io.ReadAll(io.LimitReader(resp.Body, maxExchangeBytes+1))
	if err == nil && len(rep.body) > maxExchangeBytes {
		err = fmt.Errorf("answer is longer than %d bytes", maxExchangeBytes)
	}
	return rep, err
}

// errCode is the error for an answer that is of no use.
func errCode(code int) error {
	if text := http.StatusText(code); text != "" {
		return fmt.Errorf("answered %d %s", code, text)
	}
	return fmt.Errorf("answered %d", code)
}

// congested reports whether a peer has too much to do, and not none to talk
// to.
func congested(code int, err error) bool {
	if code == http.StatusServiceUnavailable || code == http.StatusTooManyRequests {
		return true
	}
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// A pacer says how long to pause after failures.
type pacer struct{ pause time.Duration }

// The pauses after failures. The longest is a part of how long it takes until
// servers agree again after an outage.
const (
	congestionPause = time.Second
	firstPause      = 100 * time.Millisecond
	longestPause    = 5 * time.Second
)

func (p *pacer) next(code int, err error) time.Duration {
	if congested(code, err) {
		return congestionPause
	}
	p.pause = min(max(2*p.pause, firstPause), longestPause)
	return p.pause
}

// sleep pauses. It returns false if ctx is done before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
