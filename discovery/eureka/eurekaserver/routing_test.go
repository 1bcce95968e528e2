package eurekaserver_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var routingCases = []testCase{
	{number: 1, name: "lower case app", holds: everywhere, run: func(t *testing.T, c caller) {
		got := c.do("POST", "/apps/c1", body("c1", edit{"instanceId": c.id}), asJSON)
		assert.Equal(t, 204, got.status)
		assert.Empty(t, got.body)
		assert.Contains(t, c.do("GET", "/apps/C1", "").body, `"name":"C1"`)
	}},
	{number: 2, name: "slash at the end", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		assert.Equal(t, c.do("GET", "/apps", "").body, c.do("GET", "/apps/", "").body)
		assert.Equal(t, 200, c.do("GET", "/apps/C2/", "").status)
		assert.Equal(t, 200, c.do("GET", c.path("/"), "").status)
	}},
	{number: 3, name: "with and without version", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		c.base = strings.TrimSuffix(c.base, "/v2")
		for _, path := range []string{"/apps/C3", "/v2/apps/C3"} {
			assert.Equal(t, 200, c.do("GET", path, "").status, path)
		}
		if c.ours() {
			assert.Equal(t, 200, c.do("GET", "/v9/apps/C3", "").status)
		}
	}, differs: map[string]difference{
		netflix: {"it serves paths with a version only", func(t *testing.T, c caller) {
			c.join()
			c.base = strings.TrimSuffix(c.base, "/v2")
			assert.Equal(t, 200, c.do("GET", "/v2/apps/C3", "").status)
			assert.Equal(t, 200, c.do("GET", "/v9/apps/C3", "").status)
		}},
	}},
	{number: 4, name: "JSON among others", holds: everywhere, run: func(t *testing.T, c caller) {
		got := c.do("GET", "/apps", "", "Accept: application/json, text/plain, */*")
		assert.Equal(t, "application/json", got.header.Get("Content-Type"))
		assert.True(t, json.Valid([]byte(got.body)))
	}},
	{number: 5, name: "XML by default", holds: everywhere, run: func(t *testing.T, c caller) {
		for _, accept := range []string{"Accept:", "Accept: */*", "Accept: application/xml"} {
			got := c.do("GET", "/apps", "", accept)
			assert.Equal(t, "application/xml", got.header.Get("Content-Type"), accept)
			assert.True(t, strings.HasPrefix(got.body, "<applications>"), accept)
		}
	}},
	{number: 6, name: "neither", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		for _, path := range []string{"/apps", "/apps/delta", "/apps/C6", c.path(""), "/vips/x"} {
			got := c.do("GET", path, "", "Accept: text/html")
			assert.Equal(t, 406, got.status, path)
			if c.ours() {
				assert.Empty(t, got.body, path)
			}
		}
	}},
	{number: 7, name: "gzip", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		paths := []string{"/apps", "/apps/delta"}
		if c.ours() {
			paths = append(paths, "/apps/C7", c.path(""))
		}
		for _, path := range paths {
			got := c.do("GET", path, "", "Accept-Encoding: gzip")
			require.Equal(t, "gzip", got.header.Get("Content-Encoding"), path)
			if c.ours() {
				assert.Contains(t, got.header.Get("Vary"), "Accept-Encoding", path)
				assert.Equal(t, strconv.Itoa(len(got.body)), got.header.Get("Content-Length"), path)
			}
			z, err := gzip.NewReader(strings.NewReader(got.body))
			require.NoError(t, err)
			plain, err := io.ReadAll(z)
			require.NoError(t, err)
			assert.Equal(t, c.do("GET", path, "").body, string(plain), path)
		}
	}},
	{number: 8, name: "identity", holds: here, run: func(t *testing.T, c caller) {
		for _, coding := range []string{"identity", "deflate", "gzip;q=0", "gzip; q=0.0"} {
			got := c.do("GET", "/apps", "", "Accept-Encoding: "+coding)
			assert.Equal(t, 200, got.status)
			assert.Empty(t, got.header.Get("Content-Encoding"), coding)
		}
	}},
	{number: 9, name: "escaped id", holds: everywhere, run: func(t *testing.T, c caller) {
		c.lives("a b/c:ż+", "a%20b%2Fc%3A%C5%BC+")
	}, differs: map[string]difference{
		spring: {"its web server refuses escaped slashes", func(t *testing.T, c caller) {
			c.lives("a b c:ż+", "a%20b%20c%3A%C5%BC+")
			assert.Equal(t, 400, c.do("GET", "/apps/C9/a%2Fb", "").status)
		}},
	}},
	{number: 10, name: "double slash", holds: here, run: func(t *testing.T, c caller) {
		assert.Equal(t, 204, c.do("POST", "//apps//C10", c.body(), asJSON).status)
		c.base = strings.Replace(c.base, "/eureka", "//eureka/", 1)
		assert.Equal(t, 200, c.do("GET", "/apps/C10", "").status)
	}},
	{number: 11, name: "wrong method", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join()
		got := c.do("DELETE", "/apps/C11", "")
		assert.Equal(t, 405, got.status)
		if c.ours() {
			assert.Equal(t, "GET, HEAD, POST", got.header.Get("Allow"))
			assert.Empty(t, got.body)
		}
	}},
	{number: 12, name: "unknown path", holds: everywhere, run: func(t *testing.T, c caller) {
		assert.Equal(t, 404, c.status("GET", "/nothing"))
		if c.ours() {
			for _, path := range []string{"/", "/apps/a/b/c", "/apps/a/b/status/c", "/instances"} {
				assert.Equal(t, 404, c.status("GET", path), path)
			}
		}
	}},
	{number: 82, name: "nothing in an empty answer", holds: everywhere, run: func(t *testing.T, c caller) {
		for _, encoding := range []string{"gzip", "identity"} {
			got := c.do("PUT", "/apps/C82/none?status=UP&lastDirtyTimestamp=1", "", "Accept-Encoding: "+encoding)
			assert.Equal(t, 404, got.status)
			c.nothing(got)
			if c.ours() {
				assert.ElementsMatch(t, []string{"Content-Length", "Date"}, keys(got.header))
			}
			assert.NotContains(t, got.header.Get("Content-Type"), "text/plain")
		}
	}},
}

// lives checks that all requests with an id find the same instance.
func (c caller) lives(id, escaped string) {
	c.id = escaped
	require.Equal(c.t, 204, c.post(c.body(edit{"instanceId": id}), asJSON).status)
	assert.Equal(c.t, id, c.shown().InstanceID)
	assert.Equal(c.t, 200, c.status("PUT", c.path("")))
	assert.Equal(c.t, 200, c.status("PUT", c.path("/status?value=DOWN")))
	assert.Equal(c.t, 200, c.status("DELETE", c.path("")))
	assert.Equal(c.t, 404, c.status("PUT", c.path("")))
}

func keys(h http.Header) (names []string) {
	for name := range h {
		names = append(names, name)
	}
	return names
}
