package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer/balancertest"
)

func TestTableAndPage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.html")
	var out, progress bytes.Buffer
	err := run(t.Context(), []string{"-scenario", "brown-out,equal-25", "-policy", "RoundRobin|least", "-html", file}, &out, &progress)
	require.NoError(t, err)
	for _, text := range []string{"brown-out: four callers", "equal-25: ", "  RoundRobin ", "  leastOfThree ", "all 2 scenarios"} {
		assert.Contains(t, out.String(), text)
	}
	assert.Equal(t, 4, strings.Count(out.String()[:strings.Index(out.String(), "all 2")], "leastOfThree")+
		strings.Count(out.String(), "RoundRobin")-1, "a line for each policy and scenario")
	assert.Contains(t, progress.String(), "4 of 4")

	page, err := os.ReadFile(file)
	require.NoError(t, err)
	text := string(page)
	assert.Equal(t, 2, strings.Count(text, "<details>"), "a table for each scenario")
	assert.Equal(t, 3, strings.Count(text, `<svg class="plot"`), "marks, ramp, and the share of the bad copy")
	assert.Equal(t, 2*2, strings.Count(text, "<title>brown-out")+strings.Count(text, "<title>equal"), "a mark for each policy and scenario")
	assert.True(t, strings.HasSuffix(text, "</html>\n"))
	for _, wrong := range []string{"NaN", "Inf", "ZgotmplZ", "http:", "https:", "<script", "%!"} {
		assert.NotContains(t, text, wrong)
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
