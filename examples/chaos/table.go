package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// A table has a row for each scenario. On a terminal it is drawn again and
// again; elsewhere a row is printed when it is done.
type table struct {
	w        io.Writer
	terminal bool

	mu    sync.Mutex // guards the rest
	rows  []*row
	drawn bool
}

type row struct {
	scenario *scenario
	world    *world // nil before it begins
	result   *result
	verdict  *verdict // nil until it is over
}

func newTable(w io.Writer, chosen []*scenario) *table {
	t := &table{w: w, terminal: isTerminal(w)}
	for _, s := range chosen {
		t.rows = append(t.rows, &row{scenario: s})
	}
	if !t.terminal {
		fmt.Fprintln(w, header)
	}
	return t
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// started says that a row has begun.
func (t *table) started(r *row, w *world) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.world = w
}

// done says what a row came to.
func (t *table) done(r *row, result *result, v *verdict) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.result, r.verdict = result, v
	if !t.terminal {
		fmt.Fprintln(t.w, r.line())
	}
}

// draw draws the table over the last one, if there is a terminal to do so.
func (t *table) draw() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.terminal {
		return
	}
	var b strings.Builder
	b.WriteString("\x1b[?7l") // what is too long for a line is cut off
	if t.drawn {
		fmt.Fprintf(&b, "\x1b[%dA", len(t.rows)+1)
	}
	t.drawn = true
	for _, line := range append([]string{header}, t.lines()...) {
		b.WriteString(line + "\x1b[K\n")
	}
	b.WriteString("\x1b[?7h")
	_, _ = io.WriteString(t.w, b.String())
}

func (t *table) lines() []string {
	var lines []string
	for _, r := range t.rows {
		if r.world != nil && r.verdict == nil {
			r.result = r.world.meter.result()
		}
		lines = append(lines, r.line())
	}
	return lines
}

// The columns. Failed are calls that may be repeated and calls that must not
// be. From p50 to <1%, it is what happened while the fault lasted.
const header = "scenario                             calls   failed  att/call     p50     p99    bad    <1%   back"

func (r *row) line() string {
	if r.result == nil {
		return fmt.Sprintf("%-34s %7s", r.scenario.name, "-")
	}
	x := r.result
	bad, gone, back := "-", "-", "-"
	if r.scenario.oneBad {
		bad = fmt.Sprintf("%.1f%%", 100*x.badShare)
		gone, back = x.gone.within(x.during), x.back.within(x.recovery)
	}
	note, state := "", "..."
	if r.scenario.note != nil {
		note = "  " + r.scenario.note(r.world, x)
	}
	switch {
	case r.verdict == nil:
	case len(r.verdict.broken) > 0:
		state = "BROKEN"
	default:
		state = "ok"
	}
	return fmt.Sprintf("%-34s %7d %4d+%-4d %8.2f %7s %7s %6s %6s %6s  %s%s", r.scenario.name, x.calls, x.repeatable(), x.failed[post],
		float64(x.attempts)/float64(max(1, x.calls)), millis(x.p50), millis(x.p99), bad, gone, back, state, note)
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
}

// within says when a moment came, of the time in which it could.
func (m moment) within(d time.Duration) string {
	if !m.ok {
		return fmt.Sprintf(">%.1fs", d.Seconds())
	}
	return fmt.Sprintf("%.2fs", m.after.Seconds())
}
