// Eureka shows two services that find each other in a Eureka registry and call
// each other by name. Of three copies of one, the first leaves gracefully and
// the second crashes, and no call fails.
//
//	go run ./examples/eureka
//	go run ./examples/eureka -registry http://localhost:8761/eureka
//
// The first brings its own registry. The second uses one that is there, such as
// Spring Cloud's: then changes take half a minute and more to be seen, since
// such a server answers from a cache.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/transport"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("eureka", flag.ContinueOnError)
	flags.SetOutput(stdout)
	url := flags.String("registry", "", "the `URL` of a running Eureka server to use instead of an embedded one")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *url == "" {
		stop, err := embed(url)
		if err != nil {
			return err
		}
		defer stop()
	}

	// The services: one copy of orders, three of stock.
	running := map[string]*replica{}
	defer func() {
		for _, r := range running {
			r.stop()
		}
		for _, r := range running {
			err = errors.Join(err, <-r.done)
		}
	}()
	for _, id := range []string{"orders-1", "stock-1", "stock-2", "stock-3"} {
		r, err := start(ctx, *url, id)
		if err != nil {
			return err
		}
		running[id] = r
		fmt.Fprintf(stdout, "%s listens at %s\n", id, r.addr)
	}

	// Their caller knows the registry, and no addresses.
	registry := eureka.New(*url, eureka.WithPollInterval(2*time.Second))
	defer registry.Close()
	t := transport.New(registry)
	defer t.Close()
	client := &http.Client{Transport: t}
	if err := await(ctx, registry, "orders", 1); err != nil {
		return err
	}
	if err := await(ctx, running["orders-1"].registry, "stock", 3); err != nil { // orders calls them
		return err
	}
	if err := call(ctx, stdout, client); err != nil {
		return err
	}

	fmt.Fprintln(stdout, "--- stock-1 leaves: it withdraws, and goes on until its callers know")
	running["stock-1"].stop()
	if err := await(ctx, running["orders-1"].registry, "stock", 2); err != nil {
		return err
	}
	if err := call(ctx, stdout, client); err != nil {
		return err
	}

	fmt.Fprintln(stdout, "--- stock-2 crashes, and nobody tells the registry")
	running["stock-2"].crash()
	if err := <-running["stock-2"].done; err == nil {
		return errors.New("eureka: stock-2 has survived")
	}
	delete(running, "stock-2")
	return call(ctx, stdout, client)
}

// call calls orders by its name, which calls stock by its name, and prints
// which copies of stock answered.
func call(ctx context.Context, stdout io.Writer, client *http.Client) error {
	answers := map[string]int{}
	for range 30 {
		text, err := get(ctx, client, "http://orders/v1/orders/42")
		if err != nil {
			return err
		}
		answers[text]++
	}
	for _, text := range slices.Sorted(maps.Keys(answers)) {
		fmt.Fprintf(stdout, "%2d times: %s\n", answers[text], text)
	}
	return nil
}

func get(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", url, resp.Status, text)
	}
	return string(text), err
}

// await waits until a client of the registry sees that many copies.
func await(ctx context.Context, registry *eureka.Client, service string, copies int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var last error
	for set, err := range registry.Watch(ctx, service) {
		if err == nil && len(set) == copies {
			return nil
		}
		last = err
	}
	return fmt.Errorf("eureka: waiting for %d copies of %s: %w", copies, service, errors.Join(context.Cause(ctx), last))
}

// embed runs a registry in this process.
func embed(url *string) (stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	registry := eurekaserver.New()
	server := &http.Server{Handler: registry, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // until stop
	*url = "http://" + listener.Addr().String() + "/eureka"
	return func() {
		registry.Close()
		_ = server.Close()
	}, nil
}
