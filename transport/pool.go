package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/balancer"
)

// The defaults of a PoolConfig, and what is not worth an option.
const (
	// DefaultMaxIdle is above the concurrency that one client has with one
	// endpoint, because every call above it costs a connection. net/http's 2
	// closes all but two connections after every burst.
	DefaultMaxIdle = 128
	// DefaultMaxConns is well below the 1024 files that many systems allow a
	// process, times two.
	DefaultMaxConns = 2000
	// DefaultMaxDials lets a burst through in a few rounds, and keeps calls to
	// an endpoint that drops packets from piling up dials.
	DefaultMaxDials = 64
	// DefaultIdleTimeout is below what servers and middleboxes commonly allow,
	// since a connection that the server closes first fails the next POST.
	DefaultIdleTimeout = 30 * time.Second

	tlsHandshakeTimeout    = 5 * time.Second
	expectContinueTimeout  = time.Second
	maxResponseHeaderBytes = 1 << 20
	// An HTTP/2 connection whose peer fell silent is found dead after the sum
	// of these two; without pings it would be used forever.
	sendPingTimeout  = 15 * time.Second
	pingTimeout      = 5 * time.Second
	writeByteTimeout = 10 * time.Second

	// settleTime is how long an HTTP/2 connection may take to notice that its
	// last stream has ended. If it takes longer, the idle timeout closes it.
	settleTime = time.Second
)

// A PoolConfig says how connections to endpoints are kept. With [WithBase] it
// has no effect.
type PoolConfig struct {
	// MaxIdle bounds the idle connections to each endpoint. Default
	// [DefaultMaxIdle].
	MaxIdle int

	// MaxConns bounds the connections of the Transport. When one more is made,
	// the idle ones of some endpoint without calls are closed; connections in
	// use are never closed, nor are calls kept waiting. It is one number for
	// all services: given with ForService it has no effect. Default
	// [DefaultMaxConns]; negative means no bound.
	MaxConns int

	// MaxDials bounds the connections to an endpoint that are being made at
	// the same time. Others wait for their turn, which counts as part of the
	// dial timeout. Default [DefaultMaxDials]; negative means no bound.
	MaxDials int

	// IdleTimeout is how long a connection waits for its next call. It should
	// be less than the servers' own. Default [DefaultIdleTimeout].
	IdleTimeout time.Duration

	// MaxAge bounds how long a connection is used for new calls, give or take
	// 10 %, so that calls move when what is behind an address changes, and
	// rotated certificates come into use. Calls in flight are not disturbed.
	// Default 0: no bound.
	MaxAge time.Duration

	// ResponseHeaderTimeout bounds the time from the end of a request to its
	// response's header. What exceeds it counts as an attempt that timed out,
	// see [WithAttemptTimeout]. Default 0: no bound.
	ResponseHeaderTimeout time.Duration

	// Warm is how many connections are made to an endpoint that joins a set
	// before it gets calls, over TLS if the registry says that it speaks
	// https. One that cannot be connected within the dial timeout gets calls
	// all the same, and so do the endpoints of a set that has no others. With
	// TLS 1.3 such a connection looks well although the server is about to
	// refuse our certificate. Default 0.
	Warm int
}

func (c PoolConfig) normal() PoolConfig {
	if c.MaxIdle <= 0 {
		c.MaxIdle = DefaultMaxIdle
	}
	if c.MaxConns == 0 {
		c.MaxConns = DefaultMaxConns
	}
	if c.MaxDials == 0 {
		c.MaxDials = DefaultMaxDials
	}
	if c.IdleTimeout <= 0 {
		c.IdleTimeout = DefaultIdleTimeout
	}
	c.Warm = min(max(c.Warm, 0), c.MaxIdle)
	return c
}

// A pool keeps the connections to one endpoint. Its dialer is pinned to the
// endpoint's address, whatever the URL says, so that the URL keeps the
// service's name: Host, TLS server name, cookies, redirects and error texts
// are right without a copy of the request.
type pool struct {
	service   *service
	endpoint  *balancer.Endpoint
	addr      string
	cfg       PoolConfig
	current   atomic.Pointer[http.Transport] // replaced at the maximum age
	conns     atomic.Int64                   // open now
	fruitless fruitless
	dials     chan struct{} // a place for each dial under way; nil means no bound

	mu     sync.Mutex // guards what follows
	warm   []warmConn
	aging  *time.Timer
	closed bool
}

func newPool(s *service, e *balancer.Endpoint) *pool {
	p := &pool{service: s, endpoint: e, addr: e.Addr(), cfg: s.cfg.pool.normal()}
	if p.cfg.MaxDials > 0 {
		p.dials = make(chan struct{}, p.cfg.MaxDials)
	}
	p.current.Store(p.newTransport())
	p.age()
	return p
}

// newTransport has no proxy: calls between services must not leave through one
// that the environment happens to name.
func (p *pool) newTransport() *http.Transport {
	return &http.Transport{
		DialContext:            p.dialContext,
		DialTLSContext:         p.dialTLSContext, // so that a failure in it is known for what it is
		TLSClientConfig:        p.tlsConfig(),
		MaxIdleConnsPerHost:    p.cfg.MaxIdle,
		IdleConnTimeout:        p.cfg.IdleTimeout,
		ResponseHeaderTimeout:  p.cfg.ResponseHeaderTimeout,
		ExpectContinueTimeout:  expectContinueTimeout,
		MaxResponseHeaderBytes: maxResponseHeaderBytes,
		Protocols:              p.service.cfg.protocols,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout:  sendPingTimeout,
			PingTimeout:      pingTimeout,
			WriteByteTimeout: writeByteTimeout,
		},
	}
}

// tlsConfig returns a copy, since net/http writes to what it is given.
func (p *pool) tlsConfig() *tls.Config {
	if p.service.cfg.tls == nil {
		return nil
	}
	return p.service.cfg.tls.Clone()
}

// RoundTrip sends a request over a connection of the pool.
func (p *pool) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := p.current.Load().RoundTrip(req)
	if err == nil {
		p.fruitless.end()
	}
	return resp, err
}

// CloseIdleConnections closes what is idle now, and HTTP/1 connections that
// are busy as soon as they are not, unless there are new calls.
func (p *pool) CloseIdleConnections() {
	p.current.Load().CloseIdleConnections()
	p.mu.Lock()
	warm := p.warm
	p.warm = nil
	p.mu.Unlock()
	for _, c := range warm {
		_ = c.Close()
	}
}

// close ends the pool's own timers and what it made in advance. It comes
// before the last calls have ended.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	if p.aging != nil {
		p.aging.Stop()
	}
	p.mu.Unlock()
	p.CloseIdleConnections()
}

// age has the pool begin anew when its connections are old.
func (p *pool) age() {
	if p.cfg.MaxAge <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		spread := p.cfg.MaxAge / 10
		p.aging = time.AfterFunc(p.cfg.MaxAge-spread+rand.N(2*spread+1), p.renew)
	}
}

// renew leaves the old connections to the calls that are on them. A call may
// have found the old transport just before and use it just after, hence the
// second time.
func (p *pool) renew() {
	old := p.current.Swap(p.newTransport())
	old.CloseIdleConnections()
	time.AfterFunc(settleTime, old.CloseIdleConnections)
	p.age()
}

func (p *pool) dialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	if c := p.takeWarm(); c != nil {
		return p.handOver(c), nil
	}
	c, err := p.dial(ctx, network)
	if err != nil {
		return nil, err
	}
	return p.handOver(c), nil
}

// handOver returns a connection without TLS for net/http to use.
func (p *pool) handOver(c net.Conn) net.Conn {
	if protocols := p.service.cfg.protocols; protocols.UnencryptedHTTP2() && !protocols.HTTP1() {
		watch(c)
	}
	return c
}

func (p *pool) dialTLSContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c := p.takeWarm()
	if c == nil {
		var err error
		if c, err = p.dial(ctx, network); err != nil {
			return nil, err
		}
	}
	if _, done := c.(*tls.Conn); done {
		return c, nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	return p.handshake(ctx, c, host)
}

// dial makes one connection, and room for it if there are too many.
func (p *pool) dial(ctx context.Context, network string) (net.Conn, error) {
	t := p.service.transport
	if limit := int64(t.cfg.defaults.pool.normal().MaxConns); limit > 0 && t.conns.Load() >= limit {
		t.makeRoom(p)
	}
	ctx, cancel := context.WithTimeout(ctx, t.cfg.dialTimeout)
	defer cancel()
	if p.dials != nil {
		select {
		case p.dials <- struct{}{}:
			defer func() { <-p.dials }()
		case <-ctx.Done():
			return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
		}
	}
	c, err := t.cfg.dial(ctx, network, p.addr)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "dial" {
			err = &net.OpError{Op: "dial", Net: network, Err: err} // whatever a dialer of the user's says
		}
		return nil, err
	}
	if p.fruitless.reached(spareConns + int64(p.cfg.Warm) + 2*p.endpoint.InFlight()) {
		_ = c.Close()
		return nil, &net.OpError{Op: "dial", Net: network, Err: errFruitless}
	}
	t.conns.Add(1)
	p.conns.Add(1)
	return &conn{Conn: c, pool: p}, nil
}

// handshake does what net/http does, and says so when it fails: then nothing
// was sent.
func (p *pool) handshake(ctx context.Context, raw net.Conn, serverName string) (net.Conn, error) {
	cfg := p.tlsConfig()
	if cfg == nil {
		cfg = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if cfg.ServerName == "" {
		cfg.ServerName = serverName
	}
	if len(cfg.NextProtos) == 0 {
		if p.service.cfg.protocols.HTTP2() {
			cfg.NextProtos = append(cfg.NextProtos, "h2")
		}
		if p.service.cfg.protocols.HTTP1() {
			cfg.NextProtos = append(cfg.NextProtos, "http/1.1")
		}
	}
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	ctx, cancel := context.WithTimeout(ctx, tlsHandshakeTimeout)
	defer cancel()
	c := tls.Client(raw, cfg)
	err := c.HandshakeContext(ctx)
	if trace != nil && trace.TLSHandshakeDone != nil {
		trace.TLSHandshakeDone(c.ConnectionState(), err)
	}
	if err != nil {
		_ = raw.Close()
		return nil, &handshakeError{err}
	}
	if c.ConnectionState().NegotiatedProtocol == "h2" {
		watch(raw)
	}
	return c, nil
}

// A handshakeError is a failed TLS handshake.
type handshakeError struct{ error }

func (e *handshakeError) Unwrap() error { return e.error }

// makeRoom closes the idle connections of an endpoint that has some and no
// calls, other than the one that needs room.
func (t *Transport) makeRoom(except *pool) {
	for _, s := range *t.services.Load() {
		for _, l := range s.links() {
			if l.pool != nil && l.pool != except && l.pool.conns.Load() > 0 && l.endpoint.InFlight() == 0 {
				l.pool.CloseIdleConnections()
				return
			}
		}
	}
}
