package eurekaserver_test

import (
	"encoding/json"
	"encoding/xml"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

var (
	inFull    = []string{"leaseInfo", "metadata", "homePageUrl", "lastDirtyTimestamp", "overridden"}
	inCompact = []string{"vipAddress", "status", "port", "actionType"}
)

var queryCases = []testCase{
	{number: 47, name: "metadata", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join(edit{"metadata": map[string]any{"zone": "z1", "keep": "me"}})
		assert.Equal(t, 200, c.status("PUT", c.path("/metadata?a=1&zone=z9&e=&a=2&s=v+w")))
		in := c.shown()
		assert.Equal(t, map[string]string{"a": "1", "zone": "z9", "e": "", "keep": "me", "s": "v w"}, in.Metadata)
		assert.Equal(t, wire.Added, in.Action)
		assert.EqualValues(t, t0, in.LastDirty)
	}},
	{number: 48, name: "any application", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		got := c.do("GET", "/instances/"+c.id, "")
		assert.Equal(t, 200, got.status)
		assert.Contains(t, got.body, `"app":"C48"`)
		assert.Equal(t, 404, c.status("GET", "/instances/c48-none"))
	}},
	{number: 49, name: "virtual addresses", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join(edit{"vipAddress": "c49x,c49y", "secureVipAddress": "c49s"})
		for path, found := range map[string]bool{
			"/vips/c49x": true, "/vips/c49y": true, "/svips/c49s": true,
			"/vips/c49x,c49y": false, "/vips/C49X": false, "/vips/c49zzz": false, "/svips/c49x": false,
		} {
			apps := c.applications(path)
			assert.Equal(t, "-1", apps.Version, path)
			assert.Equal(t, found, len(instancesOf(apps, "C49")) == 1, path)
			assert.Equal(t, found, len(apps.Applications) == 1, path)
		}
	}},
	{number: 50, name: "virtual address of copies that are not up", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join(edit{"vipAddress": "c50x,c50y"})
		c.with("2").join(edit{"vipAddress": "c50x", "status": "DOWN"})
		assert.Equal(t, "DOWN_1_UP_1_", c.applications("/vips/c50x").Hash)
		assert.Len(t, instancesOf(c.applications("/vips/c50x"), "C50"), 2)
		assert.Equal(t, "UP_1_", c.applications("/vips/c50y").Hash)
	}},
	{number: 51, name: "reduced form of all", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join(edit{"vipAddress": "c51", "homePageUrl": "http://h1/", "metadata": map[string]any{"a": "1"}})
		for _, accept := range []string{"Accept: application/json", "Accept: application/xml"} {
			got := c.do("GET", "/apps", "", accept, "X-Eureka-Accept: compact").body
			for _, name := range inFull {
				assert.NotContains(t, got, name)
			}
			for _, name := range append(inCompact, "versions__delta", "apps__hashcode") {
				assert.Contains(t, got, name)
			}
		}
	}},
	{number: 52, name: "empty registry", holds: everywhere, alone: true, run: func(t *testing.T, c caller) {
		const empty = `{"applications":{"versions__delta":"1","apps__hashcode":"","application":[]}}`
		assert.JSONEq(t, empty, c.do("GET", "/apps", "").body)
		got := c.applications("/apps/delta")
		assert.Empty(t, got.Hash)
		assert.Empty(t, got.Applications)
		assert.Contains(t, c.do("GET", "/apps", "", "Accept:").body, "<apps__hashcode></apps__hashcode>")
	}},
	{number: 78, name: "reduced form of one", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join(edit{"vipAddress": "c78", "homePageUrl": "http://h1/", "metadata": map[string]any{"a": "1"}})
		for _, path := range []string{"/apps/C78", "/vips/c78", "/apps/delta"} {
			got := c.do("GET", path, "", "X-Eureka-Accept: COMPACT").body
			for _, name := range inFull {
				assert.NotContains(t, got, name, path)
			}
			for _, name := range inCompact {
				assert.Contains(t, got, name, path)
			}
			assert.Contains(t, c.do("GET", path, "", "X-Eureka-Accept: junk").body, "leaseInfo", path)
		}
		assert.Contains(t, c.do("GET", c.path(""), "", "X-Eureka-Accept: compact").body, "leaseInfo")
	}},
	{number: 79, name: "what readers of XML need", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join() // the document is strict in all the rest
		var doc struct {
			Instances []struct {
				LastUpdated int64 `xml:"lastUpdatedTimestamp"`
				LastDirty   int64 `xml:"lastDirtyTimestamp"`
			} `xml:"application>instance"`
		}
		require.NoError(t, xml.Unmarshal([]byte(c.do("GET", "/apps/", "", "Accept:").body), &doc))
		require.NotEmpty(t, doc.Instances)
		for _, in := range doc.Instances {
			assert.NotZero(t, in.LastUpdated)
			assert.NotZero(t, in.LastDirty)
		}
	}},
	{number: 81, name: "regions", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		for _, path := range []string{"/apps", "/apps/delta"} {
			assert.Len(t, instancesOf(c.applications(path+"?regions=nowhere"), "C81"), 1, path)
			assert.Equal(t, c.applications(path).Applications, c.applications(path+"?regions=nowhere").Applications, path)
		}
	}},
}

func TestStatusPage(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		assert.True(t, json.Valid([]byte(c.do("GET", "/status", "").body)))
		assert.Contains(t, c.do("GET", "/status", "", "Accept: application/xml").body, "<isHeathly>true</isHeathly>")
	})
}
