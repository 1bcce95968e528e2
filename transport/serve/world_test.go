package serve_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/internal/memnet"
	"github.com/namesake-go/namesake/transport/serve"
)

const (
	service = "orders"
	addr    = "orders-1:80"
)

// A world is a copy that runs in a bubble, and what callers see of it.
type world struct {
	network  memnet.Network
	memory   discovery.Memory
	listener net.Listener
	client   *http.Client
	start    time.Time
	stop     context.CancelFunc
	result   chan error
	ended    time.Duration // after the start; valid when there is a result
}

// begin runs a copy with a config that lacks nothing but the listener.
func begin(t *testing.T, registrar func(*discovery.Memory) discovery.Registrar, handler http.Handler, cfg serve.Config) *world {
	t.Helper()
	w := &world{start: time.Now(), result: make(chan error, 1)}
	var err error
	w.listener, err = w.network.Listen(addr)
	require.NoError(t, err)
	if cfg.Listener == nil {
		cfg.Listener = w.listener
	}
	pool := &http.Transport{DialContext: w.network.DialContext}
	t.Cleanup(pool.CloseIdleConnections)
	w.client = &http.Client{Transport: pool}
	var target discovery.Registrar = &w.memory
	if registrar != nil {
		target = registrar(&w.memory)
	}
	ctx, stop := context.WithCancel(t.Context())
	w.stop = stop
	go func() { // ends with the copy, which each test awaits
		err := serve.Run(ctx, target, service, handler, cfg)
		w.ended = time.Since(w.start)
		w.result <- err
	}()
	synctest.Wait()
	return w
}

// at waits until so long after the start.
func (w *world) at(d time.Duration) {
	time.Sleep(d - time.Since(w.start))
	synctest.Wait()
}

// copies returns what the registry lists now.
func (w *world) copies(t *testing.T) []discovery.Instance {
	t.Helper()
	for set, err := range w.memory.Watch(t.Context(), service) {
		require.NoError(t, err)
		return set
	}
	return nil
}

func (w *world) get(t *testing.T, path string) (status int, closes bool, err error) {
	t.Helper()
	resp, err := w.client.Get("http://" + addr + path)
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Close, err
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello\n") })

// slowly answers after the time that the path names.
var slowly = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
	_, _ = io.WriteString(w, "done\n")
})

// A hooked registrar has a say before the registry.
type hooked struct {
	discovery.Registrar
	register func(ctx context.Context) error
	withdraw func(ctx context.Context) error
}

func (h hooked) Register(ctx context.Context, service string, in discovery.Instance) (discovery.Registration, error) {
	if h.register != nil {
		if err := h.register(ctx); err != nil {
			return nil, err
		}
	}
	registration, err := h.Registrar.Register(ctx, service, in)
	return hookedRegistration{registration, h}, err
}

type hookedRegistration struct {
	discovery.Registration
	hooks hooked
}

func (h hookedRegistration) Close(ctx context.Context) error {
	if h.hooks.withdraw != nil {
		if err := h.hooks.withdraw(ctx); err != nil {
			return err
		}
	}
	return h.Registration.Close(ctx)
}
