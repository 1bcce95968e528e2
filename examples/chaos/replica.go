package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka"
)

const (
	workTime = 20 * time.Millisecond // what a call takes a copy, more or less
	// Short, so that a registry that fails misses some; 30 s and 90 s are the
	// protocol's usual values.
	heartbeat = time.Second
	lease     = 3 * time.Second
)

// A replica is one copy of the service: a server that announces itself, and
// that can be made to fail.
type replica struct {
	id           string
	addr         string
	work         http.Handler
	fault        atomic.Pointer[http.HandlerFunc] // answers in place of work, if there is one
	inFlight     atomic.Int64
	falls        atomic.Int64 // how often it began to fail
	hit          atomic.Int64 // calls that were in flight when it did
	server       *http.Server
	client       *eureka.Client
	registration discovery.Registration
}

func startReplica(ctx context.Context, id, registry string, work http.Handler) (*replica, error) {
	r := &replica{id: id, addr: "127.0.0.1:0", work: work}
	if err := r.listen(); err != nil {
		return nil, err
	}
	r.client = eureka.New(registry, eureka.WithLease(heartbeat, lease), eureka.WithLogger(slog.New(slog.DiscardHandler)))
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var err error
	if r.registration, err = r.client.Register(ctx, service, discovery.Instance{ID: id, Addr: r.addr}); err != nil {
		r.hangUp()
		r.client.Close()
		return nil, fmt.Errorf("chaos: %w", err)
	}
	return r, nil
}

func (r *replica) listen() error {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", r.addr)
	if err != nil {
		return fmt.Errorf("chaos: %s: %w", r.id, err)
	}
	r.addr = listener.Addr().String()
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	go func(server *http.Server) { _ = server.Serve(listener) }(r.server) // ends with hangUp
	return nil
}

func (r *replica) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.inFlight.Add(1)
	defer r.inFlight.Add(-1)
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, req.Body, 1<<10)); err != nil {
		return // the caller has gone
	}
	if f := r.fault.Load(); f != nil {
		(*f)(w, req)
		return
	}
	r.work.ServeHTTP(w, req)
}

// hangUp breaks all connections and refuses new ones, until it listens again.
func (r *replica) hangUp() { _ = r.server.Close() }

// refuse is what a copy does that has crashed, until ctx is done.
func (r *replica) refuse(ctx context.Context) error {
	r.falling()
	r.hangUp()
	<-ctx.Done()
	return r.listen()
}

func (r *replica) falling() {
	r.falls.Add(1)
	r.hit.Add(r.inFlight.Load())
}

// fail has f answer until ctx is done.
func (r *replica) fail(ctx context.Context, f http.HandlerFunc) {
	r.falling()
	r.fault.Store(&f)
	defer r.fault.Store(nil)
	<-ctx.Done()
}

func (r *replica) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = r.registration.Close(ctx) // as good as it gets: the world ends
	r.client.Close()
	r.hangUp()
}

// work answers after a while that varies.
func work(w http.ResponseWriter, _ *http.Request) {
	time.Sleep(workTime/2 + rand.N(workTime))
	_, _ = io.WriteString(w, "here you are\n")
}

// The faults of a copy.

func slow(times int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Duration(times-1) * workTime)
		work(w, r)
	}
}

// hang says nothing until the caller gives up.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// reset has read the request, and drops the connection.
func reset(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) //nolint:forbidigo // that is how a handler breaks off
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // what is closed now is reset
	}
	_ = conn.Close()
}

func status(code int, header http.Header) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), header)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, ownText)
	}
}

// truncate breaks off in the middle of the body.
func truncate(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, "here you")
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler) //nolint:forbidigo // that is how a handler breaks off
}

// ownText is in the body of all answers that say that a copy has failed.
const ownText = "this copy has failed\n"
