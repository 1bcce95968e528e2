package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// A registry is an embedded Eureka server on loopback, which can be stopped
// and started again at the same address.
type registry struct {
	addr   string
	server *http.Server
	eureka *eurekaserver.Server
}

func startRegistry() (*registry, error) {
	r := &registry{addr: "127.0.0.1:0"}
	return r, r.start()
}

func (r *registry) url() string { return "http://" + r.addr + "/eureka" }

// start begins with an empty memory.
func (r *registry) start() error {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", r.addr)
	if err != nil {
		return fmt.Errorf("quickstart: registry: %w", err)
	}
	r.addr = listener.Addr().String()
	r.eureka = eurekaserver.New()
	r.server = &http.Server{Handler: r.eureka, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = r.server.Serve(listener) }() // ends with stop
	return nil
}

// stop breaks all connections, as a crash would.
func (r *registry) stop() {
	_ = r.server.Close()
	r.eureka.Close()
}
