package eurekaserver_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

var registrationCases = []testCase{
	{number: 13, name: "minimal body", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join(edit{"lastDirtyTimestamp": nil})
		in := c.shown()
		assert.Equal(t, wire.Port{Number: 7001, Enabled: true}, in.Port)
		assert.Equal(t, wire.Port{Number: 7002}, in.SecurePort)
		assert.Equal(t, 30, in.Lease.RenewalInterval)
		assert.Equal(t, 90, in.Lease.Duration)
		assert.InDelta(t, in.LastUpdated, in.LastDirty, 60_000, "the server's own time")
		assert.Equal(t, wire.Unknown, in.OverriddenStatus)
		assert.Equal(t, wire.Added, in.Action)
		c.join(edit{"port": map[string]any{}, "status": nil})
		in = c.shown()
		assert.Equal(t, wire.Port{Number: 7001, Enabled: true}, in.Port)
		assert.Equal(t, wire.Up, in.Status)
	}},
	{number: 14, name: "without id", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join(edit{"instanceId": nil, "hostName": c.id})
		assert.Empty(t, c.shown().InstanceID)
		got := c.post(c.body(edit{"instanceId": nil, "hostName": nil}), asJSON)
		assert.Equal(t, 400, got.status)
		assert.Equal(t, "Missing instanceId", got.body)
	}},
	{number: 15, name: "without host or address", holds: everywhere, run: func(t *testing.T, c caller) {
		for name, want := range map[string]string{"hostName": "Missing hostname", "ipAddr": "Missing ip address"} {
			for _, value := range []any{nil, "", " "} {
				if value == " " && !c.ours() {
					continue // which others take for a name
				}
				got := c.post(c.body(edit{name: value}), asJSON)
				assert.Equal(t, 400, got.status, "%s %v", name, value)
				assert.Equal(t, want, got.body)
			}
		}
	}},
	{number: 16, name: "other app", holds: everywhere, run: func(t *testing.T, c caller) {
		got := c.post(c.body(edit{"app": "ELSE"}), asJSON)
		assert.Equal(t, 400, got.status)
		assert.Equal(t, "Mismatched appName, expecting C16 but was ELSE", got.body)
	}},
	{number: 17, name: "without data center", holds: everywhere, run: func(t *testing.T, c caller) {
		for _, dc := range []any{
			nil,
			map[string]any{"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo"},
			map[string]any{"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "Foo"},
		} {
			assert.Equal(t, 400, c.post(c.body(edit{"dataCenterInfo": dc}), asJSON).status, dc)
		}
		assert.Equal(t, 404, c.do("GET", "/apps/C17", "").status)
		if c.ours() { // a class may be missing
			c.join(edit{"dataCenterInfo": map[string]any{"name": "Netflix"}})
			assert.Equal(t, wire.Netflix, c.shown().DataCenter.Name)
		}
	}},
	{number: 18, name: "broken bodies", holds: everywhere, run: func(t *testing.T, c caller) {
		bodies := []string{`{}`, `[]`, ``, `{"instance":`, `{"app":"C18"}`}
		if c.ours() {
			bodies = append(bodies, `{"instance":null}`, `null`, `{"instance":[]}`, `{"instance":{}} {}`)
		}
		for _, b := range bodies {
			got := c.post(b, asJSON)
			assert.Equal(t, 400, got.status, b)
			if c.ours() && b != `{"instance":{}} {}` {
				assert.JSONEq(t, `{"error": "cannot parse request body"}`, got.body, b)
			}
		}
		got := c.post("<instance>", asXML)
		assert.Equal(t, 400, got.status)
		if c.ours() {
			assert.Equal(t, `<error><message>cannot parse request body</message></error>`, got.body)
		}
		assert.Equal(t, 404, c.do("GET", "/apps/C18", "").status)
	}},
	{number: 19, name: "plain text", holds: everywhere, run: func(t *testing.T, c caller) {
		for _, h := range []string{"Content-Type: text/plain", "Content-Type:"} {
			got := c.post(c.body(), h)
			assert.Equal(t, 415, got.status, h)
			if c.ours() {
				assert.Empty(t, got.body, h)
			}
		}
		assert.Equal(t, 404, c.do("GET", "/apps/C19", "").status)
	}},
	{number: 20, name: "nulls, numbers and booleans", holds: everywhere, run: func(t *testing.T, c caller) {
		got := c.post(`{"instance":{"instanceId":"`+c.id+`","app":"C20","appGroupName":null,"ipAddr":"10.0.0.1","sid":"na",
			"homePageUrl":"http://h:8080/","secureHealthCheckUrl":null,"vipAddress":"c20","countryId":1,
			"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},
			"hostName":"h","status":"UP","overriddenStatus":"UNKNOWN",
			"leaseInfo":{"renewalIntervalInSecs":30,"durationInSecs":90,"registrationTimestamp":0,"lastRenewalTimestamp":0,"evictionTimestamp":0,"serviceUpTimestamp":0},
			"isCoordinatingDiscoveryServer":false,"lastUpdatedTimestamp":1700000000000,"lastDirtyTimestamp":1700000000000,
			"actionType":null,"asgName":null,"port":{"$":8080,"@enabled":"true"},"securePort":{"$":443,"@enabled":"false"},
			"metadata":{"management.port":"8080"}}}`, asJSON)
		require.Equal(t, 204, got.status)
		got = c.do("GET", c.path(""), "")
		assert.Contains(t, got.body, `"lastDirtyTimestamp":"1700000000000"`)
		assert.Contains(t, got.body, `"metadata":{"management.port":"8080"}`)
		assert.NotContains(t, got.body, "null")
	}},
	{number: 21, name: "XML body", holds: everywhere, run: func(t *testing.T, c caller) {
		got := c.post(`<instance><instanceId>`+c.id+`</instanceId><hostName>h1</hostName><app>C21</app><ipAddr>10.0.0.7</ipAddr>
			<status>UP</status><overriddenstatus></overriddenstatus><port>8080</port><securePort>8443</securePort>
			<dataCenterInfo><name>MyOwn</name></dataCenterInfo><metadata><_.0031a__b>x</_.0031a__b></metadata></instance>`, asXML)
		require.Equal(t, 204, got.status)
		got = c.do("GET", c.path(""), "")
		assert.Contains(t, got.body, `"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo"`)
		in := c.shown()
		assert.Equal(t, wire.Port{Number: 8080, Enabled: true}, in.Port)
		assert.Equal(t, wire.Port{Number: 8443}, in.SecurePort)
		assert.Equal(t, map[string]string{"1a_b": "x"}, in.Metadata)
	}},
	{number: 22, name: "override in the body", holds: everywhere, run: func(t *testing.T, c caller) {
		for i, name := range []string{"overriddenstatus", "overriddenStatus"} {
			c := c.with(strconv.Itoa(i))
			c.join(edit{name: "OUT_OF_SERVICE"})
			assert.Equal(t, wire.OutOfService, c.shown().Status, name)
			assert.Equal(t, wire.OutOfService, c.shown().OverriddenStatus, name)
		}
	}},
	{number: 23, name: "lease", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join(edit{"leaseInfo": map[string]any{"renewalIntervalInSecs": 0, "durationInSecs": 0}})
		lease := c.shown().Lease
		assert.Equal(t, []int{30, 90}, []int{lease.RenewalInterval, lease.Duration})
		c.join(edit{"leaseInfo": map[string]any{"renewalIntervalInSecs": "5", "durationInSecs": "15"}})
		lease = c.shown().Lease
		assert.Equal(t, []int{5, 15}, []int{lease.RenewalInterval, lease.Duration})
	}},
	{number: 24, name: "unknown members", holds: everywhere, run: func(t *testing.T, c caller) {
		unknown := edit{"fool": true, "zoo": map[string]any{"x": map[string]any{"y": "z"}}} // members are sent by name
		if c.ours() {                                                                       // others walk into objects, and get lost there
			unknown["bar"] = []any{map[string]any{"x": 1}, []any{}, nil}
			unknown["foo"] = map[string]any{"hostName": "evil", "metadata": map[string]any{"a": "evil"}, "list": []any{1, nil}}
		}
		c.join(unknown)
		assert.Equal(t, "h1", c.shown().HostName)
		assert.Empty(t, c.shown().Metadata)
	}},
	{number: 25, name: "gzip body", holds: everywhere, run: func(t *testing.T, c caller) {
		assert.Equal(t, 204, c.post(zipped(t, c.body()), asJSON, "Content-Encoding: gzip").status)
		if c.ours() {
			assert.Equal(t, 400, c.post(c.body(), asJSON, "Content-Encoding: gzip").status)
			assert.Equal(t, 415, c.post(c.body(), asJSON, "Content-Encoding: br").status)
		}
	}, differs: map[string]difference{
		spring: {"it does not unpack what it is sent", func(t *testing.T, c caller) {
			assert.Equal(t, 400, c.post(zipped(t, c.body()), asJSON, "Content-Encoding: gzip").status)
		}},
	}},
	{number: 26, name: "equal and older versions", holds: everywhere, run: func(t *testing.T, c caller) {
		meta := func(v string) edit { return edit{"metadata": map[string]any{"v": v}} }
		c.join(meta("1"))
		c.join(meta("2"))
		assert.Equal(t, "2", c.shown().Metadata["v"])
		c.join(meta("3"), edit{"lastDirtyTimestamp": strconv.Itoa(t0 - 1)})
		assert.Equal(t, "2", c.shown().Metadata["v"])
	}},
	{number: 27, name: "registering again", holds: everywhere, passes: true, run: func(t *testing.T, c caller) {
		c.join(edit{"status": "STARTING"})
		assert.Zero(t, c.shown().Lease.ServiceUp)
		c.join()
		first := c.shown().Lease
		assert.NotZero(t, first.ServiceUp)
		c.eventually("another time of registration", func() bool {
			c.join()
			return c.shown().Lease.Registered > first.Registered
		})
		assert.Equal(t, first.ServiceUp, c.shown().Lease.ServiceUp)
	}},
	{number: 76, name: "empty id", holds: everywhere, run: func(t *testing.T, c caller) {
		c.join(edit{"instanceId": "", "hostName": c.id})
		assert.Equal(t, 200, c.status("PUT", c.path("")))
		if c.ours() { // readers that go by it must not find an empty one
			assert.NotContains(t, c.do("GET", c.path(""), "").body, "instanceId")
		}
	}},
	{number: 77, name: "charset", holds: everywhere, run: func(t *testing.T, c caller) {
		assert.Equal(t, 204, c.post(c.body(), "Content-Type: application/json;charset=UTF-8").status)
		c = c.with("2")
		assert.Contains(t, []int{400, 415}, c.post(c.body(), "Content-Type: application/json;charset=utf-16").status)
		assert.Equal(t, 404, c.status("GET", c.path("")))
		if c.ours() {
			c = c.with("3")
			latin1 := strings.Replace(c.body(edit{"vipAddress": "caf?"}), "caf?", "caf\xe9", 1)
			assert.Equal(t, 204, c.post(latin1, "Content-Type: application/json; charset=ISO-8859-1").status)
			assert.Equal(t, "café", c.shown().VIPAddress)
		}
	}},
}

func zipped(t *testing.T, text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.WriteString(z, text)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.String()
}

func TestApplicationGroup(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP", edit{"appGroupName": "shop"})
		assert.Equal(t, "SHOP", c.instance("APP", "i1").AppGroupName)
	})
}

func TestAmazon(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		amazon := func(metadata map[string]any) edit {
			return edit{"dataCenterInfo": map[string]any{"name": "Amazon", "@class": "com.netflix.appinfo.AmazonInfo", "metadata": metadata}}
		}
		c.register("APP", amazon(map[string]any{"availability-zone": "us-east-1a"}))
		assert.Equal(t, map[string]string{"availability-zone": "us-east-1a", "instance-id": "i1"}, c.instance("APP", "i1").DataCenter.Metadata)
		c.register("APP", amazon(map[string]any{"instance-id": "i-77"}), edit{"instanceId": nil})
		assert.Equal(t, 200, c.status("PUT", "/apps/APP/i-77"))
	})
}
