package eurekaserver_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// peerCases are the promises of servers that copy from each other, with the
// tests here that run several servers.
var peerCases = map[int][]string{
	66: {"TestNothingIsForwardedTwice"},
	67: {"TestReplication", "TestServerOfAnotherKind"}, // and with a real one in package interop
	68: {"TestHeartbeatRestoresAnInstance", "TestHeartbeatsAcrossKinds"},
	69: {"TestQuickSuccession"},
	70: {"TestNoisyClient"},
	83: {"TestGate"},
}

var replicationCases = []testCase{
	{number: 64, name: "batch", holds: everywhere, run: func(t *testing.T, c caller) {
		assert.Equal(t, []int{200, 404, 200}, codes(c.batch(
			item("Register", c.app, c.id, t0, `,"status":"UP"`, edit{}),
			item("Cancel", c.app, "c64-none", 0, ""),
			item("Heartbeat", c.app, c.id, t0, `,"status":"UP"`),
		)))
		assert.Equal(t, wire.Up, c.shown().Status)
		assert.Equal(t, []int{200}, codes(c.batch(item("StatusUpdate", c.app, c.id, t0, `,"status":"OUT_OF_SERVICE"`))))
		assert.Equal(t, wire.OutOfService, c.shown().Status)
		assert.Equal(t, wire.OutOfService, c.shown().OverriddenStatus)
		assert.Equal(t, []int{200}, codes(c.batch(item("DeleteStatusOverride", c.app, c.id, t0, `,"status":"UP"`))))
		assert.Equal(t, wire.Up, c.shown().Status)
		assert.Equal(t, wire.Unknown, c.shown().OverriddenStatus)
		assert.Equal(t, []int{404, 200}, codes(c.batch(
			item("Heartbeat", c.app, "c64-none", t0, `,"status":"UP"`),
			item("Cancel", c.app, c.id, 0, ""),
		)))
		assert.Equal(t, 404, c.status("GET", c.path("")))
	}},
	{number: 65, name: "batch with an older heartbeat", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		got := c.batch(
			item("Heartbeat", c.app, c.id, t0-1, `,"status":"UP"`),
			item("Heartbeat", c.app, c.id, t0+1, `,"status":"UP"`),
		)
		assert.Equal(t, []int{409, 404}, codes(got))
		require.NotNil(t, got[0].Instance, "without a wrapper")
		assert.Equal(t, c.id, got[0].Instance.InstanceID)
		assert.EqualValues(t, t0, got[0].Instance.LastDirty)
	}},
}
