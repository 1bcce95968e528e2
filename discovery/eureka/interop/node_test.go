package interop

import (
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// modules returns the folder of the packages that our programs for Node use.
func modules(t *testing.T) string {
	t.Helper()
	need(t, "node", "npm")
	requirements := []string{"node/package.json", "node/package-lock.json"}
	folder := cached(t, "node", requirements, func(folder string) {
		for _, name := range requirements {
			content, err := os.ReadFile(name)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(folder, filepath.Base(name)), content, 0o644))
		}
		run(t, folder, nil, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	})
	return filepath.Join(folder, "node_modules")
}

func TestNode(t *testing.T) {
	env := []string{"NODE_PATH=" + modules(t)}
	for name, delta := range map[string]bool{"full": false, "delta": true} {
		t.Run(name, func(t *testing.T) {
			server := serve(t)
			at, err := url.Parse(server.url)
			require.NoError(t, err)
			announce(t, server.url, "orders-1", 8081)
			client := start(t, "node", env, "node", "node/client.js", at.Port(), at.Path+"/apps/", strconv.FormatBool(delta))
			client.expect("REGISTERED")
			client.expect("ORDERS 1 orders-1@8081")

			const id = "127.0.0.1:node:8080"
			in, ok := instance(t, server.url, "NODE-SERVICE", id)
			require.True(t, ok)
			assert.Equal(t, "node.service", in.VIPAddress)
			assert.Equal(t, map[string]string{"zone": "z1", "1a_b c": "odd"}, in.Metadata)

			announce(t, server.url, "orders-2", 8082)
			client.expect("ORDERS 2 orders-1@8081 orders-2@8082")
			if !delta { // whose reader tells instances apart by host and port, and does not look at their status
				announce(t, server.url, "orders-2", 8083)
				client.expect("ORDERS 2 orders-1@8081 orders-2@8083")
				status, _ := ask(t, "PUT", server.url+"/apps/ORDERS/orders-2/status?value=OUT_OF_SERVICE", "")
				require.Equal(t, 200, status)
				client.expect("ORDERS 1 orders-1@8081")
				status, _ = ask(t, "DELETE", server.url+"/apps/ORDERS/orders-2/status?value=UP", "")
				require.Equal(t, 200, status)
				client.expect("ORDERS 2 orders-1@8081 orders-2@8083")
				announce(t, server.url, "orders-2", 8082)
			}
			withdraw(t, server.url, "orders-1")
			client.expect("ORDERS 1 orders-2@8082")

			heartbeats := "PUT /apps/node-service/" + id
			eventually(t, "heartbeats", func() bool { return server.requests(heartbeats+" 200") >= 2 })
			fetches := server.requests("GET /apps/delta 200")
			assert.Equal(t, delta, fetches > 0)

			// A server that has lost the instance gets it back.
			status, _ := ask(t, "DELETE", server.url+"/apps/NODE-SERVICE/"+id, "")
			require.Equal(t, 200, status)
			eventually(t, "registered again", func() bool { return server.requests("POST /apps/node-service 204") == 2 })

			client.stop()
			client.expect("DEREGISTERED")
			_, ok = instance(t, server.url, "NODE-SERVICE", id)
			assert.False(t, ok)
			assert.Equal(t, []string{"GET /apps/NODE-SERVICE/" + id + " 404", heartbeats + " 404"}, server.refused())
		})
	}
}
