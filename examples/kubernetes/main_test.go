package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Outside of a cluster, the program says what is missing.
func TestRunWithoutACluster(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	require.ErrorIs(t, run(t.Context(), []string{"-kubeconfig", missing}, io.Discard), os.ErrNotExist)
}

// In one, each copy calls the service by its name.
func TestRun(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := listener.Addr().(*net.TCPAddr)
	require.NoError(t, listener.Close())

	mux := http.NewServeMux()
	mux.HandleFunc("GET /apis/discovery.k8s.io/v1/namespaces/shop/endpointslices", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") != "" {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		assert.Equal(t, "kubernetes.io/service-name=greeter", r.URL.Query().Get("labelSelector"))
		fmt.Fprintf(w, `{"kind":"EndpointSliceList","metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"greeter-1"},
			"addressType":"IPv4","endpoints":[{"addresses":["127.0.0.1"]}],"ports":[{"name":"http","port":%d}]}]}`, addr.Port)
	})
	api := httptest.NewServer(mux)
	defer api.Close()
	kubeconfig := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(kubeconfig, fmt.Appendf(nil, `{"current-context":"c","contexts":[{"name":"c","context":
		{"cluster":"c","namespace":"shop"}}],"clusters":[{"name":"c","cluster":{"server":%q}}]}`, api.URL), 0o600))

	ctx, stop := context.WithCancel(t.Context())
	output, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-kubeconfig", kubeconfig, "-addr", addr.String(), "-name", "Ann", "-interval", "10ms", "-lame-duck", "10ms"}, stdout)
		_ = stdout.Close()
	}()
	lines := bufio.NewScanner(output)
	for lines.Scan() && !strings.Contains(lines.Text(), "hello from Ann") {
	}
	require.Equal(t, "hello from Ann", lines.Text())
	stop()
	_, err = io.Copy(io.Discard, output)
	require.NoError(t, err)
	assert.NoError(t, <-ended)
}
