package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// An eurekaRegistry is an embedded Eureka server on loopback: the old registry.
type eurekaRegistry struct {
	addr   string
	server *http.Server
	eureka *eurekaserver.Server
}

func startEureka() (*eurekaRegistry, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("migration: registry: %w", err)
	}
	r := &eurekaRegistry{addr: listener.Addr().String(), eureka: eurekaserver.New()}
	r.server = &http.Server{Handler: r.eureka, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = r.server.Serve(listener) }() // ends with stop
	return r, nil
}

func (r *eurekaRegistry) url() string { return "http://" + r.addr + "/eureka" }

func (r *eurekaRegistry) stop() {
	_ = r.server.Close()
	r.eureka.Close()
}

// A fileRegistrar announces copies in a file: the new registry. In the world,
// this would be whatever deploys the copies.
type fileRegistrar struct {
	path string

	mu   sync.Mutex // guards list and the file
	list []*entry
}

// An entry is one copy in the file. It has no ID: its address, which Eureka has
// another ID for, is enough.
type entry struct {
	Addr   string `json:"addr"`
	Scheme string `json:"scheme"`

	registrar *fileRegistrar
}

// Register implements [discovery.Registrar].
func (r *fileRegistrar) Register(_ context.Context, _ string, in discovery.Instance) (discovery.Registration, error) {
	e := &entry{Addr: in.Addr, Scheme: in.Scheme, registrar: r}
	r.mu.Lock()
	r.list = append(r.list, e)
	r.mu.Unlock()
	return e, r.write()
}

// Close implements [discovery.Registration].
func (e *entry) Close(context.Context) error {
	r := e.registrar
	r.mu.Lock()
	r.list = slices.DeleteFunc(r.list, func(other *entry) bool { return other == e })
	r.mu.Unlock()
	return r.write()
}

// write replaces the file at once, so that nobody reads half of it.
func (r *fileRegistrar) write() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	lists := map[string][]*entry{}
	if len(r.list) > 0 {
		lists[service] = r.list
	}
	text, err := json.MarshalIndent(lists, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(r.path+".new", r.path)
}

// registrars announce a copy in several registries, in their order.
type registrars []discovery.Registrar

func (all registrars) Register(ctx context.Context, service string, in discovery.Instance) (discovery.Registration, error) {
	var made registrations
	for _, r := range all {
		registration, err := r.Register(ctx, service, in)
		if err != nil {
			return nil, errors.Join(err, made.Close(ctx))
		}
		made = append(made, registration)
	}
	return made, nil
}

type registrations []discovery.Registration

func (all registrations) Close(ctx context.Context) error {
	var errs []error
	for _, r := range all {
		errs = append(errs, r.Close(ctx))
	}
	return errors.Join(errs...)
}
