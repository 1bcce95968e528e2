package laboratory

import (
	"context"
	"fmt"
	"runtime"
	"sync"
)

// Options are how [Run] works. The zero value is ready to use.
type Options struct {
	// Seed is where chance begins. Zero is as good as any other.
	Seed uint64

	// Runs is how many times each candidate is tried in each scenario, each time
	// with another seed: Seed, Seed+1, and so on. Quantiles are of the calls of
	// all runs together. Default: 1.
	Runs int

	// Workers is how many simulations run at the same time, which makes no
	// difference to the results. Default: GOMAXPROCS.
	Workers int

	// Progress is told of each result, in the order in which they are ready,
	// never concurrently: the number of those that are done, and of all. Nil
	// means nobody.
	Progress func(r Result, done, all int)
}

// Run tries every candidate in every scenario. The results are in the order of
// the scenarios and, for each, of the candidates. It returns an error if a
// scenario cannot be simulated, or that of the context if it ends before; what
// runs then is finished first.
func Run(ctx context.Context, scenarios []Scenario, candidates []Candidate, opts Options) ([]Result, error) {
	complete := make([]Scenario, len(scenarios))
	names := make(map[string]bool)
	for i, s := range scenarios {
		complete[i] = s.withDefaults()
		if err := complete[i].check(); err != nil {
			return nil, err
		}
		if names[s.Name] {
			return nil, fmt.Errorf("laboratory: two scenarios are named %q", s.Name)
		}
		names[s.Name] = true
	}
	clear(names)
	for _, c := range candidates {
		if c.Policy == nil {
			return nil, fmt.Errorf("laboratory: candidate %q has no policy", c.Name)
		}
		if names[c.Name] {
			return nil, fmt.Errorf("laboratory: two candidates are named %q", c.Name)
		}
		names[c.Name] = true
	}

	results := make([]Result, len(scenarios)*len(candidates))
	jobs := make(chan int)
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex // of what follows, and of Progress
		done int
	)
	for range max(1, or(opts.Workers, runtime.GOMAXPROCS(0))) {
		wg.Go(func() {
			for i := range jobs {
				results[i] = try(complete[i/len(candidates)], candidates[i%len(candidates)], opts)
				mu.Lock()
				done++
				if opts.Progress != nil {
					opts.Progress(results[i], done, len(results))
				}
				mu.Unlock()
			}
		})
	}
	for i := range results {
		select {
		case jobs <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(jobs)
	wg.Wait()
	if done < len(results) {
		return nil, fmt.Errorf("laboratory: %w", context.Cause(ctx))
	}
	return results, nil
}

// try runs one candidate in one scenario, as often as it should.
func try(scenario Scenario, candidate Candidate, opts Options) Result {
	var all *tally
	for i := range max(1, opts.Runs) {
		s := newSimulation(scenario, candidate, opts.Seed+uint64(i))
		s.run()
		s.tally.spread, s.tally.runs = variation(s.tally.perServer), 1
		if all == nil {
			all = &s.tally
		} else {
			all.add(&s.tally)
		}
	}
	r := all.result()
	r.Scenario, r.Candidate = scenario.Name, candidate.Name
	for _, g := range scenario.Servers {
		r.HasBad = r.HasBad || g.Bad && g.Count > 0
	}
	return r
}
