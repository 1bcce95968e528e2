package main

import (
	"bytes"
	"context"
	"flag"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEureka(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), nil, &out), out.String())
	t.Log(out.String())
	for _, want := range []string{
		"orders-1 listens at 127.0.0.1:",
		"10 times: orders-1: stock-1 has 10 pieces, of which orders-1 has reserved 2\n",
		"--- stock-1 leaves",
		"--- stock-2 crashes, and nobody tells the registry\n30 times: orders-1: stock-3 has 10 pieces",
	} {
		assert.Contains(t, out.String(), want)
	}
}

func TestFlags(t *testing.T) {
	var out bytes.Buffer
	require.ErrorIs(t, run(t.Context(), []string{"-h"}, &out), flag.ErrHelp)
	assert.Contains(t, out.String(), "-registry")
	require.ErrorContains(t, run(t.Context(), []string{"-registry", "nowhere"}, &out), "begins with neither http:// nor https://")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, run(ctx, nil, &out), context.Canceled)
}
