// Kubernetes is a copy of a service in a Kubernetes cluster, which calls the
// service by its name, itself included. README.md says how to run it in a
// cluster, and beside an API server without one.
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

	"golang.org/x/sync/errgroup"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/kubernetes"
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
	flags := flag.NewFlagSet("kubernetes", flag.ContinueOnError)
	flags.SetOutput(stdout)
	kubeconfig := flags.String("kubeconfig", "", "a kubeconfig `file` in JSON, outside of a cluster")
	service := flags.String("service", "greeter", "the `name` of the service to call: service, service.namespace or service.namespace:port")
	addr := flags.String("addr", ":8080", "the `host:port` to serve at")
	name, _ := os.Hostname() // of the pod
	flags.StringVar(&name, "name", name, "what this copy calls itself")
	interval := flags.Duration("interval", time.Second, "how long after each call to make the next")
	lameDuck := flags.Duration("lame-duck", 5*time.Second, "how long to go on as ever after SIGTERM, until callers know")
	if err := flags.Parse(args); err != nil {
		return err
	}

	// In a pod, kubernetes.New() is all there is to it.
	cluster := kubernetes.InCluster()
	if *kubeconfig != "" {
		var err error
		if cluster, err = kubernetes.LoadKubeconfig(*kubeconfig, ""); err != nil {
			return err
		}
	}
	logger := slog.New(slog.NewTextHandler(stdout, nil))
	registry := kubernetes.New(kubernetes.WithCluster(cluster), kubernetes.WithLogger(logger))
	defer registry.Close()

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return greeter(ctx, *addr, name, *lameDuck) })
	group.Go(func() error { // as a caller
		// One after the other, so that all are seen; the default looks at load.
		t := transport.New(registry, transport.WithLogger(logger), transport.WithPolicy(balancer.RoundRobin))
		defer t.Close()
		client := &http.Client{Transport: t, Timeout: 5 * time.Second}
		for ctx.Err() == nil {
			fmt.Fprintln(stdout, greet(ctx, client, *service))
			select {
			case <-time.After(*interval):
			case <-ctx.Done():
			}
		}
		return nil
	})
	return group.Wait()
}

// greeter serves. Nobody needs to be told of it but the kubelet, which asks
// whether it is ready: the cluster announces it, and withdraws it when it
// tells it to stop. So it announces itself where nobody looks.
func greeter(ctx context.Context, addr, name string, lameDuck time.Duration) error {
	health := new(serve.Health)
	mux := http.NewServeMux()
	mux.Handle("GET /ready", health.Ready())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "hello from %s", name) })
	return serve.Run(ctx, new(discovery.Memory), "greeter", mux, serve.Config{Addr: addr, Health: health, LameDuck: lameDuck, Drain: time.Second})
}

// greet makes one call, and returns what came of it.
func greet(ctx context.Context, client *http.Client, service string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+service+"/", nil)
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
