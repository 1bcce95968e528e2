// Dns calls a service whose copies are listed in DNS. README.md says how to
// run a server beside it, and how to change what it lists.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/namesake-go/namesake/discovery/dns"
	"github.com/namesake-go/namesake/transport"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

// run calls the service until ctx is done. It writes to stdout who answered,
// and what DNS has to say.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("dns", flag.ContinueOnError)
	flags.SetOutput(stdout)
	server := flags.String("server", "127.0.0.1:15353", "the `host:port` of the DNS server")
	pattern := flags.String("pattern", "_%s._tcp.example.internal", "the `name` of the SRV records, %s being the service's name")
	blue := flags.String("blue", "127.0.0.1:8081", "where one copy listens")
	green := flags.String("green", "127.0.0.1:8082", "where the other copy listens")
	pause := flags.Duration("pause", time.Second, "the time between calls")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for name, addr := range map[string]string{"blue": *blue, "green": *green} {
		stop, err := serve(ctx, name, addr)
		if err != nil {
			return err
		}
		defer stop()
	}

	registry := dns.NewSRV(*pattern, dns.WithServers(*server), dns.WithInterval(time.Second, time.Minute))
	t := transport.New(registry, transport.WithHooks(transport.Hooks{
		EndpointAdded:   func(e transport.EndpointEvent) { fmt.Fprintln(stdout, "listed:", e.Endpoint.Addr()) },
		EndpointRemoved: func(e transport.EndpointEvent) { fmt.Fprintln(stdout, "no longer listed:", e.Endpoint.Addr()) },
		RegistryError:   func(e transport.RegistryEvent) { fmt.Fprintln(stdout, "registry:", e.Err) },
	}))
	defer t.Close()
	client := &http.Client{Transport: t, Timeout: 5 * time.Second}

	for ctx.Err() == nil {
		if err := call(ctx, client, stdout); err != nil && ctx.Err() == nil {
			fmt.Fprintln(stdout, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(*pause):
		}
	}
	return nil
}

// serve runs a copy of the service, which tells its name.
func serve(ctx context.Context, name, addr string) (stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("dns: %w", err)
	}
	server := &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, "orders from", name)
		}),
	}
	go func() { _ = server.Serve(listener) }() // until stop
	return func() { _ = server.Close() }, nil
}

func call(ctx context.Context, client *http.Client, stdout io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://orders/", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(stdout, io.LimitReader(resp.Body, 1<<10))
	return err
}
