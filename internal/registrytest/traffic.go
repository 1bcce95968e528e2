package registrytest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/transport"
)

// traffic is callers that call a service by name, all the time.
type traffic struct {
	t       testing.TB
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex // guards the rest
	calls  int
	failed int
	first  error
	copies map[string]time.Time // when each answered last
	errors int                  // of the registry
	latest error
}

const (
	callers  = 4
	interval = 5 * time.Millisecond
)

// call begins to call a service, until the end of the test or stop.
func (s *Subject) call(t testing.TB, service string) *traffic {
	t.Helper()
	options := []transport.Option{
		transport.WithLogger(slog.New(slog.DiscardHandler)),
		transport.WithPolicy(balancer.RoundRobin),
	}
	tr := &traffic{t: t, copies: make(map[string]time.Time)}
	options = append(options, transport.WithHooks(transport.Hooks{RegistryError: func(e transport.RegistryEvent) {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.errors++
		tr.latest = e.Err
	}}))
	if s.Dial != nil {
		options = append(options, transport.WithDialContext(s.Dial))
	}
	rt := transport.New(s.Watcher, options...)
	client := &http.Client{Transport: rt, Timeout: 10 * time.Second}
	ctx, cancel := context.WithCancel(context.Background())
	tr.cancel = cancel
	for range callers {
		tr.running.Go(func() {
			for ctx.Err() == nil {
				tr.once(client, service)
				time.Sleep(interval)
			}
		})
	}
	t.Cleanup(func() {
		tr.stop()
		rt.Close()
	})
	return tr
}

func (tr *traffic) once(client *http.Client, service string) {
	resp, err := client.Get("http://" + service + "/")
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.calls++
	if err != nil {
		tr.failed++
		if tr.first == nil {
			tr.first = err
		}
		return
	}
	tr.copies[resp.Header.Get("Copy")] = time.Now()
}

func (tr *traffic) stop() {
	tr.cancel()
	tr.running.Wait()
}

// reaches waits until calls that are made from now on reach just these copies.
func (tr *traffic) reaches(patience time.Duration, replicas ...*replica) {
	tr.t.Helper()
	begin := time.Now()
	var missing string
	for time.Since(begin) < patience {
		since := time.Now()
		time.Sleep(50 * interval)
		missing = ""
		tr.mu.Lock()
		for _, r := range replicas {
			if !tr.copies[r.instance.ID].After(since) {
				missing = r.instance.ID
			}
		}
		reached := 0
		for _, last := range tr.copies {
			if last.After(since) {
				reached++
			}
		}
		tr.mu.Unlock()
		if missing == "" && reached == len(replicas) {
			return
		}
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.t.Fatalf("after %v calls do not reach the %d copies that are listed (missing: %q); the registry's last error: %v", patience, len(replicas), missing, tr.latest)
}

// forget forgets the registry's errors of before a fault.
func (tr *traffic) forget() {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.errors, tr.latest = 0, nil
}

// complaint waits until the registry is known to fail, since forget.
func (tr *traffic) complaint(patience time.Duration) error {
	tr.t.Helper()
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(interval) {
		tr.mu.Lock()
		n, latest := tr.errors, tr.latest
		tr.mu.Unlock()
		if n > 0 {
			return latest
		}
	}
	tr.t.Fatalf("after %v nobody has noticed that the registry fails", patience)
	return nil
}

// noneFailed ends the traffic, and fails the test if any call has failed.
func (tr *traffic) noneFailed() {
	tr.t.Helper()
	tr.stop()
	if tr.failed > 0 {
		tr.t.Errorf("%d of %d calls failed, the first with: %v", tr.failed, tr.calls, tr.first)
	}
	tr.t.Logf("%d calls, %d failed", tr.calls, tr.failed)
}
