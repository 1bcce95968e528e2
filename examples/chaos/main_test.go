package main

import (
	"bytes"
	"flag"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// punctual is how late calls may begin at most for what they met to mean
// anything: later than that, the machine has stood still, and healthy copies
// with it.
const punctual = 250 * time.Millisecond

// All scenarios, in a hurry, over real sockets. What must hold is counted, not
// timed; the rest is in the log.
func TestScenarios(t *testing.T) {
	const atOnce = 4 // they wait more than they work
	table := newTable(t.Output(), scenarios)
	errs := make([]error, len(table.rows))
	slots := make(chan struct{}, atOnce)
	var group sync.WaitGroup
	for i, r := range table.rows {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			for range 3 { // until the machine lets it
				errs[i] = table.play(t.Context(), r, 6*time.Second, 60)
				if errs[i] != nil || len(r.verdict.broken) == 0 || r.result.late < punctual {
					return
				}
			}
		})
	}
	group.Wait()
	goodput := make(map[string]float64)
	for i, r := range table.rows {
		t.Run(r.scenario.name, func(t *testing.T) {
			require.NoError(t, errs[i])
			if len(r.verdict.broken) > 0 && r.result.late >= punctual && os.Getenv("NAMESAKE_CI") == "" {
				t.Skipf("the machine has no time: calls began up to %v late", r.result.late)
			}
			assert.Empty(t, r.verdict.broken, "calls began up to %v late", r.result.late)
			assert.Greater(t, r.result.calls, 100, "there were hardly any calls")
			goodput[r.scenario.name] = r.result.goodput()
		})
	}
	for _, with := range []string{overloadShed, overloadLimit, overloadAdaptive} {
		assert.Greater(t, goodput[with], goodput[overloadBare], with)
	}
}

func TestRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-scenario", "registry is slow", "-seconds", "1"}, &out), out.String())
	assert.Contains(t, out.String(), "the registry is slow")
	assert.Contains(t, out.String(), "  ok")
	assert.NotContains(t, out.String(), "one copy")
}

func TestFlags(t *testing.T) {
	var out bytes.Buffer
	require.ErrorContains(t, run(t.Context(), []string{"-rate", "0"}, &out), "-rate")
	require.ErrorContains(t, run(t.Context(), []string{"-scenario", "("}, &out), "-scenario")
	require.ErrorContains(t, run(t.Context(), []string{"-scenario", "no such"}, &out), "no such")
	require.ErrorIs(t, run(t.Context(), []string{"-h"}, &out), flag.ErrHelp)
	assert.Contains(t, out.String(), "-seconds")
	out.Reset()
	require.NoError(t, run(t.Context(), []string{"-list", "-scenario", "^the registry"}, &out))
	assert.Equal(t, "the registry is down\nthe registry is slow\nthe registry answers garbage\nthe registry loses all copies\n", out.String())
}

// The meter's sums, on figures that can be checked by hand.
func TestResult(t *testing.T) {
	assert.Equal(t, moment{}, gone(nil, 0))
	picks := make([]choice, 300)
	for i := range picks {
		picks[i] = choice{time.Duration(i) * time.Millisecond, i < 10 || i == 200}
	}
	// From the attempt with the number 9 on, 2 of 291 are bad: less than 1 %.
	// One earlier they are 3 of 292.
	assert.Equal(t, moment{9 * time.Millisecond, true}, gone(picks, 0))
	bad, part := share(picks[:20])
	assert.Equal(t, 10, bad)
	assert.InDelta(t, 0.5, part, 0)
	assert.Equal(t, moment{}, back(picks[10:], 0, 1./3))
	for i := 240; i < 300; i++ {
		picks[i].bad = i%3 == 0
	}
	assert.True(t, back(picks, 0, 1./3).ok)
}
