package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Without an agent, the program says what is missing, and stops when it is
// told to.
func TestRunWithoutAnAgent(t *testing.T) {
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Permission denied", http.StatusForbidden)
	}))
	defer agent.Close()
	err := run(t.Context(), []string{"-agent", agent.URL}, io.Discard)
	assert.ErrorContains(t, err, `consul: register "greeter": `+agent.URL+`: answered 403 Forbidden: Permission denied`)
}

// With one, each copy calls the service by its name.
func TestRun(t *testing.T) {
	var registered atomic.Pointer[string]
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /v1/agent/service/register", func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		registered.Store(new(string(body)))
	})
	mux.HandleFunc("PUT /v1/agent/", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /v1/health/service/greeter", func(w http.ResponseWriter, _ *http.Request) {
		if service := registered.Load(); service != nil {
			_, _ = io.WriteString(w, `[{"Node":{"Node":"n1"},"Service":`+*service+`}]`)
		} else {
			_, _ = io.WriteString(w, "[]")
		}
	})
	agent := httptest.NewServer(mux)
	defer agent.Close()

	ctx, stop := context.WithCancel(t.Context())
	output, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-agent", agent.URL, "-name", "Ann", "-interval", "10ms"}, stdout)
		_ = stdout.Close()
	}()
	lines := bufio.NewScanner(output)
	for lines.Scan() && !strings.Contains(lines.Text(), "hello from Ann") {
	}
	require.Equal(t, "hello from Ann", lines.Text())
	stop()
	_, err := io.Copy(io.Discard, output)
	require.NoError(t, err)
	assert.NoError(t, <-ended)
}
