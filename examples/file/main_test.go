package main

import (
	"bufio"
	"context"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The files change while calls go on.
func TestRun(t *testing.T) {
	serve := func(name string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	blue, green := serve("blue"), serve("green")
	path := filepath.Join(t.TempDir(), "orders.json")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	write(`{"orders": ["` + blue + `"]}`)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	output, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-folder", filepath.Dir(path), "-every", "10ms", "http://orders/"}, stdout)
		_ = stdout.Close()
	}()
	lines := bufio.NewScanner(output)
	await := func(want string) {
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
			assert.NotContains(t, lines.Text(), "call failed")
		}
		require.Fail(t, "the output has ended", "want %s", want)
	}

	await("200 OK: blue")
	write(`{"orders": ["` + green + `"]}`)
	await(`msg="copy removed" addr=` + blue)
	await("200 OK: green")
	write(`{"orders": [`)
	await("orders.json:1:13: the file ends in the middle")
	await("200 OK: green") // the last set stands
	stop()
	go func() { _, _ = io.Copy(io.Discard, output) }()
	assert.NoError(t, <-ended)
}

func TestFlags(t *testing.T) {
	var out strings.Builder
	require.ErrorContains(t, run(t.Context(), nil, &out), "want one URL")
	require.ErrorIs(t, run(t.Context(), []string{"-h"}, &out), flag.ErrHelp)
	assert.Contains(t, out.String(), "-folder folder")
}
