package laboratory

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Table returns the results as text: one block for each scenario that has any,
// and one of all of them together if there are several. Times are in
// milliseconds.
//
// The columns are the quantiles of the time that calls took, where failed ones
// count as the deadline; how many failed; how many attempts went to copies that
// are marked as bad; how unevenly they are spread over all copies; how many
// attempts and probes there were for each call; and how many others an attempt
// met at its server in the 99th percentile.
func Table(scenarios []Scenario, results []Result) string {
	width := 0
	for _, r := range results {
		width = max(width, len(r.Candidate))
	}
	var b strings.Builder
	blocks := 0
	for _, s := range scenarios {
		of := only(results, s.Name)
		if len(of) == 0 {
			continue
		}
		if blocks++; blocks > 1 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s: %s\n", s.Name, s.About)
		fmt.Fprintf(&b, "  %-*s %6s %6s %6s %6s %8s %6s %6s %6s %6s %8s\n",
			width, "", "p50", "p90", "p99", "p99.9", "failed %", "bad %", "spread", "tries", "probes", "inflight")
		for _, r := range of {
			bad := "-"
			if r.HasBad {
				bad = fmt.Sprintf("%.2f", 100*r.BadShare)
			}
			fmt.Fprintf(&b, "  %-*s %6s %6s %6s %6s %8.3f %6s %6.2f %6.2f %6.2f %8d\n", width, r.Candidate,
				ms(r.P50), ms(r.P90), ms(r.P99), ms(r.P999), 100*r.Failed, bad, r.Spread, r.Attempts, r.Probes, r.InFlight99)
		}
	}
	if blocks > 1 {
		fmt.Fprintf(&b, "\nall %d scenarios: geometric means of quantiles, mean of failures\n", blocks)
		fmt.Fprintf(&b, "  %-*s %6s %6s %6s %6s %8s\n", width, "", "p50", "", "p99", "p99.9", "failed %")
		for _, s := range Summarize(results) {
			fmt.Fprintf(&b, "  %-*s %6s %6s %6s %6s %8.3f\n", width, s.Candidate, ms(s.P50), "", ms(s.P99), ms(s.P999), 100*s.Failed)
		}
	}
	return b.String()
}

func only(results []Result, scenario string) (of []Result) {
	for _, r := range results {
		if r.Scenario == scenario {
			of = append(of, r)
		}
	}
	return of
}

func ms(d time.Duration) string { return fmt.Sprintf("%.0f", float64(d)/1e6) }

// A Summary is how one candidate fared in several scenarios.
type Summary struct {
	Candidate string

	// Geometric means over the scenarios.
	P50, P99, P999 time.Duration

	// Failed is the mean share of calls that failed.
	Failed float64
}

// Summarize returns a summary for each candidate, in the order in which they
// come first. They are worth comparing if each has a result in each scenario.
func Summarize(results []Result) []Summary {
	var summaries []Summary
	done := make(map[string]bool)
	for _, first := range results {
		if done[first.Candidate] {
			continue
		}
		done[first.Candidate] = true
		var p50, p99, p999, failed, n float64 // sums of logarithms, but for the last two
		for _, r := range results {
			if r.Candidate == first.Candidate {
				p50 += math.Log(float64(max(1, r.P50)))
				p99 += math.Log(float64(max(1, r.P99)))
				p999 += math.Log(float64(max(1, r.P999)))
				failed += r.Failed
				n++
			}
		}
		summaries = append(summaries, Summary{
			Candidate: first.Candidate,
			P50:       time.Duration(math.Exp(p50 / n)),
			P99:       time.Duration(math.Exp(p99 / n)),
			P999:      time.Duration(math.Exp(p999 / n)),
			Failed:    failed / n,
		})
	}
	return summaries
}
