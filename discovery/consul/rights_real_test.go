package consul_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/consul"
)

// A token that loses a right, and is not revoked, costs no copies.
func TestRealNarrowedRights(t *testing.T) {
	a := startAgent(t)
	a.set(t, "orders", discovery.Instance{ID: "a", Addr: "192.0.2.1:80"})
	c := consul.New(a.base, consul.WithToken(ourToken), consul.WithWait(time.Second))
	defer c.Close()
	narrow := func() {
		text, err := a.ask(t.Context(), http.MethodGet, "/v1/acl/policy/name/ours", nil)
		require.NoError(t, err)
		var policy struct{ ID string }
		require.NoError(t, json.Unmarshal([]byte(text), &policy))
		_, err = a.ask(t.Context(), http.MethodPut, "/v1/acl/policy/"+policy.ID, map[string]any{"Name": "ours", "Rules": `service_prefix "" { policy = "read" }`})
		require.NoError(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	narrowed := false
	for set, err := range c.Watch(ctx, "orders") {
		switch {
		case err != nil && strings.Contains(err.Error(), "the token may see none of its copies"):
			return
		case err != nil: // what the agent says first depends on how it follows the service itself
		default:
			require.Len(t, set, 1)
			if !narrowed {
				narrow()
			}
			narrowed = true
		}
	}
	require.Fail(t, "it is not said which right is missing")
}
