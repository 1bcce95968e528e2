package eurekaserver_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// Documents that are deep, long or nonsense are refused, and nothing of them
// stays.
func TestHostileDocuments(t *testing.T) {
	s := eurekaserver.New(eurekaserver.WithPeers(eurekaserver.PeersConfig{}))
	defer s.Close()
	const deep = 1<<19 + 1
	nested := strings.Repeat("[", deep) + strings.Repeat("]", deep)
	objects := strings.Repeat(`{"a":`, deep) + "1" + strings.Repeat("}", deep)
	elements := strings.Repeat("<a>", deep/4) + strings.Repeat("</a>", deep/4)
	item := func(member, value string) string {
		return fmt.Sprintf(`{"replicationList":[{"appName":"APP","id":"i1","action":"Register",%q:%s}]}`, member, value)
	}
	for _, tt := range []struct {
		path, body, contentType string
		want                    int
	}{
		{"/apps/APP", nested, "application/json", 413},
		{"/apps/APP", nested[deep-100_000:][:200_000], "application/json", 400},
		{"/apps/APP", `{"instance":{"metadata":` + objects[:100_000] + "}}", "application/json", 400},
		{"/apps/APP", elements[:900_000], "application/xml", 400},
		{"/apps/APP", "<instance><metadata>" + strings.Repeat("<a>", 50_000) + strings.Repeat("</a>", 50_000) + "</metadata></instance>", "text/xml", 400},
		{"/peerreplication/batch", nested, "application/json", 400},
		{"/peerreplication/batch", item("instanceInfo", objects), "application/json", 400},
		{"/peerreplication/batch", item("namesake", nested), "application/json", 400},
		{"/peerreplication/batch", `{"replicationList":[` + strings.Repeat("0,", 500_000) + "0]}", "application/json", 413},
		{"/peerreplication/batch", `{"replicationList":` + nested + "}", "application/json", 400},
		{"/peerreplication/digest", `{"apps":` + objects + "}", "application/json", 400},
		{"/peerreplication/digest", nested, "application/json", 400},
		{"/peerreplication/fetch", `{"keys":` + nested + "}", "application/json", 400},
		{"/peerreplication/fetch", strings.Repeat(" ", 16<<20+1), "application/json", 413},
		{"/peerreplication/fetch", "", "", 415},
		{"/peerreplication/digest", "<a/>", "application/xml", 415},
	} {
		w := serve(t.Context(), s, "POST", tt.path, tt.body, "Content-Type", tt.contentType)
		assert.Equal(t, tt.want, w.Code, "%s %.40s", tt.path, tt.body)
		if tt.path != "/apps/APP" {
			assert.Empty(t, w.Body.String())
			assert.Equal(t, "0", w.Header().Get("Content-Length"))
		}
	}
	assert.Zero(t, s.Stats().Leases)
}

// A server asks what is known of very many applications and instances: it is
// answered, shortly.
func TestHostileQueries(t *testing.T) {
	s := eurekaserver.New(eurekaserver.WithPeers(eurekaserver.PeersConfig{}))
	defer s.Close()
	var apps, keys strings.Builder
	for i := range 300_000 {
		fmt.Fprintf(&apps, `,"%d":"1"`, i)
	}
	for range 300_000 {
		keys.WriteString(`,["A","i"]`)
	}
	w := serve(t.Context(), s, "POST", "/peerreplication/digest", `{"apps":{`+apps.String()[1:]+"}}")
	assert.Equal(t, 413, w.Code)
	assert.Empty(t, w.Body.String())
	w = serve(t.Context(), s, "POST", "/peerreplication/fetch", `{"keys":[`+keys.String()[1:]+"]}")
	assert.Equal(t, 200, w.Code)
	assert.Less(t, w.Body.Len(), 100_000, "250 of them")
	assert.Zero(t, s.Stats().Changes)
}
