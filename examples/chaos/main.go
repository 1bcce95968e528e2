// Chaos breaks things, one after the other, while a service is called, and
// shows what the callers notice: over real sockets, with an embedded registry,
// three copies that register themselves there, and the library's defaults.
//
//	go run ./examples/chaos
//	go run ./examples/chaos -scenario 'registry|overload' -rate 400
//	go run ./examples/chaos -list
//
// One copy refuses connections, never answers, resets connections, answers
// errors, becomes slow, truncates bodies, comes and goes; all copies fail; the
// registry fails in four ways; there is more to do than can be done. Each
// scenario has a world of its own: a sixth of the time all is well, then a
// third of it something is not, and in the rest it recovers.
//
// Half of the calls are GETs, a quarter are POSTs with an Idempotency-Key, and
// a quarter are POSTs without, which are not repeated once they may have been
// processed. Callers do not wait for each other, and each call has a deadline.
// The columns of the table:
//
//	calls      all of them
//	failed     those that may be repeated + those that must not be
//	att/call   attempts per call
//	p50, p99   latency while the fault lasted, failures included
//	bad        share of attempts that went to the bad copy meanwhile
//	<1%        how long until it got less than 1 % of them
//	back       how long after recovery until it had its fair share again
//
// The program ends with an error if something did not hold that must, on
// whatever machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
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
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(stdout)
	pattern := flags.String("scenario", "", "which scenarios, a `regexp`")
	rate := flags.Int("rate", 100, "calls per `second`, in each scenario")
	seconds := flags.Float64("seconds", 27, "how long each scenario takes, in `seconds`")
	parallel := flags.Int("parallel", 9, "how many scenarios run at the same time")
	list := flags.Bool("list", false, "name the scenarios, and do nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *rate <= 0 || *seconds <= 0 || *parallel <= 0 {
		return errors.New("chaos: -rate, -seconds and -parallel must be greater than 0")
	}
	chosen, err := choose(*pattern)
	if err != nil {
		return err
	}
	if *list {
		for _, s := range chosen {
			fmt.Fprintln(stdout, s.name)
		}
		return nil
	}

	t := newTable(stdout, chosen)
	drawing, stopDrawing := context.WithCancel(ctx)
	var drawer errgroup.Group
	drawer.Go(func() error {
		for wait(drawing, 200*time.Millisecond) {
			t.draw()
		}
		return nil
	})
	var group errgroup.Group
	group.SetLimit(*parallel)
	for _, r := range t.rows {
		group.Go(func() error { return t.play(ctx, r, time.Duration(*seconds*float64(time.Second)), *rate) })
	}
	err = group.Wait()
	stopDrawing()
	_ = drawer.Wait() // has no error
	t.draw()
	if err != nil {
		return err
	}
	return t.verdict()
}

// choose returns the scenarios whose names match.
func choose(pattern string) ([]*scenario, error) {
	matches, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("chaos: -scenario: %w", err)
	}
	chosen := slices.DeleteFunc(slices.Clone(scenarios), func(s *scenario) bool { return !matches.MatchString(s.name) })
	if len(chosen) == 0 {
		return nil, fmt.Errorf("chaos: no scenario matches %q", pattern)
	}
	return chosen, nil
}

// play runs the scenario of a row.
func (t *table) play(ctx context.Context, r *row, length time.Duration, rate int) error {
	w, result, err := r.scenario.play(ctx, length, rate, func(w *world) { t.started(r, w) })
	if err != nil {
		return err
	}
	v := new(verdict)
	noStorm(w, result, v) // whatever happens
	r.scenario.must(w, result, v)
	t.done(r, result, v)
	return nil
}

// verdict returns what did not hold that must.
func (t *table) verdict() error {
	var errs []error
	for _, r := range t.rows {
		for _, broken := range r.verdict.broken {
			errs = append(errs, fmt.Errorf("chaos: %s: %s (the machine was up to %s late)", r.scenario.name, broken, millis(r.result.late)))
		}
	}
	return errors.Join(errs...)
}
