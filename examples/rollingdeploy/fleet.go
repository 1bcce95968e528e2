package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/transport/serve"
)

const (
	workTime = 4 * time.Millisecond // what a call takes a copy, more or less
	// Short, so that there is something to see; 30 s and 90 s are the
	// protocol's usual values.
	heartbeat = time.Second
	lease     = 3 * time.Second
	// The registry tells callers within a tenth of a second.
	lameDuck = 300 * time.Millisecond
	drain    = 300 * time.Millisecond
)

// A fleet is the copies of the service, oldest first.
type fleet struct {
	url   string
	posts sync.Map // by the text of a POST: how often it was processed, an *atomic.Int64

	mu       sync.Mutex // guards the rest
	count    int
	running  []*replica
	retiring []*replica
	crashed  []*replica
}

// A replica is one copy. In a program of its own, it would be the main
// function.
type replica struct {
	id       string
	registry *registrar
	server   *http.Server
	stop     context.CancelFunc
	result   chan error // of serve.Run
}

// add starts one more copy, and returns when it is ready.
func (f *fleet) add(ctx context.Context) (*replica, error) {
	f.mu.Lock()
	f.count++
	r := &replica{id: fmt.Sprintf("%s-%d", service, f.count), server: new(http.Server), result: make(chan error, 1)}
	f.mu.Unlock()

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("rollingdeploy: %s: %w", r.id, err)
	}
	var health serve.Health
	mux := http.NewServeMux()
	mux.Handle("GET /readyz", health.Ready())
	mux.HandleFunc("/v1/orders", f.answer)

	r.registry = &registrar{Client: eureka.New(f.url, eureka.WithLease(heartbeat, lease))}
	var running context.Context
	running, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	go func() { // awaited by end
		defer r.registry.Close()
		r.result <- serve.Run(running, r.registry, service, mux, serve.Config{
			Listener: listener,
			Instance: discovery.Instance{ID: r.id},
			Server:   r.server,
			Health:   &health,
			LameDuck: lameDuck,
			Drain:    drain,
		})
	}()
	if err := awaitReady(ctx, "http://"+listener.Addr().String()+"/readyz"); err != nil {
		r.stop()
		return nil, errors.Join(fmt.Errorf("rollingdeploy: %s: %w", r.id, err), <-r.result)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = append(f.running, r)
	return r, nil
}

// awaitReady asks as a supervisor would.
func awaitReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		if !wait(ctx, 10*time.Millisecond) {
			return errors.New("it does not get ready")
		}
	}
}

// answer works for a while. A POST is something done, not to be done twice.
func (f *fleet) answer(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<10))
	if err != nil {
		return // the caller has gone
	}
	time.Sleep(workTime/2 + rand.N(workTime))
	if r.Method == http.MethodPost {
		count, _ := f.posts.LoadOrStore(string(text), new(atomic.Int64))
		count.(*atomic.Int64).Add(1)
	}
	fmt.Fprintln(w, "here you are")
}

// processed returns how often a POST was.
func (f *fleet) processed(text string) int64 {
	if count, ok := f.posts.Load(text); ok {
		return count.(*atomic.Int64).Load()
	}
	return 0
}

// retireOldest asks the oldest copy to stop, and does not wait for it.
func (f *fleet) retireOldest() (id string) {
	r := f.takeOldest()
	r.stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.retiring = append(f.retiring, r)
	return r.id
}

// awaitRetired waits for all that were asked to stop.
func (f *fleet) awaitRetired() error {
	f.mu.Lock()
	retiring := f.retiring
	f.retiring = nil
	f.mu.Unlock()
	var errs []error
	for _, r := range retiring {
		errs = append(errs, <-r.result)
	}
	return errors.Join(errs...)
}

// crashOldest ends the oldest copy with all its connections.
func (f *fleet) crashOldest() (id string) {
	r := f.takeOldest()
	r.registry.dead.Store(true)
	_ = r.server.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashed = append(f.crashed, r)
	return r.id
}

func (f *fleet) takeOldest() *replica {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.running[0]
	f.running = f.running[1:]
	return r
}

func (f *fleet) names() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := make([]string, len(f.running))
	for i, r := range f.running {
		names[i] = r.id
	}
	return strings.Join(names, " ")
}

// stop ends what is left, in order.
func (f *fleet) stop() error {
	f.mu.Lock()
	left, crashed := len(f.running), f.crashed
	f.mu.Unlock()
	for range left {
		f.retireOldest()
	}
	errs := []error{f.awaitRetired()}
	for _, r := range crashed {
		if err := <-r.result; !errors.Is(err, http.ErrServerClosed) { // as it must be
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// A registrar is a copy's own client of the registry, which falls silent when
// the copy is to look as if it had crashed.
type registrar struct {
	*eureka.Client
	dead atomic.Bool
}

func (r *registrar) Register(ctx context.Context, service string, in discovery.Instance) (discovery.Registration, error) {
	registration, err := r.Client.Register(ctx, service, in)
	if err != nil {
		return nil, err
	}
	return &mortal{registration, r}, nil
}

// A mortal registration is not withdrawn after a crash.
type mortal struct {
	discovery.Registration
	registrar *registrar
}

func (m *mortal) Close(ctx context.Context) error {
	if m.registrar.dead.Load() {
		m.registrar.Client.Close() // no more heartbeats
		return nil
	}
	return m.Registration.Close(ctx)
}
