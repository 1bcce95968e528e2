package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// grace is how long requests that are under way may take when the program
// stops.
const grace = 10 * time.Second

// A running is a server that serves.
type running struct {
	server *http.Server
	ended  chan struct{}
	err    error // valid when ended is closed
}

// serve starts a server. It calls failed if the server ends without having
// been told to.
func serve(listener net.Listener, server *http.Server, logger *slog.Logger, failed func()) *running {
	server.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelWarn)
	r := &running{server: server, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		if server.TLSConfig != nil {
			r.err = server.ServeTLS(listener, "", "")
		} else {
			r.err = server.Serve(listener)
		}
		if errors.Is(r.err, http.ErrServerClosed) {
			r.err = nil
		} else {
			failed()
		}
	}()
	return r
}

// stopAll ends the registry and then the servers, and returns what went wrong
// with them. Clients that wait for a change are told first, as Shutdown waits
// for them.
func stopAll(ctx context.Context, registry *eurekaserver.Server, servers []*running) error {
	registry.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	var all []error
	for _, r := range servers {
		if err := r.server.Shutdown(ctx); err != nil {
			all = append(all, fmt.Errorf("stop: %w", err))
		}
		<-r.ended
		all = append(all, r.err)
	}
	return errors.Join(all...)
}
