package eurekaserver_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

var deltaCases = []testCase{
	{number: 53, name: "the last change of each", holds: everywhere, run: func(t *testing.T, c caller) {
		actions := func() (actions []wire.Action) {
			for _, in := range c.delta("C53") {
				actions = append(actions, in.Action)
			}
			return actions
		}
		c.join()
		assert.Equal(t, []wire.Action{wire.Added}, actions())
		assert.Equal(t, 200, c.status("PUT", c.path("/status?value=DOWN")))
		assert.Equal(t, []wire.Action{wire.Modified}, actions())
		assert.Equal(t, 200, c.status("DELETE", c.path("")))
		assert.Equal(t, []wire.Action{wire.Deleted}, actions())
	}},
	{number: 54, name: "hash", holds: everywhere, run: func(t *testing.T, c caller) {
		for suffix, status := range map[string]string{"1": "UP", "2": "DOWN", "3": "UP", "4": "STARTING"} {
			c.with(suffix).join(edit{"status": status, "vipAddress": "c54"})
		}
		assert.Equal(t, 200, c.status("DELETE", c.with("4").path("")))
		assert.Equal(t, "DOWN_1_UP_2_", c.applications("/vips/c54").Hash)
		full := c.applications("/apps")
		assert.Equal(t, wire.HashOf(full.Applications), full.Hash)
		assert.Equal(t, full.Hash, c.applications("/apps/delta").Hash)
		assert.Equal(t, "1", full.Version)
	}},
	{number: 55, name: "version", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		first := c.do("GET", "/apps/delta", "")
		assert.Equal(t, first.body, c.do("GET", "/apps/delta", "").body)
		before := c.applications("/apps/delta").Version
		assert.Equal(t, 200, c.status("PUT", c.path("/status?value=DOWN")))
		assert.NotEqual(t, before, c.applications("/apps/delta").Version)
	}},
	{number: 56, name: "changes are forgotten", holds: everywhere, passes: true, run: func(t *testing.T, c caller) {
		c.join(lease(3600))
		assert.Len(t, c.delta("C56"), 1)
		if c.ours() {
			// The exact time, without another change: TestDeltaEntriesAge.
			time.Sleep(3 * time.Minute)
			assert.Empty(t, c.delta("C56"))
			return
		}
		other := c
		other.app, other.id = "C56B", c.id+"b"
		other.join(lease(3600))
		c.eventually("only the other application", func() bool {
			assert.Equal(t, 204, other.do("POST", "/apps/"+other.app, other.body(lease(3600)), asJSON).status)
			return len(c.delta("C56")) == 0
		})
		assert.Len(t, c.delta("C56B"), 1)
	}},
}
