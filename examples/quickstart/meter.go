package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/namesake-go/namesake/transport"
)

// A meter makes calls and counts them.
type meter struct {
	mu        sync.Mutex
	latencies []time.Duration // since the last line
	shares    map[string]int  // likewise
	failures  int             // likewise
	calls     int             // in all
	failed    int             // in all
	first     error
	start     time.Time
}

func newMeter() *meter { return &meter{shares: make(map[string]int), start: time.Now()} }

// hooks tell which copy answered.
func (m *meter) hooks() transport.Hooks {
	return transport.Hooks{Call: func(e transport.CallEvent) {
		if e.Endpoint == nil {
			return
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.shares[e.Endpoint.Key()]++
	}}
}

// call calls the service once, by its name.
func (m *meter) call(client *http.Client) {
	start := time.Now()
	err := get(client, "http://"+service+"/v1/orders/42")
	latency := time.Since(start)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	m.latencies = append(m.latencies, latency)
	if err != nil {
		m.failures++
		m.failed++
		if m.first == nil {
			m.first = err
		}
	}
}

func get(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return nil
}

// line says what happened since it was called last.
func (m *meter) line(interval time.Duration) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%4d calls %4.0f/s  p50 %6s  p99 %6s  failed %d ",
		len(m.latencies), float64(len(m.latencies))/interval.Seconds(),
		m.quantile(0.5), m.quantile(0.99), m.failures)
	sum := 0
	for _, n := range m.shares {
		sum += n
	}
	names := make([]string, 0, len(m.shares))
	for name := range m.shares {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "  %s %3.0f%%", name, 100*float64(m.shares[name])/float64(max(1, sum)))
		if m.shares[name] == 0 {
			delete(m.shares, name) // said once that it gets nothing
		} else {
			m.shares[name] = 0
		}
	}
	m.latencies, m.failures = m.latencies[:0], 0
	return b.String()
}

func (m *meter) quantile(q float64) string {
	if len(m.latencies) == 0 {
		return "-"
	}
	slices.Sort(m.latencies)
	d := m.latencies[min(len(m.latencies)-1, int(q*float64(len(m.latencies))))]
	return fmt.Sprintf("%.1fms", d.Seconds()*1000)
}

// total returns what there was in all, and why the first call failed that did.
func (m *meter) total() (calls, failed int, first error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls, m.failed, m.first
}

// newLog returns a writer that puts the time since the start before each line
// and can be used by several goroutines.
func newLog(w io.Writer) io.Writer { return &stamped{w: w, start: time.Now()} }

type stamped struct {
	mu    sync.Mutex
	w     io.Writer
	start time.Time
}

func (s *stamped) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := fmt.Fprintf(s.w, "%5.1fs  %s", time.Since(s.start).Seconds(), line); err != nil {
		return 0, err
	}
	return len(line), nil
}
