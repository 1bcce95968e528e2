package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A meter makes calls and counts them, by what happens at their end: copies
// are replaced, or one has crashed.
type meter struct {
	processed func(text string) int64

	mu       sync.Mutex // guards the rest
	calls    int
	crashed  bool
	counters [2]map[string]*counter // before and after the crash, by method
	first    error                  // why the first call was lost that must not be
}

type counter struct{ calls, lost, twice int }

func newMeter(processed func(text string) int64) *meter {
	m := &meter{processed: processed}
	for i := range m.counters {
		m.counters[i] = map[string]*counter{http.MethodGet: {}, http.MethodPost: {}}
	}
	return m
}

// crash says that from now on calls that cannot be repeated may be lost.
func (m *meter) crash() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.crashed = true
}

// call calls the service once, by its name: now with a GET, then with a POST.
func (m *meter) call(client *http.Client) {
	m.mu.Lock()
	m.calls++
	text, method := fmt.Sprintf("order %d", m.calls), http.MethodGet
	if m.calls%2 == 0 {
		method = http.MethodPost
	}
	m.mu.Unlock()

	err := call(client, method, text)
	times := m.processed(text)
	if err == nil && method == http.MethodPost && times == 0 {
		err = errors.New("POST: answered, and not processed")
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	phase := 0
	if m.crashed {
		phase = 1
	}
	c := m.counters[phase][method]
	c.calls++
	if times > 1 {
		c.twice++
	}
	if err != nil {
		c.lost++
		if m.first == nil && (!m.crashed || method == http.MethodGet) {
			m.first = err
		}
	}
}

// call sends the text in a body that can be read once, so that neither
// net/http nor the transport could send it again without keeping it.
func call(client *http.Client, method, text string) error {
	var body io.Reader
	if method == http.MethodPost {
		body = io.MultiReader(strings.NewReader(text))
	}
	req, err := http.NewRequest(method, "http://"+service+"/v1/orders", body)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", method, resp.Status)
	}
	return nil
}

// line says what happened so far.
func (m *meter) line() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	lost := 0
	for _, counters := range m.counters {
		for _, c := range counters {
			lost += c.lost
		}
	}
	return fmt.Sprintf("%5d calls, %d lost", m.calls, lost)
}

func (m *meter) summary() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	for phase, name := range []string{"while copies were replaced", "from the crash on"} {
		get, post := m.counters[phase][http.MethodGet], m.counters[phase][http.MethodPost]
		fmt.Fprintf(&b, "%s: %d GETs, %d lost; %d POSTs, %d lost, %d processed twice\n", name, get.calls, get.lost, post.calls, post.lost, post.twice)
	}
	return b.String()
}

// verdict returns an error if there was a loss that must not be.
func (m *meter) verdict() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	rolling, crash := m.counters[0], m.counters[1]
	if rolling[http.MethodGet].calls == 0 || crash[http.MethodGet].calls == 0 {
		return errors.New("rollingdeploy: the time was too short for all that is to happen")
	}
	lost := rolling[http.MethodGet].lost + rolling[http.MethodPost].lost + crash[http.MethodGet].lost
	twice := rolling[http.MethodPost].twice + crash[http.MethodPost].twice
	switch {
	case lost > 0:
		return fmt.Errorf("rollingdeploy: %d calls lost that must not be, the first with: %w", lost, m.first)
	case twice > 0:
		return fmt.Errorf("rollingdeploy: %d POSTs processed twice", twice)
	default:
		return nil
	}
}

// newLog returns a writer that puts the time since the start before each line
// and can be used by several goroutines.
func newLog(w io.Writer) io.Writer { return &stamped{w: w, start: time.Now()} }

type stamped struct {
	mu    sync.Mutex
	w     io.Writer
	start time.Time
}

func (s *stamped) Write(lines []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.Lines(string(lines)) {
		if _, err := fmt.Fprintf(s.w, "%5.1fs  %s", time.Since(s.start).Seconds(), line); err != nil {
			return 0, err
		}
	}
	return len(lines), nil
}
