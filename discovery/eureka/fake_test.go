package eureka_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
	"github.com/namesake-go/namesake/internal/memnet"
)

// A rig is a network with servers and clients, inside a bubble.
type rig struct {
	t     *testing.T
	net   memnet.Network
	begin time.Time
	log   lockedBuffer
}

// inBubble runs a test in a bubble. Whatever it starts must have ended when
// it does.
func inBubble(t *testing.T, test func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		test(t, &rig{t: t, begin: time.Now()})
	})
}

func (r *rig) since() time.Duration { return time.Since(r.begin) }

// transport returns a transport over the network.
func (r *rig) transport() *http.Transport {
	tr := &http.Transport{DialContext: r.net.DialContext}
	r.t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// client returns a client over the network, which logs to r.log and uses
// servers in the order written.
func (r *rig) client(urls string, opts ...eureka.Option) *eureka.Client {
	tr := r.transport()
	logger := slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := eureka.New(urls, append([]eureka.Option{
		eureka.WithHTTPClient(&http.Client{Transport: tr}),
		eureka.WithLogger(logger),
		eureka.WithServersInOrder(), // tests say otherwise where it matters
	}, opts...)...)
	r.t.Cleanup(func() {
		c.Close()
		tr.CloseIdleConnections()
	})
	return c
}

// serve runs a server at addr, such as "a:80", until the returned function is
// called or the test ends.
func (r *rig) serve(addr string, h http.Handler) (stop func()) {
	r.t.Helper()
	l, err := r.net.Listen(addr)
	require.NoError(r.t, err)
	s := &http.Server{Handler: h}
	go func() { _ = s.Serve(l) }() // until stop
	stop = sync.OnceFunc(func() { _ = s.Close() })
	r.t.Cleanup(stop)
	return stop
}

// A fake is a Eureka server that records requests and answers them by a
// script.
type fake struct {
	rig *rig

	mu       sync.Mutex
	script   func(w http.ResponseWriter, r *http.Request)
	requests []seen
}

type seen struct {
	line   string // method, path and query
	at     time.Duration
	header http.Header
	body   string
}

// fake runs a fake server at addr. Without a script it answers 503.
func (r *rig) fake(addr string) *fake {
	f := &fake{rig: r}
	f.answer(status(http.StatusServiceUnavailable))
	r.serve(addr, f)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	_, _ = body.ReadFrom(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body.Bytes())) // for a script that reads it
	f.mu.Lock()
	f.requests = append(f.requests, seen{
		line: r.Method + " " + r.URL.RequestURI(), at: f.rig.since(), header: r.Header.Clone(), body: body.String(),
	})
	script := f.script
	f.mu.Unlock()
	script(w, r)
}

// answer sets the script.
func (f *fake) answer(script http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.script = script
}

// all returns the requests so far, and forgets them.
func (f *fake) all() []seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	requests := f.requests
	f.requests = nil
	return requests
}

// lines returns the requests so far without their queries, and forgets them.
func (f *fake) lines() []string {
	lines := []string{}
	for _, s := range f.all() {
		line, _, _ := strings.Cut(s.line, "?")
		lines = append(lines, line)
	}
	return lines
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// hang never answers.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// listing answers as a server without extensions that lists these instances,
// and whose delta holds changes. Registrations and heartbeats succeed.
func listing(instances []wire.Instance, changes ...wire.Instance) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			w.WriteHeader(http.StatusNoContent)
		case r.Method != http.MethodGet:
		case strings.HasSuffix(r.URL.Path, "/delta"):
			writeApps(w, changes, wire.HashOf(grouped(instances)))
		default:
			writeApps(w, instances, wire.HashOf(grouped(instances)))
		}
	}
}

func writeApps(w http.ResponseWriter, instances []wire.Instance, hash string) {
	body, err := wire.MarshalApplications(wire.Applications{Version: "1", Hash: hash, Applications: grouped(instances)}, wire.JSON)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

func grouped(instances []wire.Instance) []wire.Application {
	var apps []wire.Application
	for _, in := range instances {
		i := slices.IndexFunc(apps, func(a wire.Application) bool { return a.Name == in.App })
		if i < 0 {
			i = len(apps)
			apps = append(apps, wire.Application{Name: in.App})
		}
		apps[i].Instances = append(apps[i].Instances, in)
	}
	return apps
}

// up returns the copy n of an application, which has been added.
func up(app string, n int) wire.Instance {
	return wire.Instance{
		InstanceID: fmt.Sprintf("%s-%d", strings.ToLower(app), n),
		HostName:   fmt.Sprintf("host%d", n),
		IPAddr:     fmt.Sprintf("192.0.2.%d", n),
		App:        app, Status: wire.Up, OverriddenStatus: wire.Unknown,
		Port:       wire.Port{Number: 8080, Enabled: true},
		SecurePort: wire.Port{Number: 443},
		DataCenter: wire.DataCenter{Name: wire.MyOwn},
		VIPAddress: strings.ToLower(app),
		Action:     wire.Added,
	}
}

func with(in wire.Instance, change func(*wire.Instance)) wire.Instance {
	change(&in)
	return in
}

// A stream is what a watch has yielded so far.
type stream struct {
	stop func()

	mu   sync.Mutex
	sets []string // "id addr, id addr"
	errs []error
	at   time.Duration // of the last set
	now  string        // the last set
}

// follow watches a service until the test ends.
func (r *rig) follow(c discovery.Watcher, service string) *stream {
	ctx, cancel := context.WithCancel(context.Background())
	s := new(stream)
	var done sync.WaitGroup
	done.Go(func() {
		for set, err := range c.Watch(ctx, service) {
			s.mu.Lock()
			if err != nil {
				s.errs = append(s.errs, err)
			} else {
				s.sets, s.at, s.now = append(s.sets, brief(set)), r.since(), brief(set)
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
		parts = append(parts, in.ID+" "+in.Addr)
	}
	return strings.Join(parts, ", ")
}

// news returns the sets since the last call.
func (s *stream) news() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	sets := s.sets
	s.sets = nil
	return sets
}

// errors returns the errors since the last call.
func (s *stream) errors() []error {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	errs := s.errs
	s.errs = nil
	return errs
}

// last returns the last set.
func (s *stream) last() string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// when returns when the last set came.
func (s *stream) when() time.Duration {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
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

// within returns a context that lasts that long.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
