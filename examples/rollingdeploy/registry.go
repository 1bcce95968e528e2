package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// A registry is an embedded Eureka server on loopback.
type registry struct {
	addr   string
	server *http.Server
	eureka *eurekaserver.Server
}

func startRegistry() (*registry, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("rollingdeploy: registry: %w", err)
	}
	r := &registry{addr: listener.Addr().String(), eureka: eurekaserver.New()}
	r.server = &http.Server{Handler: r.eureka, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = r.server.Serve(listener) }() // ends with stop
	return r, nil
}

func (r *registry) url() string { return "http://" + r.addr + "/eureka" }

func (r *registry) stop() {
	_ = r.server.Close()
	r.eureka.Close()
}
