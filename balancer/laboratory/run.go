package laboratory

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// Options are how [Run] works. The zero value is ready to use.
type Options struct {
	// Seed is where chance begins. Zero is as good as any other.
	Seed uint64

	// Scale multiplies how long each scenario is measured. Default: 1.
	Scale float64

	// Workers is how many simulations run at the same time, which makes no
	// difference to the results. Default: GOMAXPROCS.
	Workers int

	// Progress is told of each result, in the order in which they are ready,
	// never concurrently. Nil means nobody.
	Progress func(r Result, done, of int)
}

// Run tries every candidate in every scenario. The results are in the order of
// the scenarios and, for each, of the candidates. It returns an error if a
// scenario cannot be simulated, or that of the context if it ends before.
func Run(ctx context.Context, scenarios []Scenario, candidates []Candidate, opts Options) ([]Result, error) {
	complete := make([]Scenario, len(scenarios))
	for i, s := range scenarios {
		s = s.withDefaults()
		s.Measured = time.Duration(float64(s.Measured) * or(opts.Scale, 1))
		if err := s.check(); err != nil {
			return nil, err
		}
		complete[i] = s
	}
	for i, c := range candidates {
		if c.Policy == nil {
			return nil, fmt.Errorf("laboratory: candidate %d, %q, has no policy", i, c.Name)
		}
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
				s := newSimulation(complete[i/len(candidates)], candidates[i%len(candidates)], opts.Seed)
				s.run()
				results[i] = s.result()
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
