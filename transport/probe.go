package transport

import (
	"context"
	"errors"
	"net/http"
	"net/url"
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
	url      url.URL // but for scheme and host
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
	return &prober{service: s, url: askURL(cfg.Path), timeout: cfg.Timeout, limit: int64(cfg.MaxInFlight)}
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

// ask sends a probe and reports the answer.
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
	u := p.url
	u.Scheme = "http"
	if p.https.Load() {
		u.Scheme = "https"
	}
	a, err := l.ask(ctx, u, http.Header{}, maxProbeBody)
	if err != nil {
		return balancer.Report{}, false
	}
	values := a.header[orca.Header]
	if a.status < 200 || a.status > 299 || len(values) == 0 {
		l.oddReport(errNoReport)
		return balancer.Report{}, false
	}
	return l.parseReport(values)
}
