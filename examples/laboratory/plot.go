package main

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/namesake-go/namesake/balancer/laboratory"
)

// The size of all plots, in their own units: narrow, so that their text can be
// read on a phone.
const (
	plotWidth, plotHeight = 400, 240
	left, right, top      = 40, 14, 20
	bottom                = 30 // below a chart
	rowHeight             = 20
	labels                = 126 // width of the rows' names
	apart                 = 9   // from the first mark of a row to the last, up and down
)

// A tick is a number beside an axis.
type tick struct {
	At   float64
	Text string
}

// A scale maps values to places.
type scale struct {
	from, to   float64 // values
	start, end float64 // places
	log        bool
	ticks      []tick
}

func (s scale) at(v float64) float64 {
	from, to := s.from, s.to
	if s.log {
		v, from, to = math.Log(v), math.Log(from), math.Log(to)
	}
	share := min(max((v-from)/(to-from), 0), 1)
	return s.start + share*(s.end-s.start)
}

// logScale is a logarithmic scale of milliseconds with ticks at 1, 2 and 5.
func logScale(least, most time.Duration, start, end float64) scale {
	s := scale{from: max(1, float64(least)/1e6) / 1.15, to: max(2, float64(most)/1e6) * 1.05, start: start, end: end, log: true}
	for decade := 1.0; decade < 1e6; decade *= 10 {
		for _, k := range []float64{1, 2, 5} {
			if v := k * decade; v >= s.from && v <= s.to {
				s.ticks = append(s.ticks, tick{s.at(v), fmt.Sprintf("%.0f", v)})
			}
		}
	}
	return s
}

// linearScale has ticks at round distances, about five of them.
func linearScale(from, to, start, end float64, format string) scale {
	s := scale{from: from, to: to, start: start, end: end}
	step := math.Pow(10, math.Floor(math.Log10((to-from)/2)))
	for _, k := range []float64{5, 2, 1} {
		if (to-from)/(k*step) >= 3 {
			step *= k
			break
		}
	}
	for k := int(math.Ceil(from/step - 1e-9)); float64(k)*step <= to+1e-9; k++ {
		v := float64(k) * step
		s.ticks = append(s.ticks, tick{s.at(v), fmt.Sprintf(format, v)})
	}
	return s
}

// A chart has a line for each policy.
type chart struct {
	Title, About   string
	XLabel, YLabel string
	X, Y           []tick
	Mark           float64 // a line across, if not 0
	Lines          []line
}

// A line belongs to a policy.
type line struct {
	look
	Name   string
	Points string
}

// point adds a point.
func (l *line) point(x, y float64) { l.Points += fmt.Sprintf("%.1f,%.1f ", x, y) }

// rampChart shows p99 over load.
func rampChart(ramp []laboratory.Scenario, results []laboratory.Result, policies int) *chart {
	least, most := extremes(results, func(r laboratory.Result) time.Duration { return r.P99 })
	x := linearScale(100*ramp[0].Load, 100*ramp[len(ramp)-1].Load, left, plotWidth-right, "%.0f")
	y := logScale(least, most, plotHeight-bottom, top)
	c := &chart{XLabel: "load, % of allocation", YLabel: "p99, ms", X: x.ticks, Y: y.ticks}
	for p := range policies {
		l := line{look: look{p}, Name: results[p].Candidate}
		for i, s := range ramp {
			l.point(x.at(100*s.Load), y.at(float64(results[i*policies+p].P99)/1e6))
		}
		c.Lines = append(c.Lines, l)
	}
	return c
}

// smooth is over how many slices shares are averaged.
const smooth = 4

// shareChart shows which share of the attempts went to the bad copies, over
// time.
func shareChart(s laboratory.Scenario, results []laboratory.Result) *chart {
	shares := make([][]float64, len(results))
	most, longest := 0.01, 0
	for p, r := range results {
		for i := range r.Slices {
			var attempts, bad int
			for _, slice := range r.Slices[max(0, i-smooth+1) : i+1] {
				attempts += slice.Attempts
				bad += slice.Bad
			}
			if r.Slices[i].Attempts == 0 {
				break // no more calls
			}
			shares[p] = append(shares[p], float64(bad)/float64(attempts))
		}
		longest = max(longest, len(shares[p]))
		if len(shares[p]) > 0 {
			most = max(most, slices.Max(shares[p]))
		}
	}
	x := linearScale(0, float64(longest)*laboratory.SliceTime.Seconds(), left, plotWidth-right, "%.0f")
	y := linearScale(0, 105*most, plotHeight-bottom, top, "%.3g")
	warmup := s.Warmup
	if warmup == 0 {
		warmup = 12 * time.Second
	}
	c := &chart{
		Title: s.Name, About: s.About, XLabel: "time, s", YLabel: "share, %",
		X: x.ticks, Y: y.ticks, Mark: x.at(warmup.Seconds()),
	}
	for p := range results {
		l := line{look: look{p}, Name: results[p].Candidate}
		for i, share := range shares[p] {
			l.point(x.at((float64(i)+0.5)*laboratory.SliceTime.Seconds()), y.at(100*share))
		}
		c.Lines = append(c.Lines, l)
	}
	return c
}

// dots are one row of marks for each scenario, one mark for each policy.
type dots struct {
	Height, Bottom int
	X              []tick
	Rows           []row
}

type row struct {
	Name  string
	Y     float64
	Marks []mark
}

// A mark belongs to a policy.
type mark struct {
	look
	X, Y float64
	Text string
}

func newDots(scenarios []laboratory.Scenario, results []laboratory.Result, policies int) dots {
	least, most := extremes(results, func(r laboratory.Result) time.Duration { return r.P99 })
	x := logScale(least, most, labels+6, plotWidth-right)
	d := dots{Height: rowHeight * (len(scenarios) + 2), Bottom: rowHeight * len(scenarios), X: x.ticks}
	for i, s := range scenarios {
		r := row{Name: s.Name, Y: rowHeight * (float64(i) + 0.7)}
		for p, result := range results[i*policies : (i+1)*policies] {
			r.Marks = append(r.Marks, mark{
				look: look{p}, X: x.at(float64(result.P99) / 1e6),
				Y:    r.Y + apart*(float64(p)-float64(policies-1)/2)/float64(policies),
				Text: fmt.Sprintf("%s, %s: %.0f ms", s.Name, result.Candidate, float64(result.P99)/1e6),
			})
		}
		slices.Reverse(r.Marks) // the first are drawn last, on top
		d.Rows = append(d.Rows, r)
	}
	return d
}

func extremes(results []laboratory.Result, of func(laboratory.Result) time.Duration) (least, most time.Duration) {
	least = math.MaxInt64
	for _, r := range results {
		least, most = min(least, of(r)), max(most, of(r))
	}
	return least, most
}

// A look is how a policy is drawn. After four, shapes and dashes begin anew, and
// after twelve the colors do.
type look struct{ policy int }

// Color is the number of its color.
func (l look) Color() int { return l.policy % 12 }

// Dash is the number of its way of interrupting lines.
func (l look) Dash() int { return l.policy % 4 }

// Shape is the outline of its marks, around 0,0.
func (l look) Shape() string {
	return [...]string{
		"M-4,0 a4,4 0 1,0 8,0 a4,4 0 1,0 -8,0",
		"M-3.5,-3.5 h7 v7 h-7 z",
		"M0,-5 L5,0 L0,5 L-5,0 z",
		"M0,-4.5 L4.5,3.5 L-4.5,3.5 z",
	}[l.policy%4]
}
