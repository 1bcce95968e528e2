package interop

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// Our server and Spring's are each other's peers: what is said at one is known
// at the other.
func TestSpringAsPeer(t *testing.T) {
	t.Parallel()
	spring := reserve(t, "127.0.0.2")
	ours := serve(t, eurekaserver.WithPeers(eurekaserver.PeersConfig{URLs: []string{spring.url + "/"}}))
	ours.Start()
	spring.start(t, strings.TrimSuffix(ours.url, "/v2"))
	spring.expect("STARTED")
	eventually(t, "the peer is known", func() bool {
		peers := ours.Peers()
		return len(peers) == 1 && peers[0].Reachable && peers[0].Kind == eurekaserver.PeerEureka
	})
	eventually(t, "Spring's server has registered with ours", func() bool {
		_, body := ask(t, "GET", ours.url+"/apps/REGISTRY", "")
		return strings.Contains(body, `"status":"UP"`)
	})

	for name, at := range map[string]struct{ here, there string }{
		"from ours":   {ours.url, spring.url},
		"from Spring": {spring.url, ours.url},
	} {
		t.Run(name, func(t *testing.T) {
			id := strings.ReplaceAll(name, " ", "-")
			path := "/apps/ORDERS/" + id
			becomes := func(server string, status, override wire.Status) {
				t.Helper()
				eventually(t, string(status)+" at "+server, func() bool {
					in, _ := instance(t, server, "ORDERS", id)
					return in.Status == status && in.OverriddenStatus == override
				})
			}
			said := func(method, path string) {
				t.Helper()
				status, body := ask(t, method, at.here+path, "")
				require.Equal(t, http.StatusOK, status, body)
			}

			announce(t, at.here, id, 8081)
			becomes(at.there, wire.Up, wire.Unknown)
			in, _ := instance(t, at.there, "ORDERS", id)
			assert.Equal(t, 8081, in.Port.Number)
			assert.Equal(t, "orders", in.VIPAddress)

			said("PUT", path+"/status?value=OUT_OF_SERVICE")
			becomes(at.there, wire.OutOfService, wire.OutOfService)
			said("PUT", path) // a heartbeat changes nothing of that
			said("DELETE", path+"/status?value=UP")
			becomes(at.there, wire.Up, wire.Unknown)
			said("PUT", path+"/metadata?color=blue")
			eventually(t, "metadata", func() bool {
				in, _ := instance(t, at.there, "ORDERS", id)
				return in.Metadata["color"] == "blue"
			})

			// One that is lost there comes back with a heartbeat here. Heartbeats
			// in quick succession would hold up all that Spring's server sends, and
			// ours remembers for half a minute what its peers have withdrawn.
			forget(t, at.there, path)
			var last time.Time
			eventually(t, "back with a heartbeat", func() bool {
				if time.Since(last) > 2*time.Second {
					last = time.Now()
					said("PUT", path)
				}
				_, ok := instance(t, at.there, "ORDERS", id)
				return ok
			})
			becomes(at.there, wire.Up, wire.Unknown)

			said("DELETE", path)
			eventually(t, "withdrawn", func() bool {
				_, ok := instance(t, at.there, "ORDERS", id)
				return !ok
			})
			_, ok := instance(t, at.here, "ORDERS", id)
			assert.False(t, ok)
		})
	}
}

// forget makes one server lose an instance without telling its peers.
func forget(t *testing.T, server, path string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, server+path, nil)
	require.NoError(t, err)
	req.Header.Set("x-netflix-discovery-replication", "true")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
}
