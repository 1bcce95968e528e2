package dns_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/dns"
)

// A rig is a network with one server at 10.0.0.53, inside a bubble.
type rig struct {
	t *testing.T
	network
	*server
}

func inBubble(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, server: newServer(t)}
		r.add("10.0.0.53:53", r.server)
		test(t, r)
	})
}

// options are those of a client in the rig, before others.
func (r *rig) options(opts []dns.Option) []dns.Option {
	return append([]dns.Option{dns.WithServers("10.0.0.53"), dns.WithDial(r.dial)}, opts...)
}

func (r *rig) host(pattern string, opts ...dns.Option) *dns.Client {
	return dns.NewHost(pattern, 80, r.options(opts)...)
}

func (r *rig) srv(pattern string, opts ...dns.Option) *dns.Client {
	return dns.NewSRV(pattern, r.options(opts)...)
}

// A stream is what one watch has yielded.
type stream struct {
	t    *testing.T
	stop func() // ends the watch and waits for it

	mu    sync.Mutex
	lines []string
	last  []discovery.Instance
	errs  []error
}

// follow watches a service until stop is called or the test ends.
func follow(t *testing.T, w discovery.Watcher, service string) *stream {
	s := &stream{t: t}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for set, err := range w.Watch(ctx, service) {
			s.mu.Lock()
			s.lines = append(s.lines, line(set, err))
			if err == nil {
				s.last = set
			} else {
				s.errs = append(s.errs, err)
			}
			s.mu.Unlock()
		}
	})
	s.stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(s.stop)
	return s
}

// line is a piece of news in one line: addresses, with priority and weight
// where they are not zero.
func line(set []discovery.Instance, err error) string {
	if err != nil {
		return "error: " + strings.ReplaceAll(err.Error(), "\n", " | ")
	}
	var parts []string
	for _, in := range set {
		part := in.Addr
		if in.Priority != 0 || in.Weight != 0 {
			part += fmt.Sprintf("(%d,%d)", in.Priority, in.Weight)
		}
		parts = append(parts, part)
	}
	return "[" + strings.Join(parts, " ") + "]"
}

// heard returns what was yielded since it was called last, once all is quiet.
func (s *stream) heard() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.lines
	s.lines = nil
	return lines
}

func (s *stream) says(want ...string) {
	s.t.Helper()
	assert.Equal(s.t, want, s.heard())
}

func wait(d time.Duration) { time.Sleep(d) } // in bubbles only
