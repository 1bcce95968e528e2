package eurekaserver

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Metrics returns a handler that serves [Server.Stats] in the text format of
// Prometheus, for a path and a listener of your choice: access is not
// controlled. The package documentation lists the names.
func (s *Server) Metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			empty(w, http.StatusMethodNotAllowed)
			return
		}
		st := s.Stats()
		respond(w, http.StatusOK, "text/plain; version=0.0.4; charset=utf-8", st.metrics())
	})
}

// metrics writes the figures. All labels have values from a short list, or one
// that the operator has made.
func (st *Stats) metrics() []byte {
	var m metricWriter
	m.family("instances", "gauge", "Instances by status.")
	for _, status := range slices.Sorted(maps.Keys(st.Instances)) {
		m.sample(float64(st.Instances[status]), "status", status)
	}
	m.single("applications", "gauge", "Applications that have instances.", float64(st.Applications))
	m.single("overrides", "gauge", "Statuses that operators have set.", float64(st.Overrides))
	m.single("waiting_requests", "gauge", "Requests that wait for a change.", float64(st.Waiting))

	p := st.Preservation
	m.single("heartbeats_expected_per_minute", "gauge", "Heartbeats that instances have promised.", p.Expected)
	m.single("heartbeats_received_per_minute", "gauge", "Heartbeats that still come.", p.Received)
	m.single("heartbeats_threshold_per_minute", "gauge", "Heartbeats below which leases are protected.", p.Threshold)
	m.single("protection_active", "gauge", "1 while leases are protected from ending.", truth(p.Active))
	m.single("protection_changed_timestamp_seconds", "gauge", "When the protection last began or ended.", seconds(p.Since))
	m.single("leases_held", "gauge", "Leases that have run out and have not ended.", float64(p.Held))

	m.single("start_timestamp_seconds", "gauge", "When the server started.", seconds(st.Started))
	m.single("changes_total", "counter", "Changes of the registry.", float64(st.Changes))
	m.single("registrations_total", "counter", "Instances that were not there and registered.", float64(st.Totals.Registrations))
	m.single("heartbeats_total", "counter", "Heartbeats that renewed a lease.", float64(st.Totals.Heartbeats))
	m.single("cancellations_total", "counter", "Instances that were canceled.", float64(st.Totals.Cancellations))
	m.single("evictions_total", "counter", "Leases that have ended.", float64(st.Totals.Evictions))

	m.single("snapshot_restored_instances", "gauge", "Instances that the snapshot held at the start.", float64(st.Snapshot.Restored))
	m.single("snapshot_saved_timestamp_seconds", "gauge", "When the snapshot was last written.", seconds(st.Snapshot.Saved))
	m.single("snapshot_failing", "gauge", "1 while the snapshot cannot be written.", truth(st.Snapshot.Err != ""))

	m.peers(st.Peers)

	m.family("requests_total", "counter", "Answers by method, resource and status.")
	for _, c := range st.Requests {
		code := "other"
		if c.Status != 0 {
			code = strconv.Itoa(c.Status)
		}
		m.sample(float64(c.Count), "method", c.Method, "resource", c.Resource, "code", code)
	}
	return m.b.Bytes()
}

// peers writes how the peers are, if there are any, each under its URL, which
// is without credentials. Of several with the same one the worst counts, as a
// sample may not be there twice.
func (m *metricWriter) peers(all []PeerStatus) {
	var urls []string
	worst := make(map[string]PeerStatus)
	for _, p := range all {
		u := strings.ToValidUTF8(p.URL, "\uFFFD")
		w, ok := worst[u]
		if !ok {
			urls, w = append(urls, u), p
		}
		w.Reachable = w.Reachable && p.Reachable
		w.Queue, w.Lag = max(w.Queue, p.Queue), max(w.Lag, p.Lag)
		worst[u] = w
	}
	if len(urls) == 0 {
		return
	}
	slices.Sort(urls)
	for _, f := range []struct {
		name, help string
		value      func(PeerStatus) float64
	}{
		{"peer_reachable", "1 if the last exchange with the peer succeeded.", func(p PeerStatus) float64 { return truth(p.Reachable) }},
		{"peer_queue", "Instances whose news the peer has not been told.", func(p PeerStatus) float64 { return float64(p.Queue) }},
		{"peer_lag_seconds", "How long the oldest of these news wait.", func(p PeerStatus) float64 { return p.Lag.Seconds() }},
	} {
		m.family(f.name, "gauge", f.help)
		for _, u := range urls {
			m.sample(f.value(worst[u]), "url", u)
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// A metricWriter writes Prometheus's text format.
type metricWriter struct {
	b    bytes.Buffer
	name string
}

func (m *metricWriter) family(name, kind, help string) {
	m.name = "eurekaserver_" + name
	fmt.Fprintf(&m.b, "# HELP %s %s\n# TYPE %s %s\n", m.name, help, m.name, kind)
}

func (m *metricWriter) single(name, kind, help string, value float64) {
	m.family(name, kind, help)
	m.sample(value)
}

// sample writes a value of the family, with names and values of labels.
func (m *metricWriter) sample(value float64, labels ...string) {
	m.b.WriteString(m.name)
	for i := 0; i+1 < len(labels); i += 2 {
		m.b.WriteString([]string{"{", ","}[min(i, 1)])
		m.b.WriteString(labels[i] + `="` + labelEscapes.Replace(labels[i+1]) + `"`)
	}
	if len(labels) > 0 {
		m.b.WriteByte('}')
	}
	m.b.WriteString(" " + strconv.FormatFloat(value, 'f', -1, 64) + "\n")
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
