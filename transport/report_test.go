package transport_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
)

// lastReport is a hook that keeps what the endpoint of the latest attempt has
// said of its load.
func lastReport(into *atomic.Pointer[balancer.Report]) transport.Option {
	return transport.WithHooks(transport.Hooks{Attempt: func(e transport.AttemptEvent) { into.Store(e.Endpoint.LastReport()) }})
}

// reports is a handler that sends the reports that a request asks for.
func reports(w http.ResponseWriter, r *http.Request) {
	for _, value := range r.Header.Values("Say") {
		w.Header().Add("Endpoint-Load-Metrics", value)
	}
	w.Header().Set("Endpoint-Load-Metrics-Bin", "AAAA")
	w.Header().Set("Other", "stays")
	_, _ = io.WriteString(w, "text")
}

// say calls the service of reports, and returns the response's header.
func (m *mesh) say(url string, values ...string) http.Header {
	m.t.Helper()
	req := m.request(http.MethodGet, url, "")
	for _, value := range values {
		req.Header.Add("Say", value)
	}
	resp, err := m.client.Do(req)
	require.NoError(m.t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(m.t, err)
	require.NoError(m.t, resp.Body.Close())
	assert.Equal(m.t, "text", string(body))
	return resp.Header
}

func TestLoadReports(t *testing.T) {
	var last atomic.Pointer[balancer.Report]
	inEveryWay(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", reports)
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		header := m.say("http://orders/", "TEXT application_utilization=0.7,cpu_utilization=0.3,rps_fractional=120,eps=0.5,"+
			"named_metrics.rif=7,named_metrics.latency_ms=12.5,named_metrics.service_time_ms=2")
		assert.Equal(t, "stays", header.Get("Other"))
		assert.Empty(t, header.Get("Endpoint-Load-Metrics"), "not for those to whom the response may be passed on")
		assert.Empty(t, header.Get("Endpoint-Load-Metrics-Bin"))
		got := *last.Load()
		assert.NotZero(t, got.At)
		got.At = 0
		assert.Equal(t, balancer.Report{
			Utilization: 0.7, Rate: 120, Errors: 0.5, InFlight: 7, HasInFlight: true,
			Latency: 12500 * time.Microsecond, ServiceTime: 2 * time.Millisecond,
		}, got)

		m.say("http://orders/", `JSON {"cpu_utilization":0.3}`)
		assert.Equal(t, 0.3, last.Load().Utilization)
		m.say("http://orders/")
		assert.Equal(t, 0.3, last.Load().Utilization, "the last one stands")
	}, transport.WithLoadReports(), lastReport(&last))
}

func TestLoadReportsThatMakeNoSense(t *testing.T) {
	var last atomic.Pointer[balancer.Report]
	var log strings.Builder
	inMesh(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", reports)
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		for _, values := range [][]string{
			{"TEXT eps=NaN"}, {"secret"}, {"TEXT eps=1", "TEXT eps=2"}, {"TEXT eps=" + strings.Repeat("1", 5000)}, {""}, {"BIN AAAA"},
		} {
			header := m.say("http://orders/", values...)
			assert.Empty(t, header.Values("Endpoint-Load-Metrics"))
			assert.Nil(t, last.Load())
		}
		assert.Equal(t, 1, strings.Count(log.String(), "load report ignored"), log.String())
		assert.NotContains(t, log.String(), "secret")
	}, transport.WithLoadReports(), lastReport(&last), transport.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
}

func TestLoadReportsAreLeftAloneByDefault(t *testing.T) {
	var last atomic.Pointer[balancer.Report]
	inMesh(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", reports)
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		assert.Equal(t, "TEXT eps=1", m.say("http://orders/", "TEXT eps=1").Get("Endpoint-Load-Metrics"))
		assert.Nil(t, last.Load())
	}, lastReport(&last))
}

// Hosts outside are nobody's endpoints, and their responses nobody's to change.
func TestLoadReportsFromOutside(t *testing.T) {
	outside := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: 200, Header: http.Header{"Endpoint-Load-Metrics": {"TEXT eps=1"}},
			Body: io.NopCloser(strings.NewReader("text")), Request: req,
		}, nil
	})
	inMesh(t, func(t *testing.T, m *mesh) {
		assert.Equal(t, "TEXT eps=1", m.say("http://api.example.com/").Get("Endpoint-Load-Metrics"))
	}, transport.WithLoadReports(), transport.WithPassThrough(outside, "api.example.com"))
}

// Whatever attempts say is heard, also where their response is not passed on.
func TestLoadReportsOfFailures(t *testing.T) {
	var heard []float64
	inMesh(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Endpoint-Load-Metrics", "TEXT cpu_utilization=2")
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		m.serve("10.0.0.2:80", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Endpoint-Load-Metrics", "TEXT cpu_utilization=1")
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80", "10.0.0.2:80")...)
		status, _, err := m.get("http://orders/")
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, []float64{2, 1}, heard)
	}, transport.WithPolicy(inOrder), transport.WithLoadReports(), transport.WithHooks(transport.Hooks{
		Attempt: func(e transport.AttemptEvent) { heard = append(heard, e.Endpoint.LastReport().Utilization) },
	}))
}
