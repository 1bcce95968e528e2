package eurekaserver_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

var leaseCases = []testCase{
	// To the nanosecond: TestLeaseEndsExactly.
	{number: 61, name: "end of a lease", holds: here, passes: true, run: func(t *testing.T, c caller) {
		c.join(lease(2))
		renewed := c.with("-renewed")
		renewed.join(lease(2))
		assert.Equal(t, 200, renewed.status("PUT", renewed.path("")))
		time.Sleep(2*time.Second - 1)
		assert.Len(t, instancesOf(c.applications("/apps"), c.app), 2)
		time.Sleep(time.Second)
		for _, c := range []caller{c, renewed} {
			assert.Equal(t, 404, c.status("GET", c.path("")))
		}
		assert.Empty(t, c.applications("/apps").Applications)
	}},
	{number: 62, name: "many leases end at once", holds: everywhere, passes: true, opts: []eurekaserver.Option{
		eurekaserver.WithNetflixRules(eurekaserver.NetflixConfig{NoPreservation: true, EvictionInterval: 2 * time.Second}),
	}, run: func(t *testing.T, c caller) {
		others := len(ids(c.applications("/apps")))
		for i := range 25 {
			seconds := 3600
			if i < 20 {
				seconds = 3
			}
			c.with(fmt.Sprint("-", i)).join(lease(seconds))
		}
		all := others + 25
		want := all - int(math.Floor(0.85*float64(all)))
		left := 25
		c.eventually("an eviction", func() bool {
			left = c.listed()
			return left < 25
		})
		if c.ours() {
			assert.Equal(t, 25-want, left)
			c.eventually("all evictions", func() bool { return c.listed() == 5 })
		}
		assert.GreaterOrEqual(t, left, 25-want, "of those whose time was up at the first look")
	}},
	{number: 63, name: "eviction is a change", holds: everywhere, passes: true, run: func(t *testing.T, c caller) {
		c.join(lease(1))
		c.eventually("an eviction", func() bool {
			entries := c.delta("C63")
			return len(entries) == 1 && entries[0].Action == wire.Deleted
		})
		assert.Equal(t, 404, c.status("GET", c.path("")))
	}},
}

// listed returns how many copies of the case's application there are.
func (c caller) listed() int { return len(instancesOf(c.applications("/apps"), c.app)) }
