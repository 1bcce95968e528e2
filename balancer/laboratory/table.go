package laboratory

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Table returns the results as text: one block for each scenario, and one with
// all of them together if there are several. Times are in milliseconds.
func Table(scenarios []Scenario, results []Result) string {
	var b strings.Builder
	for _, s := range scenarios {
		of := only(results, s.Name)
		if len(of) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s: %s\n", s.Name, s.About)
		writeBlock(&b, of)
		b.WriteString("\n")
	}
	if len(scenarios) > 1 {
		fmt.Fprintf(&b, "all %d scenarios: geometric means of quantiles, mean of failures\n", len(scenarios))
		writeSummary(&b, Summarize(results))
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

func writeBlock(b *strings.Builder, results []Result) {
	fmt.Fprintf(b, "  %-28s %6s %6s %6s %6s %8s %7s %7s %7s %7s\n",
		"", "p50", "p90", "p99", "p99.9", "failed %", "bad %", "spread", "probes", "rif p99")
	for _, r := range results {
		bad := "-"
		if r.HasBad {
			bad = fmt.Sprintf("%.2f", 100*r.BadShare)
		}
		fmt.Fprintf(b, "  %-28s %6s %6s %6s %6s %8.3f %7s %7.2f %7.2f %7d\n", r.Candidate,
			ms(r.P50), ms(r.P90), ms(r.P99), ms(r.P999), 100*r.Failed, bad, r.Spread, r.Probes, r.InFlight99)
	}
}

func writeSummary(b *strings.Builder, summaries []Summary) {
	fmt.Fprintf(b, "  %-28s %6s %6s %6s %8s\n", "", "p50", "p99", "p99.9", "failed %")
	for _, s := range summaries {
		fmt.Fprintf(b, "  %-28s %6s %6s %6s %8.3f\n", s.Candidate, ms(s.P50), ms(s.P99), ms(s.P999), 100*s.Failed)
	}
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
// come first.
func Summarize(results []Result) []Summary {
	var summaries []Summary
	done := make(map[string]bool)
	for _, first := range results {
		if done[first.Candidate] {
			continue
		}
		done[first.Candidate] = true
		var p50, p99, p999, failed, n float64
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
