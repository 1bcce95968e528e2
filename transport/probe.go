package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/transport/internal/orca"
)

// The defaults of a [ProbeConfig].
const (
	// DefaultProbePath is where package serve has its report.
	DefaultProbePath = orca.ProbePath
	// DefaultProbeTimeout is far above what an answer takes that is of use.
	DefaultProbeTimeout = 100 * time.Millisecond
	// DefaultMaxProbes is enough for some ten thousand probes per second.
	DefaultMaxProbes = 16

	// maxProbeBody is how much of an answer is read, so that its connection can
	// be used again.
	maxProbeBody = 4 << 10
)

// A ProbeConfig says how endpoints are asked for their load. The zero value
// means the defaults.
type ProbeConfig struct {
	// Path is what is asked for, by GET, with a query if need be. Default
	// [DefaultProbePath].
	Path string

	// Timeout bounds a probe. One without an answer by then says that nothing
	// is known of the endpoint. Default [DefaultProbeTimeout].
	Timeout time.Duration

	// MaxInFlight bounds the probes of a service that are under way; of each
	// endpoint there is never more than one. What is beyond is dropped and not
	// made up for. Default [DefaultMaxProbes].
	MaxInFlight int
}

// A prober asks the endpoints of a service for their load.
type prober struct {
	service  *service
	url      url.URL // but for the scheme
	timeout  time.Duration
	limit    int64
	inFlight atomic.Int64
	https    atomic.Bool // as the latest call had it
}

var errNoReport = errors.New("transport: probes are answered without a load report")

func newProber(s *service, cfg ProbeConfig) *prober {
	if cfg.Path == "" {
		cfg.Path = DefaultProbePath
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultProbeTimeout
	}
	if cfg.MaxInFlight <= 0 {
		cfg.MaxInFlight = DefaultMaxProbes
	}
	p := &prober{service: s, timeout: cfg.Timeout, limit: int64(cfg.MaxInFlight)}
	path, query, _ := strings.Cut(cfg.Path, "?")
	p.url = url.URL{Host: s.name, Path: "/" + strings.TrimPrefix(path, "/"), RawQuery: query}
	return p
}

// saw takes note of how the service is called: where the registry does not say
// whether an endpoint speaks TLS, callers do.
func (p *prober) saw(u *url.URL) {
	if https := u.Scheme == "https"; p.https.Load() != https { // spare the usual case the write
		p.https.Store(https)
	}
}

// probe asks an endpoint, unless there are too many probes under way. It does
// not wait.
func (p *prober) probe(e *balancer.Endpoint) {
	l := links.Of(e)
	if l.service != p.service || l.gone.Load() || l.probing.Swap(true) {
		return
	}
	done := func() {
		l.probing.Store(false)
		p.inFlight.Add(-1)
	}
	if p.inFlight.Add(1) > p.limit || !p.service.transport.start(func() {
		defer done()
		p.ask(l)
	}) {
		done()
	}
}

// ask sends a probe and reports the answer. It is no attempt: it counts neither
// as load nor for the endpoint's health.
func (p *prober) ask(l *link) {
	ctx, cancel := context.WithTimeout(p.service.transport.ctx, p.timeout)
	defer cancel()
	r, ok := p.exchange(ctx, l)
	if p.service.transport.ctx.Err() != nil {
		return
	}
	if !ok {
		r = balancer.Report{} // what was known holds no longer
	}
	r.Probed = true
	l.endpoint.Report(r)
	if l.gone.Load() { // after the others had been closed
		l.closeIdleConnections()
	}
}

func (p *prober) exchange(ctx context.Context, l *link) (balancer.Report, bool) {
	resp, err := l.base.RoundTrip(p.request(ctx, l))
	if err != nil || resp == nil {
		drop(resp)
		return balancer.Report{}, false
	}
	if resp.Body != nil {
		_, _ = io.CopyN(io.Discard, resp.Body, maxProbeBody)
		_ = resp.Body.Close()
	}
	values := resp.Header[orca.Header]
	if resp.StatusCode < 200 || resp.StatusCode > 299 || len(values) == 0 {
		l.oddReport(errNoReport)
		return balancer.Report{}, false
	}
	return l.parseReport(values)
}

// request goes the way of a call to the service: see outgoing.
func (p *prober) request(ctx context.Context, l *link) *http.Request {
	u := p.url
	u.Scheme = l.scheme
	if u.Scheme == "" {
		u.Scheme = "http"
		if p.https.Load() {
			u.Scheme = "https"
		}
	}
	host := u.Host
	if l.pool == nil {
		u.Host = l.endpoint.Addr()
	}
	req := &http.Request{
		Method: http.MethodGet, URL: &u, Host: host, Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	return req.WithContext(ctx)
}
