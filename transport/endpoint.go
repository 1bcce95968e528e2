package transport

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/resilience"
)

// Limits of an endpoint's connection pool.
const (
	// maxIdlePerEndpoint is above the concurrency that one client has with one
	// endpoint, because every call above it costs a connection. net/http's 2
	// closes all but two connections after every burst.
	maxIdlePerEndpoint = 128
	// idleTimeout is below what servers and middleboxes commonly allow, since
	// a connection that the server closes first fails the next POST.
	idleTimeout            = 30 * time.Second
	tlsHandshakeTimeout    = 5 * time.Second
	expectContinueTimeout  = time.Second
	maxResponseHeaderBytes = 1 << 20
	// An HTTP/2 connection whose peer fell silent is found dead after the sum
	// of these two; without pings it would be used forever.
	sendPingTimeout  = 15 * time.Second
	pingTimeout      = 5 * time.Second
	writeByteTimeout = 10 * time.Second
)

// A link is what a transport keeps about an endpoint: the way to it, and the
// account of its health.
type link struct {
	endpoint *balancer.Endpoint
	service  *service
	base     http.RoundTripper
	pinned   bool // base connects to this endpoint whatever the URL says
	breaker  *resilience.Breaker
	state    resilience.State // when the view was built; guarded by service.mu
	ejected  bool             // in the view; guarded by service.mu
	halfOpen atomic.Int64     // when the breaker became half-open, in ns since service.born
}

var links = balancer.NewKey[link]()

// newEndpoint returns the endpoint of an instance, with its link.
func (s *service) newEndpoint(in discovery.Instance) *balancer.Endpoint {
	e := balancer.NewEndpoint(in)
	l := links.Of(e)
	l.endpoint = e
	l.service = s
	l.breaker = resilience.NewBreaker(s.cfg.breaker, l.breakerChanged)
	l.base = s.transport.cfg.base
	if l.base == nil {
		l.base = newPool(s.transport.cfg, s.cfg, in.Addr)
		l.pinned = true
	}
	return e
}

// settleTime is how long an HTTP/2 connection may take to notice that its last
// stream has ended. If it takes longer, idleTimeout closes it.
const settleTime = time.Second

// retire lets attempts in flight end, then closes what they leave. Idle
// connections are closed more than once: the first time catches those that are
// idle now, the second HTTP/1 connections that were busy, the third HTTP/2
// connections that were, which net/http does not close by itself as it does
// the others.
func (l *link) retire() {
	l.breaker.Close()
	l.closeIdleConnections()
	l.endpoint.Retire(func() {
		l.closeIdleConnections()
		if l.pinned {
			time.AfterFunc(settleTime, l.closeIdleConnections)
		}
	})
}

func (l *link) closeIdleConnections() {
	if l.pinned {
		closeIdle(l.base)
	}
}

func (l *link) breakerChanged(from, to resilience.State) {
	if to == resilience.HalfOpen {
		l.halfOpen.Store(int64(time.Since(l.service.born)))
	}
	l.service.breakerChanged(l, from, to)
}

// noTrial is the trial of an attempt that is none.
var noTrial resilience.Trial

// observe enters the outcome of an attempt into both accounts: that of load
// and that of health. Generation is the breaker's when the attempt began: an
// outcome from before its last change is no news about the endpoint's health.
func (l *link) observe(outcome balancer.Outcome, latency time.Duration, trial resilience.Trial, generation uint64) {
	l.endpoint.Observe(outcome, latency)
	switch {
	case trial != noTrial && outcome == balancer.Success:
		trial.Success()
	case trial != noTrial && outcome == balancer.Failure:
		trial.Failure()
	case trial != noTrial:
		trial.Release()
	case l.breaker.Generation() != generation:
	case outcome == balancer.Success:
		l.breaker.Success()
	case outcome == balancer.Failure:
		l.breaker.Failure()
	}
}

// newPool returns the connection pool of one endpoint. Its dialer is pinned to
// the endpoint's address, whatever the URL says, so that the URL keeps the
// service's name: Host, TLS server name, cookies, redirects and error texts
// are right without a copy of the request. No proxy: a mesh's calls must not
// leave through one that the environment happens to name.
func newPool(c *config, s *serviceConfig, addr string) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	var tlsConfig *tls.Config
	if s.tls != nil {
		tlsConfig = s.tls.Clone() // net/http writes to it
	}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, c.dialTimeout)
			defer cancel()
			return c.dial(ctx, network, addr)
		},
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    tlsHandshakeTimeout,
		MaxIdleConnsPerHost:    maxIdlePerEndpoint,
		IdleConnTimeout:        idleTimeout,
		ExpectContinueTimeout:  expectContinueTimeout,
		MaxResponseHeaderBytes: maxResponseHeaderBytes,
		Protocols:              protocols,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout:  sendPingTimeout,
			PingTimeout:      pingTimeout,
			WriteByteTimeout: writeByteTimeout,
		},
	}
}
