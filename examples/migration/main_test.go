package main

import (
	"bytes"
	"flag"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Everything, in a hurry, over real sockets: no call is lost, and a copy that
// is in both registries is one endpoint.
func TestMigration(t *testing.T) {
	var out bytes.Buffer
	err := run(t.Context(), []string{"-pause", "500ms", "-rate", "200"}, &out)
	t.Log(out.String())
	require.NoError(t, err)
	for _, want := range []string{
		`(?m)^all copies are in the old registry .* 0 lost; 3 copies started, 3 endpoints made$`,
		`(?m)^they are replaced by copies in both .* 0 lost; 6 copies started, 6 endpoints made$`,
		`(?m)^the old registry is shut down .* 0 lost; 9 copies started, 9 endpoints made$`,
		`(?m)^ *[1-9][0-9]{2,} calls, 0 lost; the registries' errors: [1-9]`,
	} {
		assert.Regexp(t, regexp.MustCompile(want), out.String())
	}
}

func TestFlags(t *testing.T) {
	var out bytes.Buffer
	require.ErrorContains(t, run(t.Context(), []string{"-rate", "0"}, &out), "-rate")
	require.ErrorContains(t, run(t.Context(), []string{"-pause", "-1s"}, &out), "-pause")
	require.ErrorIs(t, run(t.Context(), []string{"-h"}, &out), flag.ErrHelp)
	assert.Contains(t, out.String(), "-rate")
}
