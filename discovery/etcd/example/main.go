// Example is a copy of a service that announces itself in etcd, and calls the
// service by its name, itself included. Run it several times, and stop some:
// README.md says how.
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
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/namesake-go/namesake/discovery/etcd"
	"github.com/namesake-go/namesake/transport"
	"github.com/namesake-go/namesake/transport/serve"
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
	endpoints := flags.String("endpoints", "http://127.0.0.1:2379", "the `URLs` of the cluster's members, separated by commas")
	addr := flags.String("addr", "127.0.0.1:0", "the `host:port` to serve at; port 0 chooses a free one")
	name := flags.String("name", fmt.Sprint("copy ", os.Getpid()), "what this copy calls itself")
	interval := flags.Duration("interval", time.Second, "how long after each call to make the next")
	if err := flags.Parse(args); err != nil {
		return err
	}

	client, err := clientv3.New(etcd.Config(strings.Split(*endpoints, ",")...))
	if err != nil {
		return err
	}
	defer client.Close()
	registry := etcd.New(client, etcd.WithLogger(slog.New(slog.NewTextHandler(stdout, nil))))
	defer registry.Close()

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { // as a copy
		handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "hello from %s", *name) })
		return serve.Run(ctx, registry, "greeter", handler, serve.Config{Addr: *addr, LameDuck: time.Second, Drain: time.Second})
	})
	group.Go(func() error { // as a caller
		t := transport.New(registry)
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
	})
	return group.Wait()
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
