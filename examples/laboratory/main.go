// Laboratory compares balancing policies in simulated fleets, in virtual time:
// the real policies, not copies of them. See mine.go for where to add a policy
// and a scenario of one's own.
//
//	go run ./examples/laboratory
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
	"strings"
	"time"

	"github.com/namesake-go/namesake/balancer/laboratory"
)

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
	scenario := flags.String("scenario", "", "only scenarios that a `regexp` matches, or of a comma list of names")
	policy := flags.String("policy", "", "only policies that a `regexp` matches, or of a comma list of names")
	seed := flags.Uint64("seed", 1, "where chance begins; the same seed gives the same tables")
	runs := flags.Int("runs", 1, "try each policy so many times in each scenario, each time with another seed")
	workers := flags.Int("workers", 0, "simulations at the same time; 0 means one for each processor")
	list := flags.Bool("list", false, "list scenarios and policies, and exit")
	if err := flags.Parse(args); err != nil {
		return err
	}
	scenarios, err := match(laboratory.Scenarios(), *scenario, func(s laboratory.Scenario) string { return s.Name })
	if err != nil {
		return err
	}
	candidates, err := match(laboratory.Candidates(), *policy, func(c laboratory.Candidate) string { return c.Name })
	if err != nil {
		return err
	}
	if *list {
		for _, s := range scenarios {
			fmt.Fprintf(stdout, "%-22s %s\n", s.Name, s.About)
		}
		for _, c := range candidates {
			fmt.Fprintln(stdout, c.Name)
		}
		return nil
	}
	start := time.Now()
	results, err := laboratory.Run(ctx, scenarios, candidates, laboratory.Options{
		Seed: *seed, Runs: *runs, Workers: *workers,
		Progress: func(r laboratory.Result, done, of int) {
			fmt.Fprintf(stderr, "%4d/%d %5.1fs %s %s\n", done, of, time.Since(start).Seconds(), r.Scenario, r.Candidate)
		},
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(stdout, laboratory.Table(scenarios, results))
	return err
}

// match returns those of all whose names are in a list with commas, or are
// matched by a regular expression.
func match[T any](all []T, pattern string, name func(T) string) ([]T, error) {
	var parts []string
	for part := range strings.SplitSeq(pattern, ",") {
		part = strings.TrimSpace(part)
		if strings.Contains(pattern, ",") {
			part = "^" + regexp.QuoteMeta(part) + "$"
		}
		parts = append(parts, part)
	}
	re, err := regexp.Compile(strings.Join(parts, "|"))
	if err != nil {
		return nil, fmt.Errorf("laboratory: %w", err)
	}
	var matched []T
	for _, t := range all {
		if re.MatchString(name(t)) {
			matched = append(matched, t)
		}
	}
	if len(matched) == 0 {
		return nil, fmt.Errorf("laboratory: nothing matches %q; see -list", pattern)
	}
	return matched, nil
}
