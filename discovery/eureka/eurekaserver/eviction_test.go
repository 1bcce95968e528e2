package eurekaserver_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

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
	{number: 62, name: "many leases end at once", holds: everywhere, passes: true, run: func(t *testing.T, c caller) {
		c.joinMany(3)
		time.Sleep(4 * time.Second)
		assert.Equal(t, 5, c.listed(), "all whose time is up: the protocol's fixed share protects none")
	}, differs: map[string]difference{
		netflix: evictsAShare,
		spring:  evictsAShare,
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

// joinMany registers 25 copies, the leases of 20 of which end soon, in seconds.
func (c caller) joinMany(soon int) {
	for i := range 25 {
		seconds := 3600
		if i < 20 {
			seconds = soon
		}
		c.with(fmt.Sprint("-", i)).join(lease(seconds))
	}
}

// listed returns how many copies of the case's application there are.
func (c caller) listed() int { return len(instancesOf(c.applications("/apps"), c.app)) }

var evictsAShare = difference{"it evicts at most 15 % of all instances at a time, at random", func(t *testing.T, c caller) {
	others := len(ids(c.applications("/apps")))
	c.joinMany(3)
	all := others + 25
	want := all - int(math.Floor(0.85*float64(all)))
	left := 25
	c.eventually("an eviction", func() bool {
		left = c.listed()
		return left < 25
	})
	assert.GreaterOrEqual(t, left, 25-want, "of those whose time was up at the first look")
}}
