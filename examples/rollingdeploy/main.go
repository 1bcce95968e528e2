// Rollingdeploy replaces all copies of a service three times while it is
// called, and then has one crash, in one process on loopback: a registry,
// copies that are run by package serve, and callers that call the service by
// its name.
//
//	go run ./examples/rollingdeploy
//
// No call is lost while copies are replaced, not even a POST, which cannot be
// repeated, and none is processed twice. A crash breaks the calls in flight:
// GETs are repeated on another copy, POSTs are not. The program ends with an
// error if it was otherwise.
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
	copies  = 3
	rounds  = 3
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
	flags := flag.NewFlagSet("rollingdeploy", flag.ContinueOnError)
	flags.SetOutput(stdout)
	duration := flags.Duration("duration", 15*time.Second, "how long to make calls")
	rate := flags.Int("rate", 400, "calls per `second`, by all callers together")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *duration <= 0 || *rate <= 0 {
		return errors.New("rollingdeploy: -duration and -rate must be greater than 0")
	}

	out := newLog(stdout)
	registry, err := startRegistry()
	if err != nil {
		return err
	}
	defer registry.stop()
	fmt.Fprintf(out, "a registry at %s\n", registry.url())
	deployed := &fleet{url: registry.url()}
	defer func() { err = errors.Join(err, deployed.stop()) }()
	for range copies {
		if _, err := deployed.add(ctx); err != nil {
			return err
		}
	}

	// The calling side: this is all that a user of the library writes.
	watcher := eureka.New(registry.url())
	defer watcher.Close()
	t := transport.New(watcher, transport.WithLogger(slog.New(slog.DiscardHandler)))
	defer t.Close()
	client := &http.Client{Transport: t}

	meter := newMeter(deployed.processed)
	calls, stopCalls := context.WithTimeout(ctx, *duration)
	defer stopCalls()
	group, calls := errgroup.WithContext(calls)
	for i := range callers {
		group.Go(func() error {
			every(calls, i, time.Duration(callers)*time.Second/time.Duration(*rate), func() { meter.call(client) })
			return nil
		})
	}
	group.Go(func() error { return play(calls, out, *duration, deployed, meter) })
	group.Go(func() error {
		report(calls, out, min(time.Second, *duration/4), meter, deployed)
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	fmt.Fprint(out, meter.summary())
	return meter.verdict()
}

// every runs f at a steady pace until ctx is done. Callers begin at different
// times of the interval, and what cannot be done in time is left out.
func every(ctx context.Context, caller int, interval time.Duration, f func()) {
	if !wait(ctx, interval*time.Duration(caller)/callers) {
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

// play replaces all copies, again and again, and then has one crash.
func play(ctx context.Context, out io.Writer, duration time.Duration, deployed *fleet, meter *meter) error {
	step := duration / (copies*rounds + 4) // and some time for what comes of the crash
	for round := range rounds {
		for range copies {
			if !wait(ctx, step) {
				return nil
			}
			next, err := deployed.add(ctx) // ready, before the old one goes
			if err != nil {
				return stopped(ctx, err)
			}
			fmt.Fprintf(out, "--- round %d: %s is ready, %s stops\n", round+1, next.id, deployed.retireOldest())
		}
	}
	if !wait(ctx, step) {
		return nil
	}
	if err := deployed.awaitRetired(); err != nil {
		return err
	}
	meter.crash()
	fmt.Fprintf(out, "--- %s crashes, and nobody tells the registry\n", deployed.crashOldest())
	return nil
}

// stopped returns nil if an error only says that the time is over.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// report prints a line for each interval.
func report(ctx context.Context, out io.Writer, interval time.Duration, meter *meter, deployed *fleet) {
	for wait(ctx, interval) {
		fmt.Fprintf(out, "%s   copies: %s\n", meter.line(), deployed.names())
	}
}

// wait reports whether the time passed before ctx was done.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
