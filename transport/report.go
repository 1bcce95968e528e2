package transport

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/transport/internal/orca"
)

var errManyReports = errors.New("transport: more than one load report")

// takeReport hands what an endpoint says of its load in a response to its
// account, and takes it out of the response, as it is not meant for whoever
// the caller may pass that on to.
func (l *link) takeReport(resp *http.Response, now time.Duration) {
	values := resp.Header[orca.Header]
	delete(resp.Header, orca.Header)
	delete(resp.Header, orca.BinaryHeader)
	if len(values) == 0 {
		return
	}
	if r, ok := l.parseReport(values); ok {
		r.At = now
		l.endpoint.Report(r)
	}
}

// parseReport reads a report, and ignores one that makes no sense.
func (l *link) parseReport(values []string) (balancer.Report, bool) {
	if len(values) > 1 {
		l.oddReport(errManyReports)
		return balancer.Report{}, false
	}
	r, err := orca.Parse(values[0])
	if err != nil {
		l.oddReport(err)
		return balancer.Report{}, false
	}
	return balancer.Report{
		Utilization: r.Utilization(), Rate: r.Rate, Errors: r.Errors,
		InFlight: r.InFlight, HasInFlight: r.HasInFlight,
		Latency: r.Latency, ServiceTime: r.ServiceTime,
	}, true
}

// oddReport logs what is wrong, once for each endpoint.
func (l *link) oddReport(err error) {
	if !l.oddReports.Load() && !l.oddReports.Swap(true) {
		l.service.transport.cfg.logger.Warn("load report ignored, as will be others from there that make no sense",
			slog.String("service", l.service.name), slog.String("addr", l.endpoint.Addr()), slog.Any("error", err))
	}
}
