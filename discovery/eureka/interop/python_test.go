package interop

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// python returns an interpreter that has what our programs for Python use.
func python(t *testing.T) string {
	t.Helper()
	need(t, "python3")
	folder := cached(t, "python", []string{"python/requirements.txt"}, func(folder string) {
		run(t, "", nil, "python3", "-m", "venv", folder)
		run(t, "", nil, filepath.Join(folder, "bin", "python"),
			"-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", "python/requirements.txt")
	})
	return filepath.Join(folder, "bin", "python")
}

func TestPython(t *testing.T) {
	interpreter := python(t)
	server := serve(t)
	announce(t, server.url, "orders-1", 8081)
	client := start(t, "python", nil, interpreter, "python/client.py", server.url)
	client.expect("STARTED")
	client.expect("ORDERS orders-1@8081")

	const id = "127.0.0.1:python:8080"
	in, ok := instance(t, server.url, "PYTHON-SERVICE", id)
	require.True(t, ok)
	assert.Equal(t, wire.Up, in.Status)
	assert.Equal(t, 8080, in.Port.Number)
	assert.Equal(t, "odd", in.Metadata["1a_b c"])

	// It reads deltas, and all again when their hash is not that of what it has.
	announce(t, server.url, "orders-2", 8082)
	client.expect("ORDERS orders-1@8081 orders-2@8082")
	status, _ := ask(t, "PUT", server.url+"/apps/ORDERS/orders-1/status?value=OUT_OF_SERVICE", "")
	require.Equal(t, 200, status)
	client.expect("ORDERS orders-2@8082")
	withdraw(t, server.url, "orders-1")
	announce(t, server.url, "orders-2", 8083)
	client.expect("ORDERS orders-2@8083")
	assert.Positive(t, server.requests("GET /apps/delta 200"))

	client.tell("status OUT_OF_SERVICE")
	client.expect("DONE")
	in, _ = instance(t, server.url, "PYTHON-SERVICE", id)
	assert.Equal(t, wire.OutOfService, in.Status)
	client.tell("restore")
	client.expect("DONE")
	eventually(t, "up again", func() bool {
		in, _ := instance(t, server.url, "PYTHON-SERVICE", id)
		return in.OverriddenStatus == wire.Unknown && in.Status == wire.Up
	})

	heartbeats := "PUT /apps/PYTHON-SERVICE/" + id
	n := server.requests(heartbeats + " 200")
	eventually(t, "heartbeats", func() bool { return server.requests(heartbeats+" 200") >= n+1 })
	n = server.requests("POST /apps/PYTHON-SERVICE 204")
	status, _ = ask(t, "DELETE", server.url+"/apps/PYTHON-SERVICE/"+id, "")
	require.Equal(t, 200, status)
	eventually(t, "registered again", func() bool { return server.requests("POST /apps/PYTHON-SERVICE 204") > n })

	client.stop()
	client.expect("STOPPED")
	_, ok = instance(t, server.url, "PYTHON-SERVICE", id)
	assert.False(t, ok)
	assert.Equal(t, []string{"GET /apps/PYTHON-SERVICE/" + id + " 404", heartbeats + " 404"}, server.refused())
}
