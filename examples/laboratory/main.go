// Laboratory compares balancing policies in simulated fleets, in virtual time:
// the real policies, not copies of them. See mine.go for where to add a policy
// and a scenario of one's own.
//
//	go run ./examples/laboratory
//	go run ./examples/laboratory -scenario fails-fast,black-hole -policy Delay
//	go run ./examples/laboratory -html laboratory.html
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
	"strings"
	"time"

	"github.com/namesake-go/namesake/balancer/laboratory"
)

const usage = `Laboratory compares balancing policies in simulated fleets.

  laboratory [flags]

It runs every policy in every scenario, in virtual time, and prints a table for
each scenario and one for all together. The same seed gives the same tables,
however many processors there are; that a difference is more than luck, another
seed tells, or -runs.

  laboratory -list                            scenarios and policies
  laboratory -scenario slow-copies            one scenario, all policies
  laboratory -scenario '^antagonists' -policy 'PeakEWMA|Delay' -runs 3
  laboratory -html laboratory.html            tables, and a page with plots

In the tables, times are in milliseconds, and a call that failed counts as one
that took until its deadline. bad % is the share of attempts that went to the
copies that the scenario spoils; spread is the coefficient of variation of
attempts per copy; tries and probes are per call; inflight is how many others an
attempt met at its copy, in the 99th percentile.

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("laboratory", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = io.WriteString(stderr, usage)
		flags.PrintDefaults()
	}
	scenario := flags.String("scenario", "", "only scenarios whose names are in this list, with commas, or matched by this `regexp`")
	policy := flags.String("policy", "", "only policies, likewise")
	seed := flags.Uint64("seed", 1, "where chance begins")
	runs := flags.Int("runs", 1, "try each policy so many times in each scenario, each time with the next seed")
	workers := flags.Int("workers", 0, "simulations at the same time; 0 means one for each processor")
	list := flags.Bool("list", false, "list scenarios and policies, and exit")
	page := flags.String("html", "", "write a page with plots to this `file`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := match(scenarios(), *scenario, func(s laboratory.Scenario) string { return s.Name })
	if err != nil {
		return err
	}
	policies, err := match(candidates(), *policy, func(c laboratory.Candidate) string { return c.Name })
	if err != nil {
		return err
	}
	if *list {
		return printList(stdout, chosen, policies)
	}

	opts := laboratory.Options{Seed: *seed, Runs: *runs, Workers: *workers, Progress: progress(stderr, len(policies))}
	results, err := laboratory.Run(ctx, chosen, policies, opts)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(stdout, laboratory.Table(chosen, results)); err != nil {
		return err
	}
	if *page == "" {
		return nil
	}
	loads, err := laboratory.Run(ctx, ramp(), policies, opts)
	if err != nil {
		return err
	}
	file, err := os.Create(*page)
	if err != nil {
		return err
	}
	return errors.Join(writePage(file, chosen, policies, results, ramp(), loads), file.Close())
}

func printList(w io.Writer, scenarios []laboratory.Scenario, policies []laboratory.Candidate) error {
	var b strings.Builder
	b.WriteString("scenarios:\n")
	for _, s := range scenarios {
		fmt.Fprintf(&b, "  %-22s %s\n", s.Name, s.About)
	}
	b.WriteString("policies:\n")
	for _, c := range policies {
		fmt.Fprintf(&b, "  %s\n", c.Name)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// progress says when all policies are through with a scenario.
func progress(w io.Writer, policies int) func(r laboratory.Result, done, all int) {
	start := time.Now()
	through := make(map[string]int)
	return func(r laboratory.Result, done, all int) {
		if through[r.Scenario]++; through[r.Scenario] == policies {
			_, _ = fmt.Fprintf(w, "%5.1fs %4d of %d  %s\n", time.Since(start).Seconds(), done, all, r.Scenario)
		}
	}
}

// match returns those of all whose names are in a list, or are matched by a
// regular expression.
func match[T any](all []T, pattern string, name func(T) string) ([]T, error) {
	names := strings.Split(pattern, ",")
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("laboratory: %w", err)
	}
	all = slices.DeleteFunc(all, func(t T) bool {
		if len(names) > 1 {
			return !slices.Contains(names, name(t))
		}
		return !re.MatchString(name(t))
	})
	if len(all) == 0 {
		return nil, fmt.Errorf("laboratory: nothing is named %q; see -list", pattern)
	}
	return all, nil
}
