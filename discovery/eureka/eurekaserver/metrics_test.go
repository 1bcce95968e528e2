package eurekaserver_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

func TestStats(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, s *eurekaserver.Server) {
		started := time.Now()
		c.register("APP", lease(5))
		c.register("APP", lease(5))
		c.register("APP", edit{"instanceId": "i2", "status": "DOWN"})
		c.register("OTHER")
		c.register("OTHER", edit{"instanceId": "i2"})
		c.status("PUT", "/apps/OTHER/i1")
		c.status("PUT", "/apps/OTHER/none")
		c.status("PUT", "/apps/OTHER/i1/status?value=OUT_OF_SERVICE")
		c.status("DELETE", "/apps/OTHER/i2")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		st := s.Stats()
		assert.Equal(t, started, st.Started)
		assert.Equal(t, map[string]int{"DOWN": 1, "OUT_OF_SERVICE": 1}, st.Instances)
		assert.Equal(t, 2, st.Leases)
		assert.Equal(t, 2, st.Applications)
		assert.Equal(t, 1, st.Overrides)
		assert.EqualValues(t, 8, st.Changes)
		assert.True(t, strings.HasSuffix(st.Revision, ".8"), st.Revision)
		assert.Equal(t, eurekaserver.Totals{Registrations: 4, Heartbeats: 2, Cancellations: 1, Evictions: 1}, st.Totals)
		assert.Equal(t, []eurekaserver.RequestCount{
			{Method: "POST", Resource: "apps/{}", Status: 204, Count: 5},
			{Method: "PUT", Resource: "apps/{}/{}", Status: 200, Count: 1},
			{Method: "PUT", Resource: "apps/{}/{}", Status: 404, Count: 1},
			{Method: "DELETE", Resource: "apps/{}/{}", Status: 200, Count: 1},
			{Method: "PUT", Resource: "apps/{}/{}/status", Status: 200, Count: 1},
		}, st.Requests)
	})
}

func TestMetrics(t *testing.T) {
	s := eurekaserver.New()
	defer s.Close()
	serve(t.Context(), s, "POST", "/apps/APP", body("APP"))
	serve(t.Context(), s, "BREW", "/apps", "")
	serve(t.Context(), s, "HEAD", "/apps", "")
	serve(t.Context(), s, "GET", "/nothing/of/the/kind", "")
	w := httptest.NewRecorder()
	s.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	assert.Equal(t, 200, w.Code)
	assert.Equal(t, "text/plain; version=0.0.4; charset=utf-8", w.Header().Get("Content-Type"))
	text := w.Body.String()
	for _, line := range []string{
		"# HELP eurekaserver_instances Instances by status.",
		"# TYPE eurekaserver_instances gauge",
		`eurekaserver_instances{status="UP"} 1`,
		"# TYPE eurekaserver_changes_total counter",
		"eurekaserver_changes_total 1",
		"eurekaserver_heartbeats_expected_per_minute 2",
		"eurekaserver_heartbeats_threshold_per_minute 1.7",
		"eurekaserver_protection_active 0",
		`eurekaserver_requests_total{method="POST",resource="apps/{}",code="204"} 1`,
		`eurekaserver_requests_total{method="GET",resource="apps",code="200"} 1`,
		`eurekaserver_requests_total{method="other",resource="apps",code="405"} 1`,
		`eurekaserver_requests_total{method="GET",resource="other",code="404"} 1`,
	} {
		assert.Contains(t, strings.Split(text, "\n"), line)
	}
	sample := regexp.MustCompile(`^[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?[0-9.]+$`)
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "# ") {
			assert.Regexp(t, sample, strings.TrimSuffix(line, "\n"))
		}
	}

	w = httptest.NewRecorder()
	s.Metrics().ServeHTTP(w, httptest.NewRequest("POST", "/metrics", nil))
	assert.Equal(t, 405, w.Code)
	assert.Empty(t, w.Body.String())
}

// Of each peer there is one sample, whose label has no credentials.
func TestMetricsOfPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answers atomic.Bool
		answers.Store(true)
		s := alone(func(w http.ResponseWriter, r *http.Request) {
			if !answers.Load() || r.URL.Host == "silent" {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			batchOf(t, w, r)
		}, eurekaserver.PeersConfig{URLs: []string{
			"http://user:secret@peer/eureka/", "http://user:secret2@silent", "http://other:secret3@silent", "http://u:sec#ret@bad", "http://v:sec#ret@bad",
		}})
		defer s.Close()
		s.Start()
		rest(time.Second)
		answers.Store(false)
		serve(t.Context(), s, "POST", "/apps/APP", body("APP"))
		rest(1500 * time.Millisecond)
		w := httptest.NewRecorder()
		s.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		text := w.Body.String()
		assert.NotContains(t, text, "ret")
		assert.NotContains(t, text, "user")
		var samples []string
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "eurekaserver_peer_") {
				samples = append(samples, strings.TrimSpace(line))
			}
		}
		assert.Equal(t, []string{
			`eurekaserver_peer_reachable{url="http://peer/eureka"} 0`,
			`eurekaserver_peer_reachable{url="http://silent"} 0`,
			`eurekaserver_peer_reachable{url="…@bad"} 0`,
			`eurekaserver_peer_queue{url="http://peer/eureka"} 1`,
			`eurekaserver_peer_queue{url="http://silent"} 1`,
			`eurekaserver_peer_queue{url="…@bad"} 0`,
			`eurekaserver_peer_lag_seconds{url="http://peer/eureka"} 1.5`,
			`eurekaserver_peer_lag_seconds{url="http://silent"} 1.5`,
			`eurekaserver_peer_lag_seconds{url="…@bad"} 0`,
		}, samples)
		assert.Equal(t, s.Peers(), s.Stats().Peers)

		answers.Store(true)
		rest(10 * time.Second)
		w = httptest.NewRecorder()
		s.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		assert.Contains(t, w.Body.String(), "eurekaserver_peer_reachable{url=\"http://peer/eureka\"} 1\n")
		assert.Contains(t, w.Body.String(), "eurekaserver_peer_queue{url=\"http://peer/eureka\"} 0\n")
	})
	s := eurekaserver.New()
	defer s.Close()
	w := httptest.NewRecorder()
	s.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	assert.NotContains(t, w.Body.String(), "peer", "there are none")
}
