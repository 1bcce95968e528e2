package kubernetes_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/kubernetes"
	"github.com/namesake-go/namesake/internal/memnet"
)

// A rig is a network with an API server and clients, inside a bubble.
type rig struct {
	t     *testing.T
	net   memnet.Network
	api   *apiServer
	begin time.Time
	log   lockedBuffer
	stop  func() // what inBubble serves
}

// inBubble runs a test in a bubble, with an API server at api:80. Whatever it
// starts must have ended when it does.
func inBubble(t *testing.T, test func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.stop = r.serve()
		test(t, r)
	})
}

func newRig(t *testing.T) *rig { return &rig{t: t, api: newAPIServer(), begin: time.Now()} }

func (r *rig) since() time.Duration { return time.Since(r.begin) }

// serve runs the API server until the returned function is called or the test
// ends. Its end breaks all connections.
func (r *rig) serve() (stop func()) {
	r.t.Helper()
	l, err := r.net.Listen("api:80")
	require.NoError(r.t, err)
	s := &http.Server{Handler: r.api}
	go func() { _ = s.Serve(l) }() // until stop
	stop = sync.OnceFunc(func() { _ = s.Close() })
	r.t.Cleanup(stop)
	return stop
}

// client returns a client of the API server, which logs to r.log.
func (r *rig) client(opts ...kubernetes.Option) *kubernetes.Client {
	tr := &http.Transport{DialContext: r.net.DialContext}
	c := kubernetes.New(append([]kubernetes.Option{
		kubernetes.WithCluster(kubernetes.Cluster{Server: "http://api", Namespace: "shop"}),
		kubernetes.WithHTTPClient(&http.Client{Transport: tr}),
		kubernetes.WithLogger(slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
	}, opts...)...)
	r.t.Cleanup(func() {
		c.Close()
		tr.CloseIdleConnections()
	})
	return c
}

// A follower is what a watch has yielded so far.
type follower struct {
	stop func()

	mu   sync.Mutex
	sets []string // "id addr, id addr"
	full []discovery.Instance
	errs []error
	at   time.Duration // of the last set
}

// follow watches a service until the test ends.
func (r *rig) follow(c *kubernetes.Client, service string) *follower {
	ctx, cancel := context.WithCancel(context.Background())
	s := new(follower)
	var done sync.WaitGroup
	done.Go(func() {
		for set, err := range c.Watch(ctx, service) {
			s.mu.Lock()
			if err != nil {
				s.errs = append(s.errs, err)
			} else {
				s.sets, s.full, s.at = append(s.sets, brief(set)), set, r.since()
			}
			s.mu.Unlock()
		}
	})
	s.stop = sync.OnceFunc(func() {
		cancel()
		done.Wait()
	})
	r.t.Cleanup(s.stop)
	synctest.Wait()
	return s
}

func brief(set []discovery.Instance) string {
	parts := []string{}
	for _, in := range set {
		parts = append(parts, strings.TrimSpace(in.ID+" "+in.Addr))
	}
	return strings.Join(parts, ", ")
}

// news returns the sets since the last call.
func (s *follower) news() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	sets := s.sets
	s.sets = nil
	return sets
}

// errors returns the errors since the last call.
func (s *follower) errors() []error {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	errs := s.errs
	s.errs = nil
	return errs
}

// set returns the last set.
func (s *follower) set() []discovery.Instance {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full
}

// wait lets d pass, and all that happens then.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
