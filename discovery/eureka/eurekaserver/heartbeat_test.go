package eurekaserver_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

var heartbeatCases = []testCase{
	{number: 28, name: "heartbeat", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		assert.Equal(t, 200, c.status("PUT", c.path("")))
		got := c.do("PUT", c.with("2").path(""), "")
		assert.Equal(t, 404, got.status)
		c.nothing(got)
		if c.ours() {
			assert.Empty(t, got.header.Get("Content-Type"))
		}
	}},
	{number: 29, name: "with a version", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		for version, want := range map[int]int{t0: 200, t0 + 1: 404, t0 - 1: 200} {
			assert.Equal(t, want, c.status("PUT", c.path("?status=UP&lastDirtyTimestamp="+strconv.Itoa(version))), version)
		}
		if c.ours() {
			assert.Equal(t, 400, c.status("PUT", c.path("?lastDirtyTimestamp=soon")))
		}
	}},
	{number: 30, name: "from a peer", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		got := c.do("PUT", c.path("?lastDirtyTimestamp="+strconv.Itoa(t0-1)), "", asPeer)
		assert.Equal(t, 409, got.status)
		in, err := wire.UnmarshalInstance([]byte(got.body), wire.JSON)
		require.NoError(t, err)
		assert.EqualValues(t, t0, in.LastDirty)
		assert.Equal(t, 404, c.status("PUT", c.path("?lastDirtyTimestamp="+strconv.Itoa(t0+1)), asPeer))
	}},
	{number: 31, name: "override from a peer", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		assert.Equal(t, 404, c.status("PUT", c.path("?overriddenstatus=OUT_OF_SERVICE&lastDirtyTimestamp="+strconv.Itoa(t0+1)), asPeer))
		assert.Equal(t, wire.OutOfService, c.shown().OverriddenStatus)
		assert.Equal(t, 200, c.status("PUT", c.path("")))
		assert.Equal(t, wire.OutOfService, c.shown().Status)
		if c.ours() { // others do not say so
			require.Len(t, c.delta("C31"), 1)
			assert.Equal(t, wire.OutOfService, c.delta("C31")[0].Status)
		}
	}},
	{number: 32, name: "with a body", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		assert.Equal(t, 200, c.do("PUT", c.path(""), "{}", asJSON).status)
	}},
	{number: 33, name: "case of names", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join(edit{"instanceId": c.id + "X"})
		assert.Equal(t, 200, c.status("PUT", "/apps/c33/"+c.id+"X"))
		assert.Equal(t, 404, c.status("PUT", "/apps/C33/"+c.id+"x"))
	}},
	{number: 34, name: "unknown status word", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join(edit{"status": "fine"})
		assert.Equal(t, wire.Unknown, c.shown().Status)
		assert.Equal(t, 404, c.status("PUT", c.path("")))
	}},
	{number: 35, name: "no news", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		before, delta := c.shown(), c.do("GET", "/apps/delta", "")
		assert.Equal(t, 200, c.status("PUT", c.path("")))
		assert.Equal(t, before.LastUpdated, c.shown().LastUpdated)
		assert.Equal(t, delta.body, c.do("GET", "/apps/delta", "").body)
	}},
}
