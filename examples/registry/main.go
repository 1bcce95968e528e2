// Registry is a service registry in a process of its own, for Eureka clients
// of any origin.
//
//	go run ./examples/registry -addr 127.0.0.1:8761
//
// Clients are given http://127.0.0.1:8761/eureka/ as the URL of the registry.
// Everything is in memory: after a restart the registry is empty until the
// instances have sent their next heartbeats.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

// run serves until ctx is done, and then answers the requests that are under
// way. It writes to stdout where it listens and what happens.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("registry", flag.ContinueOnError)
	flags.SetOutput(stdout)
	addr := flags.String("addr", "127.0.0.1:8761", "the `host:port` to listen at; port 0 chooses a free one")
	if err := flags.Parse(args); err != nil {
		return err
	}

	logger := slog.New(slog.NewTextHandler(stdout, nil))
	registry := eurekaserver.New(eurekaserver.WithLogger(logger))
	defer registry.Close()

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	server := &http.Server{
		Handler:           registry,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second, // does not cut off clients that wait for a change
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	logger.Info("listening", "url", "http://"+listener.Addr().String()+"/eureka/")

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("registry: %w", err)
	case <-ctx.Done():
	}

	// Clients that wait for a change are told first, as Shutdown waits for them.
	registry.Close()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := errors.Join(server.Shutdown(grace), ignoreClosed(<-served)); err != nil {
		return fmt.Errorf("registry: stop: %w", err)
	}
	logger.Info("stopped")
	return nil
}

// ignoreClosed drops the error by which Serve says that it was told to end.
func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
