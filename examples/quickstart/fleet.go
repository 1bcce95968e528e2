package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka"
)

const (
	workTime = 4 * time.Millisecond // what a call takes a copy, more or less
	// Short, so that there is something to see in 20 seconds; 30 s and 90 s
	// are the protocol's usual values.
	heartbeat = time.Second
	lease     = 3 * time.Second
	// noticeTime is how long a copy that has withdrawn itself goes on
	// answering, until its callers have learnt of it.
	noticeTime = 300 * time.Millisecond
)

// A fleet is the copies of the service.
type fleet struct {
	url string

	mu     sync.Mutex
	count  int
	copies map[string]*replica
}

// A replica is one copy: a server that announces itself.
type replica struct {
	server       *http.Server
	client       *eureka.Client
	registration discovery.Registration
	slowdown     atomic.Int64
}

// add starts one more copy: it listens first, and registers when it can
// answer.
func (f *fleet) add(ctx context.Context) (*replica, error) {
	f.mu.Lock()
	f.count++
	id := fmt.Sprintf("%s-%d", service, f.count)
	f.mu.Unlock()

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("quickstart: %s: %w", id, err)
	}
	r := &replica{client: eureka.New(f.url, eureka.WithLease(heartbeat, lease), eureka.WithLogger(slog.New(slog.DiscardHandler)))}
	r.slowdown.Store(1)
	r.server = &http.Server{Handler: http.HandlerFunc(r.answer), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = r.server.Serve(listener) }() // ends with retire or crash

	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r.registration, err = r.client.Register(ctx, service, discovery.Instance{ID: id, Addr: listener.Addr().String()})
	if err != nil {
		r.crash()
		return nil, fmt.Errorf("quickstart: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.copies == nil {
		f.copies = make(map[string]*replica)
	}
	f.copies[id] = r
	return r, nil
}

// answer works for a while.
func (r *replica) answer(w http.ResponseWriter, _ *http.Request) {
	work := workTime/2 + rand.N(workTime)
	time.Sleep(work * time.Duration(r.slowdown.Load()))
	_, _ = io.WriteString(w, "here you are\n")
}

// slow makes a copy slower by a factor.
func (f *fleet) slow(id string, factor int64) { f.get(id).slowdown.Store(factor) }

// retire stops a copy so that no call notices: it withdraws itself, goes on
// answering until everybody knows, and finishes what it has begun.
func (f *fleet) retire(id string) error {
	r := f.get(id)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := r.registration.Close(ctx); err != nil {
		return err
	}
	r.client.Close()
	time.Sleep(noticeTime)
	return r.server.Shutdown(ctx)
}

// crash ends a copy with all its connections. It cannot withdraw itself.
func (f *fleet) crash(id string) { f.get(id).crash() }

func (r *replica) crash() {
	_ = r.server.Close()
	r.client.Close() // no more heartbeats
}

func (f *fleet) get(id string) *replica {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.copies[id]
}

// stop ends what is left.
func (f *fleet) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.copies {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_ = r.registration.Close(ctx) // as good as it gets: the program ends
		cancel()
		r.crash()
	}
}
