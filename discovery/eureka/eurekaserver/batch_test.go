package eurekaserver_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// item writes an item of a batch, with an instance if edits are given.
func item(action, app, id string, dirty int64, more string, edits ...edit) string {
	out := fmt.Sprintf(`{"appName":%q,"id":%q,"action":%q`, app, id, action)
	if dirty != 0 {
		out += `,"lastDirtyTimestamp":` + strconv.FormatInt(dirty, 10)
	}
	if len(edits) > 0 {
		var doc map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body(app, append(edits, edit{"instanceId": id})...)), &doc); err != nil {
			panic(err)
		}
		out += `,"instanceInfo":` + string(doc["instance"])
	}
	return out + more + "}"
}

// batch sends items as a peer does, and returns the results.
func (c caller) batch(items ...string) []wire.Result {
	c.t.Helper()
	got := c.do("POST", "/peerreplication/batch/", `{"replicationList":[`+strings.Join(items, ",")+`]}`, asJSON)
	require.Equal(c.t, 200, got.status)
	assert.Equal(c.t, "application/json", got.header.Get("Content-Type"))
	list, err := wire.UnmarshalResults([]byte(got.body))
	require.NoError(c.t, err)
	return list
}

func codes(list []wire.Result) (codes []int) {
	for _, r := range list {
		codes = append(codes, r.Code)
	}
	return codes
}

// What is wrong with one item is the answer to that item.
func TestBatchItemsThatMakeNoSense(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP")
		assert.Equal(t, []int{400, 400, 400, 500, 400, 500, 400, 400, 400, 404, 200}, codes(c.batch(
			`7`, `null`, `{}`,
			`{"appName":"APP","id":"i1"}`,
			item("Restart", "APP", "i1", t0, ""),
			item("Register", "APP", "i2", t0, ""),
			item("Register", "APP", "i2", t0, "", edit{"hostName": ""}),
			item("Register", "APP", "i2", t0, "", edit{"port": map[string]any{"$": "many"}}),
			item("StatusUpdate", "APP", "i1", t0, ""),
			item("DeleteStatusOverride", "APP", "i9", t0, ""),
			item("Heartbeat", "app", "i1", t0, `,"new":{"a":[1]}`),
		)))
		assert.Equal(t, []string{"i1"}, ids(c.applications("/apps")))
	})
}

func TestBatchRefused(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		for doc, want := range map[string]int{
			``: 400, `[]`: 400, `{"replicationList":[`: 400, `{}`: 500, `{"replicationList":null}`: 500,
			`{"replicationList":[` + strings.Repeat(`{},`, 1000) + `{}]}`:      413,
			`{"replicationList":[],"x":"` + strings.Repeat("x", 16<<20) + `"}`: 413,
		} {
			got := c.do("POST", "/peerreplication/batch", doc, asJSON)
			assert.Equal(t, want, got.status, "%.40s", doc)
			assert.Empty(t, got.body)
		}
		assert.Equal(t, 415, c.do("POST", "/peerreplication/batch", "<x/>", asXML).status)
		assert.Equal(t, 405, c.do("GET", "/peerreplication/batch/", "").status)
		assert.Empty(t, c.batch())
	})
}
