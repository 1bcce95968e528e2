package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/transport"
	"github.com/namesake-go/namesake/transport/serve"
)

// A replica is one copy of a service. In a program of its own, start would be
// the main function.
type replica struct {
	addr     string
	registry *eureka.Client
	stop     func() // asks it to leave
	crash    func()
	done     chan error
}

// start runs a copy of the service that its id begins with.
func start(ctx context.Context, registryURL, id string) (*replica, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	var link link
	registry := eureka.New(registryURL,
		eureka.WithLease(2*time.Second, 6*time.Second), // short, for a demonstration
		eureka.WithPollInterval(2*time.Second),
		eureka.WithHTTPClient(&http.Client{Transport: &link}), // only so that it can crash
	)
	t := transport.New(registry,
		transport.WithPolicy(balancer.RoundRobin), // to see them all; the default looks at load
		transport.WithLogger(slog.New(slog.DiscardHandler)),
	)
	client := &http.Client{Transport: t} // calls other services by their names

	service, _, _ := strings.Cut(id, "-")
	ready := make(chan struct{})
	server := new(http.Server)
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	r := &replica{addr: listener.Addr().String(), registry: registry, stop: stop, done: make(chan error, 1)}
	r.crash = func() {
		link.cut.Store(true)
		_ = server.Close()
	}
	go func() { // until stop or crash
		r.done <- serve.Run(running, announced{registry, ready}, service, routes(id, client), serve.Config{
			Listener:        listener,
			Instance:        discovery.Instance{ID: id},
			Server:          server,
			WithdrawTimeout: time.Second,
			LameDuck:        time.Second, // a minute and more where callers poll
			Drain:           time.Second,
		})
		t.Close()
		registry.Close()
		close(r.done)
	}()
	select {
	case <-ready:
		return r, nil
	case err := <-r.done:
		return nil, errors.Join(fmt.Errorf("eureka: %s has stopped", id), err)
	}
}

// routes is what a copy does. Orders asks stock, and stock asks orders.
func routes(id string, client *http.Client) http.Handler {
	mux := http.NewServeMux()
	ask := func(pattern, url, format string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			text, err := get(r.Context(), client, url)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			fmt.Fprintf(w, format, id, text)
		})
	}
	ask("GET /v1/orders/{id}", "http://stock/v1/items/7", "%s: %s")
	ask("GET /v1/items/{id}", "http://orders/v1/reserved/7", "%s has 10 pieces, %s")
	mux.HandleFunc("GET /v1/reserved/{id}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "of which %s has reserved 2", id)
	})
	return mux
}

// announced tells when a copy is.
type announced struct {
	discovery.Registrar
	ready chan<- struct{}
}

func (a announced) Register(ctx context.Context, service string, in discovery.Instance) (discovery.Registration, error) {
	registration, err := a.Registrar.Register(ctx, service, in)
	if err == nil {
		close(a.ready)
	}
	return registration, err
}

// A link leads to the registry until it is cut: who crashes says nothing more.
type link struct{ cut atomic.Bool }

func (l *link) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.cut.Load() {
		return nil, errors.New("crashed")
	}
	return http.DefaultTransport.RoundTrip(r)
}
