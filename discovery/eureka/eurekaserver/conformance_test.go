package eurekaserver_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// A target is a server under test. Cases may share one: each uses
// applications of its own.
type target struct {
	base   string // with version, without a slash at the end
	client *http.Client
}

// caller is a target within one case.
type caller struct {
	target
	t *testing.T
}

type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request. Headers are given as "Name: value"; without an Accept
// header JSON is asked for, and "Accept:" leaves it out.
func (c caller) do(method, path, body string, headers ...string) answer {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	require.NoError(c.t, err)
	req.Header.Set("Accept", "application/json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		if value == "" {
			req.Header.Del(name)
			continue
		}
		req.Header.Set(name, strings.TrimSpace(value))
	}
	resp, err := c.client.Do(req)
	require.NoError(c.t, err)
	defer func() { assert.NoError(c.t, resp.Body.Close()) }()
	data, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	return answer{resp.StatusCode, resp.Header, string(data)}
}

const (
	asJSON = "Content-Type: application/json"
	asXML  = "Content-Type: application/xml"
	asPeer = "x-netflix-discovery-replication: true"
)

// edit changes members of an instance; nil leaves one out.
type edit map[string]any

// base time of versions
const t0 = 1_700_000_000_000

func body(app string, edits ...edit) string {
	in := map[string]any{
		"instanceId": "i1", "hostName": "h1", "app": app, "ipAddr": "10.0.0.7", "status": "UP",
		"lastDirtyTimestamp": strconv.Itoa(t0),
		"dataCenterInfo": map[string]any{
			"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn",
		},
	}
	for _, e := range edits {
		for name, value := range e {
			if value == nil {
				delete(in, name)
				continue
			}
			in[name] = value
		}
	}
	data, err := json.Marshal(map[string]any{"instance": in})
	if err != nil {
		panic(err)
	}
	return string(data)
}

func (c caller) register(app string, edits ...edit) {
	c.t.Helper()
	got := c.do("POST", "/apps/"+app, body(app, edits...), asJSON)
	require.Equal(c.t, 204, got.status, got.body)
	require.Empty(c.t, got.body)
}

func (c caller) instance(app, id string) wire.Instance {
	c.t.Helper()
	got := c.do("GET", "/apps/"+app+"/"+id, "")
	require.Equal(c.t, 200, got.status)
	in, err := wire.UnmarshalInstance([]byte(got.body), wire.JSON)
	require.NoError(c.t, err)
	return in
}

func (c caller) applications(path string) wire.Applications {
	c.t.Helper()
	got := c.do("GET", path, "")
	require.Equal(c.t, 200, got.status)
	apps, err := wire.UnmarshalApplications([]byte(got.body), wire.JSON)
	require.NoError(c.t, err)
	return apps
}

// delta returns the entries of an application in the delta.
func (c caller) delta(app string) []wire.Instance {
	c.t.Helper()
	for _, a := range c.applications("/apps/delta").Applications {
		if a.Name == app {
			return a.Instances
		}
	}
	return nil
}

func (c caller) status(method, path string, headers ...string) int {
	c.t.Helper()
	got := c.do(method, path, "", headers...)
	if got.status < 400 || got.status == 404 {
		assert.Empty(c.t, got.body, "%s %s", method, path)
		assert.Equal(c.t, "0", got.header.Get("Content-Length"), "%s %s", method, path)
	}
	return got.status
}

type conformanceCase struct {
	name string
	run  func(t *testing.T, c caller)
}

// cases are named for what they check.
var cases = []conformanceCase{
	{"01 lower case app", func(t *testing.T, c caller) {
		got := c.do("POST", "/apps/c01", body("c01"), asJSON)
		assert.Equal(t, 204, got.status)
		assert.Empty(t, got.body)
		got = c.do("GET", "/apps/C01", "")
		assert.Contains(t, got.body, `"name":"C01"`)
	}},
	{"02 trailing slash", func(t *testing.T, c caller) {
		c.register("C02")
		assert.Equal(t, c.do("GET", "/apps", "").body, c.do("GET", "/apps/", "").body)
		assert.Equal(t, 200, c.do("GET", "/apps/C02/", "").status)
		assert.Equal(t, 200, c.do("GET", "/apps/C02/i1/", "").status)
	}},
	{"03 with and without version", func(t *testing.T, c caller) {
		c.register("C03")
		c.base = strings.TrimSuffix(c.base, "/v2")
		for _, path := range []string{"/apps/C03", "/v2/apps/C03", "/v9/apps/C03"} {
			assert.Equal(t, 200, c.do("GET", path, "").status, path)
		}
	}},
	{"04 JSON among others", func(t *testing.T, c caller) {
		got := c.do("GET", "/apps", "", "Accept: application/json, text/plain, */*")
		assert.Equal(t, "application/json", got.header.Get("Content-Type"))
		assert.True(t, json.Valid([]byte(got.body)))
	}},
	{"05 XML by default", func(t *testing.T, c caller) {
		for _, accept := range []string{"Accept:", "Accept: */*", "Accept: application/xml"} {
			got := c.do("GET", "/apps", "", accept)
			assert.Equal(t, "application/xml", got.header.Get("Content-Type"), accept)
			assert.True(t, strings.HasPrefix(got.body, "<applications>"), accept)
		}
	}},
	{"06 neither", func(t *testing.T, c caller) {
		c.register("C06")
		for _, path := range []string{"/apps", "/apps/delta", "/apps/C06", "/apps/C06/i1", "/vips/x"} {
			got := c.do("GET", path, "", "Accept: text/html")
			assert.Equal(t, 406, got.status, path)
			assert.Empty(t, got.body, path)
		}
	}},
	{"07 gzip", func(t *testing.T, c caller) {
		c.register("C07")
		for _, path := range []string{"/apps", "/apps/delta", "/apps/C07", "/apps/C07/i1"} {
			got := c.do("GET", path, "", "Accept-Encoding: gzip")
			require.Equal(t, "gzip", got.header.Get("Content-Encoding"), path)
			assert.Contains(t, got.header.Get("Vary"), "Accept-Encoding", path)
			assert.Equal(t, strconv.Itoa(len(got.body)), got.header.Get("Content-Length"), path)
			z, err := gzip.NewReader(strings.NewReader(got.body))
			require.NoError(t, err)
			plain, err := io.ReadAll(z)
			require.NoError(t, err)
			assert.Equal(t, c.do("GET", path, "").body, string(plain), path)
		}
	}},
	{"08 identity", func(t *testing.T, c caller) {
		for _, coding := range []string{"identity", "deflate", "gzip;q=0", "gzip; q=0.0"} {
			got := c.do("GET", "/apps", "", "Accept-Encoding: "+coding)
			assert.Equal(t, 200, got.status)
			assert.Empty(t, got.header.Get("Content-Encoding"), coding)
		}
	}},
	{"09 escaped id", func(t *testing.T, c caller) {
		const id, path = "a b/c:ż+", "/apps/C09/a%20b%2Fc%3A%C5%BC+"
		c.register("C09", edit{"instanceId": id})
		assert.Equal(t, id, c.instance("C09", "a%20b%2Fc%3A%C5%BC+").InstanceID)
		assert.Equal(t, 200, c.status("PUT", path))
		assert.Equal(t, 200, c.status("PUT", path+"/status?value=DOWN"))
		assert.Equal(t, 200, c.status("DELETE", path))
		assert.Equal(t, 404, c.status("PUT", path))
	}},
	{"10 double slash", func(t *testing.T, c caller) {
		got := c.do("POST", "//apps//C10", body("C10"), asJSON)
		assert.Equal(t, 204, got.status)
		c.base = strings.Replace(c.base, "/eureka", "//eureka/", 1)
		assert.Equal(t, 200, c.do("GET", "/apps/C10", "").status)
	}},
	{"11 wrong method", func(t *testing.T, c caller) {
		c.register("C11")
		got := c.do("DELETE", "/apps/C11", "")
		assert.Equal(t, 405, got.status)
		assert.Equal(t, "GET, HEAD, POST", got.header.Get("Allow"))
		assert.Empty(t, got.body)
	}},
	{"12 unknown path", func(t *testing.T, c caller) {
		for _, path := range []string{"/nothing", "/", "/apps/a/b/c", "/apps/a/b/status/c", "/instances"} {
			assert.Equal(t, 404, c.status("GET", path), path)
		}
	}},
	{"13 minimal body", func(t *testing.T, c caller) {
		c.register("C13", edit{"lastDirtyTimestamp": nil})
		in := c.instance("C13", "i1")
		assert.Equal(t, wire.Port{Number: 7001, Enabled: true}, in.Port)
		assert.Equal(t, wire.Port{Number: 7002}, in.SecurePort)
		assert.Equal(t, 30, in.Lease.RenewalInterval)
		assert.Equal(t, 90, in.Lease.Duration)
		assert.Equal(t, in.LastUpdated, in.LastDirty)
		assert.Equal(t, wire.Unknown, in.OverriddenStatus)
		assert.Equal(t, wire.Added, in.Action)
		c.register("C13", edit{"port": map[string]any{}, "status": nil})
		in = c.instance("C13", "i1")
		assert.Equal(t, wire.Port{Number: 7001, Enabled: true}, in.Port)
		assert.Equal(t, wire.Up, in.Status)
	}},
	{"14 without id", func(t *testing.T, c caller) {
		c.register("C14", edit{"instanceId": nil, "hostName": "only-host"})
		assert.Empty(t, c.instance("C14", "only-host").InstanceID)
		got := c.do("POST", "/apps/C14", body("C14", edit{"instanceId": nil, "hostName": nil}), asJSON)
		assert.Equal(t, 400, got.status)
		assert.Equal(t, "Missing instanceId", got.body)
	}},
	{"15 without host or address", func(t *testing.T, c caller) {
		for member, want := range map[string]string{"hostName": "Missing hostname", "ipAddr": "Missing ip address"} {
			got := c.do("POST", "/apps/C15", body("C15", edit{member: " "}), asJSON)
			assert.Equal(t, 400, got.status)
			assert.Equal(t, want, got.body)
		}
	}},
	{"16 other app", func(t *testing.T, c caller) {
		got := c.do("POST", "/apps/C16", body("ELSE"), asJSON)
		assert.Equal(t, 400, got.status)
		assert.Equal(t, "Mismatched appName, expecting C16 but was ELSE", got.body)
	}},
	{"17 without data center", func(t *testing.T, c caller) {
		for _, dc := range []any{nil, map[string]any{"@class": "com.netflix.appinfo.MyDataCenterInfo"}, map[string]any{"name": "Foo"}} {
			got := c.do("POST", "/apps/C17", body("C17", edit{"dataCenterInfo": dc}), asJSON)
			assert.Equal(t, 400, got.status, dc)
		}
		assert.Equal(t, 404, c.do("GET", "/apps/C17", "").status)
	}},
	{"18 broken bodies", func(t *testing.T, c caller) {
		for _, b := range []string{`{}`, `[]`, ``, `{"instance":`, `{"instance":null}`, `{"app":"C18"}`, `null`} {
			got := c.do("POST", "/apps/C18", b, asJSON)
			assert.Equal(t, 400, got.status, b)
			assert.JSONEq(t, `{"error": "cannot parse request body"}`, got.body)
		}
		got := c.do("POST", "/apps/C18", "<instance>", asXML)
		assert.Equal(t, 400, got.status)
		assert.Equal(t, `<error><message>cannot parse request body</message></error>`, got.body)
	}},
	{"19 plain text", func(t *testing.T, c caller) {
		for _, h := range []string{"Content-Type: text/plain", "Content-Type:"} {
			got := c.do("POST", "/apps/C19", body("C19"), h)
			assert.Equal(t, 415, got.status)
			assert.Empty(t, got.body)
		}
	}},
	{"20 nulls, numbers and booleans", func(t *testing.T, c caller) {
		got := c.do("POST", "/apps/C20", `{"instance":{"instanceId":"i1","app":"C20","appGroupName":null,"ipAddr":"10.0.0.1","sid":"na",
			"homePageUrl":"http://h:8080/","secureHealthCheckUrl":null,"vipAddress":"c20","countryId":1,
			"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},
			"hostName":"h","status":"UP","overriddenStatus":"UNKNOWN",
			"leaseInfo":{"renewalIntervalInSecs":30,"durationInSecs":90,"registrationTimestamp":0,"serviceUpTimestamp":0},
			"isCoordinatingDiscoveryServer":false,"lastUpdatedTimestamp":1700000000000,"lastDirtyTimestamp":1700000000000,
			"actionType":null,"asgName":null,"port":{"$":8080,"@enabled":"true"},"securePort":{"$":443,"@enabled":"false"},
			"metadata":{"management.port":"8080"}}}`, asJSON)
		require.Equal(t, 204, got.status)
		got = c.do("GET", "/apps/C20/i1", "")
		assert.Contains(t, got.body, `"lastDirtyTimestamp":"1700000000000"`)
		assert.Contains(t, got.body, `"metadata":{"management.port":"8080"}`)
		assert.NotContains(t, got.body, "null")
	}},
	{"21 XML body", func(t *testing.T, c caller) {
		got := c.do("POST", "/apps/C21", `<instance><instanceId>i1</instanceId><hostName>h1</hostName><app>C21</app><ipAddr>10.0.0.7</ipAddr>
			<status>UP</status><overriddenstatus></overriddenstatus><port>8080</port><securePort>8443</securePort>
			<dataCenterInfo><name>MyOwn</name></dataCenterInfo><metadata><_.0031a__b>x</_.0031a__b></metadata></instance>`, asXML)
		require.Equal(t, 204, got.status)
		got = c.do("GET", "/apps/C21/i1", "")
		assert.Contains(t, got.body, `"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo"`)
		assert.Contains(t, got.body, `"port":{"$":8080,"@enabled":"true"},"securePort":{"$":8443,"@enabled":"false"}`)
		assert.Contains(t, got.body, `"1a_b":"x"`)
	}},
	{"22 override in the body", func(t *testing.T, c caller) {
		for i, member := range []string{"overriddenstatus", "overriddenStatus"} {
			id := "i" + strconv.Itoa(i)
			c.register("C22", edit{"instanceId": id, member: "OUT_OF_SERVICE"})
			in := c.instance("C22", id)
			assert.Equal(t, wire.OutOfService, in.Status, member)
			assert.Equal(t, wire.OutOfService, in.OverriddenStatus, member)
		}
	}},
	{"23 lease", func(t *testing.T, c caller) {
		c.register("C23", edit{"leaseInfo": map[string]any{"renewalIntervalInSecs": 0, "durationInSecs": 0}})
		in := c.instance("C23", "i1")
		assert.Equal(t, []int{30, 90}, []int{in.Lease.RenewalInterval, in.Lease.Duration})
		c.register("C23", edit{"leaseInfo": map[string]any{"renewalIntervalInSecs": "5", "durationInSecs": "15"}})
		in = c.instance("C23", "i1")
		assert.Equal(t, []int{5, 15}, []int{in.Lease.RenewalInterval, in.Lease.Duration})
	}},
	{"24 unknown members", func(t *testing.T, c caller) {
		c.register("C24", edit{"foo": map[string]any{"hostName": "evil", "metadata": map[string]any{"a": []any{1, nil}}}, "bar": []any{}})
		assert.Equal(t, "h1", c.instance("C24", "i1").HostName)
	}},
	{"25 gzip body", func(t *testing.T, c caller) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := io.WriteString(z, body("C25"))
		require.NoError(t, err)
		require.NoError(t, z.Close())
		assert.Equal(t, 204, c.do("POST", "/apps/C25", b.String(), asJSON, "Content-Encoding: gzip").status)
		assert.Equal(t, 400, c.do("POST", "/apps/C25", body("C25"), asJSON, "Content-Encoding: gzip").status)
		assert.Equal(t, 415, c.do("POST", "/apps/C25", body("C25"), asJSON, "Content-Encoding: br").status)
	}},
	{"26 equal and older versions", func(t *testing.T, c caller) {
		meta := func(v string) edit { return edit{"metadata": map[string]any{"v": v}} }
		c.register("C26", meta("1"))
		c.register("C26", meta("2"))
		assert.Equal(t, "2", c.instance("C26", "i1").Metadata["v"])
		c.register("C26", meta("3"), edit{"lastDirtyTimestamp": t0 - 1})
		assert.Equal(t, "2", c.instance("C26", "i1").Metadata["v"])
	}},
	{"28 heartbeat", func(t *testing.T, c caller) {
		c.register("C28")
		assert.Equal(t, 200, c.status("PUT", "/apps/C28/i1"))
		got := c.do("PUT", "/apps/C28/i2", "")
		assert.Equal(t, 404, got.status)
		assert.Empty(t, got.body)
		assert.Equal(t, "0", got.header.Get("Content-Length"))
		assert.Empty(t, got.header.Get("Content-Type"))
	}},
	{"29 heartbeat with version", func(t *testing.T, c caller) {
		c.register("C29")
		for version, want := range map[int]int{t0: 200, t0 + 1: 404, t0 - 1: 200} {
			assert.Equal(t, want, c.status("PUT", "/apps/C29/i1?status=UP&lastDirtyTimestamp="+strconv.Itoa(version)))
		}
		assert.Equal(t, 400, c.status("PUT", "/apps/C29/i1?lastDirtyTimestamp=soon"))
	}},
	{"30 heartbeat of a peer", func(t *testing.T, c caller) {
		c.register("C30")
		got := c.do("PUT", "/apps/C30/i1?lastDirtyTimestamp="+strconv.Itoa(t0-1), "", asPeer)
		assert.Equal(t, 409, got.status)
		in, err := wire.UnmarshalInstance([]byte(got.body), wire.JSON)
		require.NoError(t, err)
		assert.EqualValues(t, t0, in.LastDirty)
		assert.Equal(t, 404, c.status("PUT", "/apps/C30/i1?lastDirtyTimestamp="+strconv.Itoa(t0+1), asPeer))
	}},
	{"31 override from a peer", func(t *testing.T, c caller) {
		c.register("C31")
		path := "/apps/C31/i1?overriddenstatus=OUT_OF_SERVICE&lastDirtyTimestamp=" + strconv.Itoa(t0+1)
		assert.Equal(t, 404, c.status("PUT", path, asPeer))
		assert.Equal(t, wire.OutOfService, c.instance("C31", "i1").OverriddenStatus)
		assert.Equal(t, 200, c.status("PUT", "/apps/C31/i1"))
		assert.Equal(t, wire.OutOfService, c.instance("C31", "i1").Status)
		require.Len(t, c.delta("C31"), 1)
		assert.Equal(t, wire.OutOfService, c.delta("C31")[0].Status)
	}},
	{"32 heartbeat with a body", func(t *testing.T, c caller) {
		c.register("C32")
		assert.Equal(t, 200, c.do("PUT", "/apps/C32/i1", "{}", asJSON).status)
	}},
	{"33 case of ids", func(t *testing.T, c caller) {
		c.register("C33", edit{"instanceId": "Id"})
		assert.Equal(t, 200, c.status("PUT", "/apps/c33/Id"))
		assert.Equal(t, 404, c.status("PUT", "/apps/C33/id"))
	}},
	{"34 unknown status word", func(t *testing.T, c caller) {
		c.register("C34", edit{"status": "fine"})
		assert.Equal(t, 404, c.status("PUT", "/apps/C34/i1"))
	}},
	{"35 heartbeats are no news", func(t *testing.T, c caller) {
		c.register("C35")
		before, delta := c.instance("C35", "i1"), c.do("GET", "/apps/delta", "")
		assert.Equal(t, 200, c.status("PUT", "/apps/C35/i1"))
		after := c.instance("C35", "i1")
		assert.Equal(t, before.LastUpdated, after.LastUpdated)
		assert.Equal(t, delta.body, c.do("GET", "/apps/delta", "").body)
	}},
	{"36 status set", func(t *testing.T, c caller) {
		c.register("C36")
		assert.Equal(t, 200, c.status("PUT", "/apps/C36/i1/status?value=OUT_OF_SERVICE"))
		assert.Equal(t, 200, c.status("PUT", "/apps/C36/i1?status=UP"))
		in := c.instance("C36", "i1")
		assert.Equal(t, wire.OutOfService, in.Status)
		assert.Equal(t, wire.OutOfService, in.OverriddenStatus)
		assert.Equal(t, wire.Modified, in.Action)
	}},
	{"37 registration does not undo it", func(t *testing.T, c caller) {
		c.register("C37")
		c.status("PUT", "/apps/C37/i1/status?value=OUT_OF_SERVICE")
		c.register("C37", edit{"lastDirtyTimestamp": t0 + 1})
		assert.Equal(t, wire.OutOfService, c.instance("C37", "i1").Status)
	}},
	{"38 down for a while", func(t *testing.T, c caller) {
		c.register("C38")
		c.status("PUT", "/apps/C38/i1/status?value=OUT_OF_SERVICE")
		c.register("C38", edit{"status": "DOWN"})
		assert.Equal(t, wire.Down, c.instance("C38", "i1").Status)
		assert.Equal(t, wire.OutOfService, c.instance("C38", "i1").OverriddenStatus)
		c.register("C38")
		assert.Equal(t, wire.OutOfService, c.instance("C38", "i1").Status)
	}},
	{"39 override removed to UP", func(t *testing.T, c caller) {
		c.register("C39")
		c.status("PUT", "/apps/C39/i1/status?value=OUT_OF_SERVICE")
		assert.Equal(t, 200, c.status("DELETE", "/apps/C39/i1/status?value=UP"))
		assert.Equal(t, wire.Up, c.instance("C39", "i1").Status)
		assert.Equal(t, wire.Unknown, c.instance("C39", "i1").OverriddenStatus)
	}},
	{"40 override removed", func(t *testing.T, c caller) {
		c.register("C40")
		c.status("PUT", "/apps/C40/i1/status?value=OUT_OF_SERVICE")
		assert.Equal(t, 200, c.status("DELETE", "/apps/C40/i1/status"))
		assert.Equal(t, wire.Unknown, c.instance("C40", "i1").Status)
		assert.Equal(t, 404, c.status("PUT", "/apps/C40/i1"))
		c.register("C40")
		assert.Equal(t, wire.Up, c.instance("C40", "i1").Status)
	}},
	{"41 status that is already", func(t *testing.T, c caller) {
		c.register("C41")
		assert.Equal(t, 200, c.status("PUT", "/apps/C41/i1/status?value=UP"))
		assert.Equal(t, wire.Unknown, c.instance("C41", "i1").OverriddenStatus)
		assert.Equal(t, wire.Added, c.instance("C41", "i1").Action)
	}},
	{"42 out of service by registration", func(t *testing.T, c caller) {
		c.register("C42")
		c.register("C42", edit{"status": "OUT_OF_SERVICE"})
		assert.Equal(t, wire.Up, c.instance("C42", "i1").Status)
		assert.Equal(t, 204, c.do("POST", "/apps/C42", body("C42", edit{"status": "OUT_OF_SERVICE"}), asJSON, asPeer).status)
		assert.Equal(t, wire.OutOfService, c.instance("C42", "i1").Status)
	}},
	{"43 unknown instance", func(t *testing.T, c caller) {
		assert.Equal(t, 404, c.status("PUT", "/apps/C43/i1/status?value=UP"))
		assert.Equal(t, 404, c.status("DELETE", "/apps/C43/i1/status"))
		assert.Equal(t, 404, c.status("PUT", "/apps/C43/i1/metadata?a=1"))
		assert.Equal(t, 404, c.status("DELETE", "/apps/C43/i1"))
		assert.Equal(t, 404, c.status("GET", "/apps/C43/i1"))
		assert.Equal(t, 404, c.status("GET", "/apps/C43"))
	}},
	{"44 version with a status", func(t *testing.T, c caller) {
		c.register("C44")
		c.status("PUT", "/apps/C44/i1/status?value=DOWN&lastDirtyTimestamp="+strconv.Itoa(t0+500))
		assert.EqualValues(t, t0+500, c.instance("C44", "i1").LastDirty)
	}},
	{"45 cancel drops the override", func(t *testing.T, c caller) {
		c.register("C45")
		c.status("PUT", "/apps/C45/i1/status?value=OUT_OF_SERVICE")
		assert.Equal(t, 200, c.status("DELETE", "/apps/C45/i1"))
		c.register("C45")
		assert.Equal(t, wire.Up, c.instance("C45", "i1").Status)
	}},
	{"46 and 80 no such status", func(t *testing.T, c caller) {
		c.register("C46")
		before := c.instance("C46", "i1")
		for _, query := range []string{"?value=foo", "?value=up", "?value=", "", "?value=DOWN&lastDirtyTimestamp=x"} {
			assert.Equal(t, 400, c.status("PUT", "/apps/C46/i1/status"+query), query)
		}
		assert.Equal(t, before, c.instance("C46", "i1"))
	}},
	{"47 metadata", func(t *testing.T, c caller) {
		c.register("C47", edit{"metadata": map[string]any{"zone": "z1", "keep": "me"}})
		assert.Equal(t, 200, c.status("PUT", "/apps/C47/i1/metadata?a=1&zone=z9&e=&a=2&s=v+w"))
		in := c.instance("C47", "i1")
		assert.Equal(t, map[string]string{"a": "1", "zone": "z9", "e": "", "keep": "me", "s": "v w"}, in.Metadata)
		assert.Equal(t, wire.Added, in.Action)
		assert.EqualValues(t, t0, in.LastDirty)
	}},
	{"48 any application", func(t *testing.T, c caller) {
		c.register("C48", edit{"instanceId": "c48-only"})
		got := c.do("GET", "/instances/c48-only", "")
		assert.Equal(t, 200, got.status)
		assert.Contains(t, got.body, `"app":"C48"`)
		assert.Equal(t, 404, c.status("GET", "/instances/c48-none"))
	}},
	{"49 and 50 virtual addresses", func(t *testing.T, c caller) {
		c.register("C49", edit{"vipAddress": "c49x,c49y", "secureVipAddress": "c49s"})
		c.register("C49", edit{"instanceId": "i2", "vipAddress": "c49x", "status": "DOWN"})
		for path, hash := range map[string]string{
			"/vips/c49x": "DOWN_1_UP_1_", "/vips/c49y": "UP_1_", "/svips/c49s": "UP_1_",
			"/vips/c49x,c49y": "", "/vips/C49X": "", "/vips/c49zzz": "", "/svips/c49x": "",
		} {
			apps := c.applications(path)
			assert.Equal(t, "-1", apps.Version, path)
			assert.Equal(t, hash, apps.Hash, path)
			assert.Equal(t, hash == "", len(apps.Applications) == 0, path)
		}
	}},
	{"51 and 78 compact", func(t *testing.T, c caller) {
		c.register("C51", edit{"vipAddress": "c51", "homePageUrl": "http://h1/", "metadata": map[string]any{"a": "1"}})
		for _, path := range []string{"/apps", "/apps/delta", "/apps/C51", "/vips/c51"} {
			for _, accept := range []string{"Accept: application/json", "Accept: application/xml"} {
				got := c.do("GET", path, "", accept, "X-Eureka-Accept: COMPACT").body
				for _, member := range []string{"leaseInfo", "metadata", "homePageUrl", "lastDirtyTimestamp", "overridden"} {
					assert.NotContains(t, got, member, path)
				}
				for _, member := range []string{"vipAddress", "status", "port", "actionType"} {
					assert.Contains(t, got, member, path)
				}
				assert.Contains(t, c.do("GET", path, "", accept, "X-Eureka-Accept: junk").body, "leaseInfo", path)
			}
		}
		got := c.do("GET", "/apps", "", "X-Eureka-Accept: compact").body
		assert.Contains(t, got, "versions__delta")
		assert.Contains(t, got, "apps__hashcode")
		assert.Contains(t, c.do("GET", "/apps/C51/i1", "", "X-Eureka-Accept: compact").body, "leaseInfo")
	}},
	{"53 delta", func(t *testing.T, c caller) {
		actions := func() (actions []wire.Action) {
			for _, in := range c.delta("C53") {
				actions = append(actions, in.Action)
			}
			return actions
		}
		c.register("C53")
		assert.Equal(t, []wire.Action{wire.Added}, actions())
		c.status("PUT", "/apps/C53/i1/status?value=DOWN")
		assert.Equal(t, []wire.Action{wire.Modified}, actions())
		c.status("DELETE", "/apps/C53/i1")
		assert.Equal(t, []wire.Action{wire.Deleted}, actions())
	}},
	{"54 hash", func(t *testing.T, c caller) {
		for id, status := range map[string]string{"i1": "UP", "i2": "DOWN", "i3": "UP", "i4": "STARTING", "i5": "OUT_OF_SERVICE"} {
			c.register("C54", edit{"instanceId": id, "status": status})
		}
		c.status("DELETE", "/apps/C54/i4")
		c.status("PUT", "/apps/C54/i3/status?value=DOWN")
		full := c.applications("/apps")
		assert.Equal(t, wire.HashOf(full.Applications), full.Hash)
		assert.Equal(t, full.Hash, c.applications("/apps/delta").Hash)
		assert.Equal(t, "1", full.Version)
	}},
	{"55 version of the delta", func(t *testing.T, c caller) {
		c.register("C55")
		first := c.do("GET", "/apps/delta", "")
		assert.Equal(t, first.body, c.do("GET", "/apps/delta", "").body)
		before := c.applications("/apps/delta").Version
		c.status("PUT", "/apps/C55/i1/status?value=DOWN")
		assert.NotEqual(t, before, c.applications("/apps/delta").Version)
	}},
	{"76 empty id", func(t *testing.T, c caller) {
		c.register("C76", edit{"instanceId": "", "hostName": "h76"})
		assert.Equal(t, 200, c.status("PUT", "/apps/C76/h76"))
	}},
	{"77 charset", func(t *testing.T, c caller) {
		assert.Equal(t, 204, c.do("POST", "/apps/C77", body("C77"), "Content-Type: application/json;charset=UTF-8").status)
		assert.Equal(t, 415, c.do("POST", "/apps/C77", body("C77", edit{"instanceId": "i2"}), "Content-Type: application/json;charset=utf-16").status)
		assert.Equal(t, 404, c.status("GET", "/apps/C77/i2"))
		latin1 := strings.Replace(body("C77", edit{"instanceId": "i3", "vipAddress": "caf?"}), "caf?", "caf\xe9", 1)
		assert.Equal(t, 204, c.do("POST", "/apps/C77", latin1, "Content-Type: application/json; charset=ISO-8859-1").status)
		assert.Equal(t, "café", c.instance("C77", "i3").VIPAddress)
	}},
	{"79 what readers of XML need", func(t *testing.T, c caller) {
		c.register("C79")
		got := c.do("GET", "/apps/", "", "Accept:")
		var doc struct {
			Instances []struct {
				Port       enabled `xml:"port"`
				SecurePort enabled `xml:"securePort"`
				DataCenter struct {
					Class string `xml:"class,attr"`
				} `xml:"dataCenterInfo"`
				LastUpdated int64 `xml:"lastUpdatedTimestamp"`
				LastDirty   int64 `xml:"lastDirtyTimestamp"`
			} `xml:"application>instance"`
		}
		require.NoError(t, xml.Unmarshal([]byte(got.body), &doc))
		require.NotEmpty(t, doc.Instances)
		for _, in := range doc.Instances {
			assert.NotEmpty(t, in.Port.Enabled)
			assert.NotEmpty(t, in.SecurePort.Enabled)
			assert.NotEmpty(t, in.DataCenter.Class)
			assert.NotZero(t, in.LastUpdated)
			assert.NotZero(t, in.LastDirty)
		}
	}},
	{"81 regions", func(t *testing.T, c caller) {
		c.register("C81")
		assert.Equal(t, c.do("GET", "/apps", "").body, c.do("GET", "/apps?regions=nowhere", "").body)
		assert.Equal(t, c.do("GET", "/apps/delta", "").body, c.do("GET", "/apps/delta?regions=nowhere", "").body)
	}},
	{"status page", func(t *testing.T, c caller) {
		got := c.do("GET", "/status", "")
		assert.True(t, json.Valid([]byte(got.body)))
		assert.Contains(t, c.do("GET", "/status", "", "Accept: application/xml").body, "<isHeathly>true</isHeathly>")
	}},
	{"group", func(t *testing.T, c caller) {
		c.register("GRP", edit{"appGroupName": "shop"})
		assert.Equal(t, "SHOP", c.instance("GRP", "i1").AppGroupName)
	}},
	{"Amazon", func(t *testing.T, c caller) {
		amazon := edit{"dataCenterInfo": map[string]any{
			"name": "Amazon", "@class": "com.netflix.appinfo.AmazonInfo", "metadata": map[string]any{"availability-zone": "us-east-1a"},
		}}
		c.register("AMZ", amazon)
		assert.Equal(t, map[string]string{"availability-zone": "us-east-1a", "instance-id": "i1"}, c.instance("AMZ", "i1").DataCenter.Metadata)
		maps.Copy(amazon["dataCenterInfo"].(map[string]any), map[string]any{"metadata": map[string]any{"instance-id": "i-77"}})
		c.register("AMZ", amazon, edit{"instanceId": nil})
		assert.Equal(t, 200, c.status("PUT", "/apps/AMZ/i-77"))
	}},
}

type enabled struct {
	Enabled string `xml:"enabled,attr"`
}

func TestConformance(t *testing.T) {
	for _, base := range []string{"/eureka/v2", "/eureka"} {
		t.Run(strings.ReplaceAll(base[1:], "/", " "), func(t *testing.T) {
			s := eurekaserver.New()
			defer s.Close()
			server := httptest.NewServer(s)
			defer server.Close()
			conform(t, target{base: server.URL + base, client: plainClient(nil)})
		})
	}
}

// conform runs the cases against a server, which may hold other applications.
func conform(t *testing.T, target target) {
	for _, c := range slices.Concat(cases, replicationCases) {
		t.Run(c.name, func(t *testing.T) { c.run(t, caller{target, t}) })
	}
}

// plainClient returns a client that neither follows redirects nor unpacks.
func plainClient(transport *http.Transport) *http.Client {
	if transport == nil {
		transport = &http.Transport{}
	}
	transport.DisableCompression = true
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
