// Example calls a service whose copies a control plane lists, in this process
// or another one. README.md says how to run it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery/xds"
	"github.com/namesake-go/namesake/transport"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("example", flag.ContinueOnError)
	flags.SetOutput(stdout)
	addr := flags.String("plane", "", "the `host:port` of a control plane on this machine; without one, this program is one")
	serve := flags.String("serve", "127.0.0.1:18000", "the `host:port` at which to be a control plane")
	delta := flags.Bool("delta", false, "speak the incremental variant of the protocol")
	interval := flags.Duration("interval", 500*time.Millisecond, "how long after each call to make the next")
	if err := flags.Parse(args); err != nil {
		return err
	}

	if *addr == "" {
		p, err := startPlane(ctx, *serve, stdout)
		if err != nil {
			return err
		}
		defer p.stop()
		*addr = p.addr
	}

	// Without TLS, since this stays on one machine.
	conn, err := grpc.NewClient(*addr, append(xds.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		return err
	}
	defer conn.Close()
	options := []xds.Option{
		xds.WithNode(xds.Node{ID: fmt.Sprint("example-", os.Getpid())}),
		xds.WithLogger(slog.New(slog.NewTextHandler(stdout, nil))),
	}
	if *delta {
		options = append(options, xds.WithDelta())
	}
	registry := xds.New(conn, options...)
	defer registry.Close()

	t := transport.New(registry, transport.WithPolicy(balancer.RoundRobin)) // so that all are seen
	defer t.Close()
	caller := &http.Client{Transport: t, Timeout: 5 * time.Second}
	for ctx.Err() == nil {
		fmt.Fprintln(stdout, greet(ctx, caller))
		select {
		case <-time.After(*interval):
		case <-ctx.Done():
		}
	}
	return nil
}

// greet makes one call, and returns what came of it.
func greet(ctx context.Context, client *http.Client) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://greeter/", nil)
	if err != nil {
		return err.Error()
	}
	resp, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return err.Error()
	}
	return string(text)
}
