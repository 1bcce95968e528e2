// Quickstart shows what the library does while things change and break, in one
// process on loopback: a registry, copies of a service that register
// themselves there, and callers that call the service by its name.
//
//	go run ./examples/quickstart
//
// A copy joins, one stops gracefully, one crashes, one becomes three times as
// slow, and the registry goes away and comes back without its memory. Each
// line says how many calls there were, how long they took, and which copy got
// which share. It exits with an error if any call failed.
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
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/transport"
)

const (
	service = "orders"
	callers = 8
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

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(stdout)
	duration := flags.Duration("duration", 18*time.Second, "how long to make calls")
	rate := flags.Int("rate", 400, "calls per `second`, by all callers together")
	url := flags.String("registry", "", "the `URL` of a running Eureka server to use instead of an embedded one")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *duration <= 0 || *rate <= 0 {
		return errors.New("quickstart: -duration and -rate must be greater than 0")
	}

	out := newLog(stdout)
	var embedded *registry
	if *url == "" {
		var err error
		if embedded, err = startRegistry(); err != nil {
			return err
		}
		defer embedded.stop()
		*url = embedded.url()
	}
	if embedded != nil {
		fmt.Fprintf(out, "an embedded registry at %s\n", *url)
	} else {
		fmt.Fprintln(out, "the registry that -registry names") // which may hold a password
	}

	// The serving side: copies that announce themselves.
	fleet := &fleet{url: *url}
	defer fleet.stop()
	for range 3 {
		if _, err := fleet.add(ctx); err != nil {
			return err
		}
	}

	// The calling side: this is all that a user of the library writes.
	watcher := eureka.New(*url, eureka.WithLogger(slog.New(slog.DiscardHandler)))
	defer watcher.Close()
	meter := newMeter()
	t := transport.New(watcher, transport.WithHooks(meter.hooks()), transport.WithLogger(slog.New(slog.DiscardHandler)))
	defer t.Close()
	client := &http.Client{Transport: t}

	calls, stopCalls := context.WithTimeout(ctx, *duration)
	defer stopCalls()
	var group errgroup.Group
	for i := range callers {
		group.Go(func() error {
			every(calls, i, time.Duration(callers)*time.Second/time.Duration(*rate), func() { meter.call(client) })
			return nil
		})
	}
	group.Go(func() error { return play(calls, out, *duration, fleet, embedded) })
	group.Go(func() error {
		report(calls, out, min(time.Second, *duration/4), meter)
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	total, failed, first := meter.total()
	fmt.Fprintf(out, "%d calls, %d failed\n", total, failed)
	if failed > 0 {
		return fmt.Errorf("quickstart: %d of %d calls failed, the first with: %w", failed, total, first)
	}
	return nil
}

// every runs f at a steady pace until ctx is done. Callers begin at different
// times of the interval, and what cannot be done in time is left out.
func every(ctx context.Context, caller int, interval time.Duration, f func()) {
	select {
	case <-time.After(interval * time.Duration(caller) / callers):
	case <-ctx.Done():
		return
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		f()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// play has the events happen, evenly spread over the time there is.
func play(ctx context.Context, out io.Writer, duration time.Duration, fleet *fleet, embedded *registry) error {
	type event struct {
		text string
		do   func() error
	}
	events := []event{
		{"a fourth copy joins", func() error { _, err := fleet.add(ctx); return err }},
		{"orders-1 stops gracefully", func() error { return fleet.retire("orders-1") }},
		{"orders-2 crashes, and nobody tells the registry", func() error { fleet.crash("orders-2"); return nil }},
		{"orders-3 becomes three times as slow", func() error { fleet.slow("orders-3", 3); return nil }},
	}
	if embedded != nil {
		events = append(events,
			event{"the registry goes away", func() error { embedded.stop(); return nil }},
			event{"the registry is back, without its memory", embedded.start},
			event{"a fifth copy joins", func() error { _, err := fleet.add(ctx); return err }})
	} else {
		events = append(events, event{"a fifth copy joins (a registry that is not ours is left alone)",
			func() error { _, err := fleet.add(ctx); return err }})
	}
	step := duration / time.Duration(len(events)+1)
	for _, e := range events {
		select {
		case <-time.After(step):
		case <-ctx.Done():
			return nil
		}
		fmt.Fprintf(out, "--- %s\n", e.text)
		if err := e.do(); err != nil && ctx.Err() == nil {
			return fmt.Errorf("quickstart: %s: %w", e.text, err)
		}
	}
	return nil
}

// report prints a line for each interval.
func report(ctx context.Context, out io.Writer, interval time.Duration, meter *meter) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			fmt.Fprintln(out, meter.line(interval))
		case <-ctx.Done():
			return
		}
	}
}
