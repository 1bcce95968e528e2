package main

import (
	"bytes"
	"flag"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// All events, in a hurry: no call fails.
func TestQuickstart(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-duration", "6s", "-rate", "100"}, &out), out.String())
	t.Log(out.String())
	for _, want := range []string{"fourth copy joins", "stops gracefully", "crashes", "three times as slow", "goes away", "is back", "fifth copy", " calls, 0 failed\n"} {
		assert.Contains(t, out.String(), want)
	}
}

func TestFlags(t *testing.T) {
	var out bytes.Buffer
	require.ErrorContains(t, run(t.Context(), []string{"-rate", "0"}, &out), "-rate")
	require.ErrorContains(t, run(t.Context(), []string{"-duration", "-1s"}, &out), "-duration")
	require.ErrorIs(t, run(t.Context(), []string{"-h"}, &out), flag.ErrHelp)
	assert.Contains(t, out.String(), "-registry")
	require.Error(t, run(t.Context(), []string{"-registry", "not a url", "-duration", "1s"}, &out))
}
