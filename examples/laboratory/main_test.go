package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer/balancertest"
	"github.com/namesake-go/namesake/balancer/laboratory"
)

func TestTable(t *testing.T) {
	var out, progress bytes.Buffer
	err := run(t.Context(), []string{"-scenario", "brown-out,three-copies", "-policy", "RoundRobin|least"}, &out, &progress)
	require.NoError(t, err)
	for _, text := range []string{"brown-out: four callers", "three-copies: ", "  RoundRobin ", "  leastOfThree ", "all 2 scenarios"} {
		assert.Contains(t, out.String(), text)
	}
	assert.Equal(t, 3, strings.Count(out.String(), "leastOfThree"), "two scenarios, and all together")
	assert.Contains(t, progress.String(), "4 of 4")
}

func TestPage(t *testing.T) {
	short := func(all []laboratory.Scenario) []laboratory.Scenario {
		for i := range all {
			all[i].Warmup, all[i].Measured = time.Second, time.Second
		}
		return all
	}
	two := []laboratory.Scenario{laboratory.Scenarios()[0], laboratory.Scenarios()[3]} // the second has bad copies
	policies := candidates()[:2]
	results, err := laboratory.Run(t.Context(), short(two), policies, laboratory.Options{})
	require.NoError(t, err)
	loads, err := laboratory.Run(t.Context(), short(ramp()), policies, laboratory.Options{})
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, writePage(&b, two, policies, results, ramp(), loads))

	page := b.String()
	assert.Equal(t, 2, strings.Count(page, "<details>"), "a table for each scenario")
	assert.Equal(t, 3, strings.Count(page, `<svg class="plot"`), "marks, ramp, and the share of the bad copies")
	for _, s := range two {
		assert.Equal(t, 2, strings.Count(page, "<title>"+s.Name+", "), "a mark for each policy")
	}
	assert.True(t, strings.HasSuffix(page, "</html>\n"))
	for _, wrong := range []string{"NaN", "Inf", "ZgotmplZ", "http:", "https:", "<script", "%!"} {
		assert.NotContains(t, page, wrong)
	}
}

func TestList(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-list", "-policy", "Peak"}, &out, io.Discard))
	assert.Contains(t, out.String(), "slow-copies")
	assert.Contains(t, out.String(), "PeakEWMA")
	assert.NotContains(t, out.String(), "RoundRobin")
}

func TestWhatDoesNotExist(t *testing.T) {
	assert.ErrorContains(t, run(t.Context(), []string{"-scenario", "none"}, io.Discard, io.Discard), `nothing is named "none"`)
	assert.ErrorContains(t, run(t.Context(), []string{"-policy", "("}, io.Discard, io.Discard), "laboratory: ")
	assert.Error(t, run(t.Context(), []string{"-unknown"}, io.Discard, io.Discard))
}

func TestConformance(t *testing.T) {
	balancertest.TestPolicy(t, leastOfThree, balancertest.EvenSpread())
}
