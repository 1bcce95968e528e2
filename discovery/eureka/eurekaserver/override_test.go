package eurekaserver_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// outOfService takes the case's instance out of service, as operators do.
func (c caller) outOfService() {
	c.t.Helper()
	assert.Equal(c.t, 200, c.status("PUT", c.path("/status?value=OUT_OF_SERVICE")))
}

var statusCases = []testCase{
	{number: 36, name: "status set", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		c.outOfService()
		assert.Equal(t, 200, c.status("PUT", c.path("?status=UP")))
		in := c.shown()
		assert.Equal(t, wire.OutOfService, in.Status)
		assert.Equal(t, wire.OutOfService, in.OverriddenStatus)
		assert.Equal(t, wire.Modified, in.Action)
	}},
	{number: 37, name: "registration does not undo it", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		c.outOfService()
		c.join(edit{"lastDirtyTimestamp": strconv.Itoa(t0 + 1)})
		assert.Equal(t, wire.OutOfService, c.shown().Status)
	}},
	{number: 38, name: "down for a while", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		c.outOfService()
		c.join(edit{"status": "DOWN"})
		assert.Equal(t, wire.Down, c.shown().Status)
		assert.Equal(t, wire.OutOfService, c.shown().OverriddenStatus)
		c.join()
		assert.Equal(t, wire.OutOfService, c.shown().Status)
	}},
	{number: 39, name: "override removed, status given", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		c.outOfService()
		assert.Equal(t, 200, c.status("DELETE", c.path("/status?value=UP")))
		assert.Equal(t, wire.Up, c.shown().Status)
		assert.Equal(t, wire.Unknown, c.shown().OverriddenStatus)
	}},
	{number: 40, name: "override removed", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		c.outOfService()
		assert.Equal(t, 200, c.status("DELETE", c.path("/status")))
		assert.Equal(t, wire.Unknown, c.shown().Status)
		assert.Equal(t, 404, c.status("PUT", c.path("")))
		c.join()
		assert.Equal(t, wire.Up, c.shown().Status)
	}},
	{number: 41, name: "status that it has already", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		assert.Equal(t, 200, c.status("PUT", c.path("/status?value=UP")))
		assert.Equal(t, wire.Unknown, c.shown().OverriddenStatus)
		assert.Equal(t, wire.Added, c.shown().Action)
	}},
	{number: 42, name: "out of service by registration", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		c.join(edit{"status": "OUT_OF_SERVICE"})
		assert.Equal(t, wire.Up, c.shown().Status)
		assert.Equal(t, 204, c.post(c.body(edit{"status": "OUT_OF_SERVICE"}), asJSON, asPeer).status)
		assert.Equal(t, wire.OutOfService, c.shown().Status)
	}},
	{number: 43, name: "unknown instance", holds: everywhere, run: func(t *testing.T, c caller) {
		assert.Equal(t, 404, c.status("PUT", c.path("/status?value=UP")))
		assert.Equal(t, 404, c.status("DELETE", c.path("/status")))
		assert.Equal(t, 404, c.status("PUT", c.path("/metadata?a=1")))
		assert.Equal(t, 404, c.status("DELETE", c.path("")))
		assert.Equal(t, 404, c.status("GET", c.path("")))
		assert.Equal(t, 404, c.status("GET", "/apps/C43"))
	}},
	{number: 44, name: "version with a status", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		assert.Equal(t, 200, c.status("PUT", c.path("/status?value=DOWN&lastDirtyTimestamp="+strconv.Itoa(t0+500))))
		assert.EqualValues(t, t0+500, c.shown().LastDirty)
	}},
	{number: 45, name: "cancel drops the override", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		c.outOfService()
		assert.Equal(t, 200, c.status("DELETE", c.path("")))
		c.join()
		assert.Equal(t, wire.Up, c.shown().Status)
		assert.Equal(t, wire.Unknown, c.shown().OverriddenStatus)
	}},
	{number: 46, name: "no such status", holds: here, run: func(t *testing.T, c caller) {
		c.join()
		before := c.shown()
		for _, query := range []string{"?value=foo", "?value=up", "?value=", "?value=DOWN&lastDirtyTimestamp=x"} {
			assert.Equal(t, 400, c.status("PUT", c.path("/status"+query)), query)
		}
		assert.Equal(t, before, c.shown())
	}},
	{number: 80, name: "no status", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		before := c.shown()
		assert.GreaterOrEqual(t, c.status("PUT", c.path("/status")), 400)
		assert.Equal(t, before, c.shown())
	}},
}
