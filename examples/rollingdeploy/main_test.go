package main

import (
	"bytes"
	"flag"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Everything, in a hurry, over real sockets: no call is lost that must not be.
func TestRollingDeploy(t *testing.T) {
	var out bytes.Buffer
	err := run(t.Context(), []string{"-duration", "4s", "-rate", "200"}, &out)
	t.Log(out.String())
	require.NoError(t, err)
	for _, want := range []string{
		"round 1: orders-4 is ready, orders-1 stops\n", "round 3: orders-12 is ready, orders-9 stops\n",
		"orders-10 crashes", " GETs, 0 lost; ", " POSTs, 0 lost, 0 processed twice\n",
	} {
		assert.Contains(t, out.String(), want)
	}
}

func TestFlags(t *testing.T) {
	var out bytes.Buffer
	require.ErrorContains(t, run(t.Context(), []string{"-rate", "0"}, &out), "-rate")
	require.ErrorContains(t, run(t.Context(), []string{"-duration", "-1s"}, &out), "-duration")
	require.ErrorContains(t, run(t.Context(), []string{"-duration", "1ns"}, &out), "too short")
	require.ErrorIs(t, run(t.Context(), []string{"-h"}, &out), flag.ErrHelp)
	assert.Contains(t, out.String(), "-duration")
}
