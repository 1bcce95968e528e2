package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/namesake-go/namesake/balancer/laboratory"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"ms":      func(d time.Duration) string { return fmt.Sprintf("%.0f", float64(d)/1e6) },
	"percent": func(share float64) string { return fmt.Sprintf("%.2f", 100*share) },
}).Parse(pageText))

// A page is what the template shows.
type page struct {
	Legend    []mark
	Summaries []laboratory.Summary
	Quantiles dots
	Ramp      *chart
	Shares    []*chart
	Tables    []table
}

type table struct {
	Name, About string
	HasBad      bool
	Results     []laboratory.Result
}

// writePage writes the results as a page that needs nothing else.
func writePage(w io.Writer, scenarios []laboratory.Scenario, policies []laboratory.Candidate, results []laboratory.Result,
	ramp []laboratory.Scenario, loads []laboratory.Result,
) error {
	p := page{Summaries: laboratory.Summarize(results), Quantiles: newDots(scenarios, results, len(policies))}
	for i, c := range policies {
		p.Legend = append(p.Legend, mark{look: look{i}, Text: c.Name})
	}
	p.Ramp = rampChart(ramp, loads, len(policies))
	for i, s := range scenarios {
		of := results[i*len(policies) : (i+1)*len(policies)]
		p.Tables = append(p.Tables, table{s.Name, s.About, of[0].HasBad, of})
		if of[0].HasBad {
			p.Shares = append(p.Shares, shareChart(s, of))
		}
	}
	return pageTemplate.Execute(w, p)
}
