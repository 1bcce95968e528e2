package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// A registry is an embedded Eureka server on loopback that can be made to fail.
type registry struct {
	addr   string
	eureka *eurekaserver.Server
	fault  atomic.Pointer[http.HandlerFunc] // answers in place of the registry, if there is one
	server *http.Server
}

func startRegistry() (*registry, error) {
	r := &registry{addr: "127.0.0.1:0", eureka: eurekaserver.New()}
	return r, r.listen()
}

func (r *registry) url() string { return "http://" + r.addr + "/eureka" }

func (r *registry) listen() error {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", r.addr)
	if err != nil {
		return fmt.Errorf("chaos: registry: %w", err)
	}
	r.addr = listener.Addr().String()
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	go func(server *http.Server) { _ = server.Serve(listener) }(r.server) // ends with hangUp
	return nil
}

func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if f := r.fault.Load(); f != nil {
		(*f)(w, req)
		return
	}
	r.eureka.ServeHTTP(w, req)
}

// hangUp breaks all connections and accepts no more.
func (r *registry) hangUp() { _ = r.server.Close() }

// fail has f answer until ctx is done. Requests that wait for a change are
// broken off, before and after, so that clients meet it at once.
func (r *registry) fail(ctx context.Context, f http.HandlerFunc) error {
	r.fault.Store(&f)
	defer r.fault.Store(nil)
	r.hangUp()
	if err := r.listen(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// late answers after a while.
func (r *registry) late(by time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		select {
		case <-time.After(by):
			r.eureka.ServeHTTP(w, req)
		case <-req.Context().Done():
		}
	}
}

// garbage is what a proxy in front of a registry may say in its place.
func garbage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"applications": <html>502 Bad Gateway</html>`)
}

// forgetful removes the copies one by one, as an operator would that takes one
// service for another, and accepts none until ctx is done.
func (r *registry) forgetful(ctx context.Context, ids []string) error {
	f := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPost || req.Method == http.MethodPut {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		r.eureka.ServeHTTP(w, req)
	})
	r.fault.Store(&f)
	defer r.fault.Store(nil)
	for _, id := range ids {
		if err := r.remove(ctx, id); err != nil && ctx.Err() == nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

func (r *registry) remove(ctx context.Context, id string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, r.url()+"/apps/"+service+"/"+id, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New("chaos: remove " + id + ": " + resp.Status)
	}
	return nil
}

func (r *registry) stop() {
	r.hangUp()
	r.eureka.Close()
}
