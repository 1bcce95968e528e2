// Migration moves a service from one registry to another while it is called,
// in one process on loopback: from Eureka to a file. It is the same with any
// two registries.
//
//	go run ./examples/migration
//
// Callers follow both registries from the beginning to the end. The copies are
// replaced twice: by ones that announce themselves in both registries, and then
// by ones that do so in the new registry only. When nothing is left in the old
// one, it is shut down. No call is lost, and a copy that is in both registries,
// under different IDs, is one endpoint. The program ends with an error if it
// was otherwise.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/file"
	"github.com/namesake-go/namesake/transport"
)

const (
	service = "orders"
	copies  = 3
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
	flags := flag.NewFlagSet("migration", flag.ContinueOnError)
	flags.SetOutput(stdout)
	rate := flags.Int("rate", 400, "calls per `second`")
	pause := flags.Duration("pause", 2*time.Second, "how long each state lasts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *rate <= 0 || *pause <= 0 {
		return errors.New("migration: -rate and -pause must be greater than 0")
	}

	oldServer, err := startEureka()
	if err != nil {
		return err
	}
	defer oldServer.stop()
	folder, err := os.MkdirTemp("", "migration")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	listed := &fileRegistrar{path: filepath.Join(folder, "services.json")}
	if err := listed.write(); err != nil { // a file that lists nothing yet
		return err
	}
	register := eureka.New(oldServer.url())
	defer register.Close()
	deployed := new(fleet)
	defer func() { err = errors.Join(err, deployed.stop()) }()

	// Before the move.
	inOld, inNew := registrars{register}, registrars{listed}
	if err := deployed.replace(ctx, inOld); err != nil {
		return err
	}

	// The calling side, from now on: this is all that it takes.
	oldRegistry := eureka.New(oldServer.url())
	defer oldRegistry.Close()
	newRegistry := file.New(listed.path, file.WithInterval(100*time.Millisecond))
	watcher := discovery.Merge(discovery.ByAddr(newRegistry), discovery.ByAddr(oldRegistry))

	var added, errs atomic.Int64
	t := transport.New(watcher, transport.WithHooks(transport.Hooks{
		EndpointAdded: func(transport.EndpointEvent) { added.Add(1) },
		RegistryError: func(transport.RegistryEvent) { errs.Add(1) },
	}))
	defer t.Close()
	calls := &caller{client: &http.Client{Transport: t}}
	var running sync.WaitGroup
	calling, stopCalls := context.WithCancel(ctx)
	running.Go(func() { calls.run(calling, time.Second/time.Duration(*rate)) })
	defer running.Wait()
	defer stopCalls() // runs first

	steps := []struct {
		text string
		do   func() error
	}{
		{"all copies are in the old registry", func() error { return nil }},
		{"they are replaced by copies in both", func() error { return deployed.replace(ctx, append(inOld, inNew...)) }},
		{"they are replaced by copies in the new registry", func() error { return deployed.replace(ctx, inNew) }},
		{"the old registry is shut down", func() error { oldServer.stop(); return nil }},
		{"they are replaced once more", func() error { return deployed.replace(ctx, inNew) }},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return err
		}
		if !wait(ctx, *pause) {
			return ctx.Err()
		}
		fmt.Fprintf(stdout, "%-50s %s; %d copies started, %d endpoints made\n", step.text, calls, deployed.started(), added.Load())
	}
	stopCalls()
	running.Wait()
	fmt.Fprintf(stdout, "%s; the registries' errors: %d\n", calls, errs.Load())
	if n := added.Load(); n != int64(deployed.started()) {
		return fmt.Errorf("migration: %d copies were %d endpoints", deployed.started(), n)
	}
	return calls.verdict()
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
