package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

var formats = []wire.Format{wire.JSON, wire.XML}

func orders() wire.Applications {
	return wire.Applications{Version: "7", Hash: "UP_1_", Applications: []wire.Application{{
		Name: "ORDERS", Instances: []wire.Instance{{
			InstanceID: "h1:orders:8080", HostName: "h1", App: "ORDERS", IPAddr: "10.0.0.7",
			Status: wire.Up, OverriddenStatus: wire.Unknown,
			Port: wire.Port{Number: 8080, Enabled: true}, SecurePort: wire.Port{Number: 8443},
			CountryID: 1, DataCenter: wire.DataCenter{Name: wire.MyOwn},
			Lease: wire.Lease{
				RenewalInterval: 30, Duration: 90, Registered: 1_700_000_000_000,
				LastRenewal: 1_700_000_090_000, ServiceUp: 1_700_000_000_000,
			},
			Metadata:    map[string]string{"zone": "z1"},
			HomePageURL: "http://h1:8080/?a=1&b=2", VIPAddress: "orders",
			LastUpdated: 1_700_000_000_000, LastDirty: 1_700_000_000_001, Action: wire.Added,
		}},
	}}}
}

const ordersJSON = `{"applications":{"versions__delta":"7","apps__hashcode":"UP_1_","application":[{"name":"ORDERS","instance":[{` +
	`"instanceId":"h1:orders:8080","hostName":"h1","app":"ORDERS","ipAddr":"10.0.0.7","status":"UP","overriddenStatus":"UNKNOWN",` +
	`"port":{"$":8080,"@enabled":"true"},"securePort":{"$":8443,"@enabled":"false"},"countryId":1,` +
	`"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},` +
	`"leaseInfo":{"renewalIntervalInSecs":30,"durationInSecs":90,"registrationTimestamp":1700000000000,` +
	`"lastRenewalTimestamp":1700000090000,"evictionTimestamp":0,"serviceUpTimestamp":1700000000000},"metadata":{"zone":"z1"},` +
	`"homePageUrl":"http://h1:8080/?a=1&b=2","vipAddress":"orders","isCoordinatingDiscoveryServer":"false",` +
	`"lastUpdatedTimestamp":"1700000000000","lastDirtyTimestamp":"1700000000001","actionType":"ADDED"}]}]}}`

const ordersXML = `<applications><versions__delta>7</versions__delta><apps__hashcode>UP_1_</apps__hashcode>` +
	`<application><name>ORDERS</name><instance><instanceId>h1:orders:8080</instanceId><hostName>h1</hostName><app>ORDERS</app>` +
	`<ipAddr>10.0.0.7</ipAddr><status>UP</status><overriddenstatus>UNKNOWN</overriddenstatus>` +
	`<port enabled="true">8080</port><securePort enabled="false">8443</securePort><countryId>1</countryId>` +
	`<dataCenterInfo class="com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo"><name>MyOwn</name></dataCenterInfo>` +
	`<leaseInfo><renewalIntervalInSecs>30</renewalIntervalInSecs><durationInSecs>90</durationInSecs>` +
	`<registrationTimestamp>1700000000000</registrationTimestamp><lastRenewalTimestamp>1700000090000</lastRenewalTimestamp>` +
	`<evictionTimestamp>0</evictionTimestamp><serviceUpTimestamp>1700000000000</serviceUpTimestamp></leaseInfo>` +
	`<metadata><zone>z1</zone></metadata><homePageUrl>http://h1:8080/?a=1&amp;b=2</homePageUrl><vipAddress>orders</vipAddress>` +
	`<isCoordinatingDiscoveryServer>false</isCoordinatingDiscoveryServer><lastUpdatedTimestamp>1700000000000</lastUpdatedTimestamp>` +
	`<lastDirtyTimestamp>1700000000001</lastDirtyTimestamp><actionType>ADDED</actionType></instance></application></applications>`

// What is written has exactly these members, of these types.
func TestMarshal(t *testing.T) {
	for f, want := range map[wire.Format]string{wire.JSON: ordersJSON, wire.XML: ordersXML} {
		got, err := wire.MarshalApplications(orders(), f)
		require.NoError(t, err)
		assert.Equal(t, want, string(got), "%v", f)

		read, err := wire.UnmarshalApplications(got, f)
		require.NoError(t, err)
		assert.Equal(t, orders(), read, "%v", f)
	}
}

func TestMarshalCompact(t *testing.T) {
	apps := orders()
	apps.Applications[0].Instances[0].DataCenter = wire.DataCenter{
		Name: wire.Amazon, Metadata: map[string]string{wire.AmazonInstanceID: "i-1", "ami-id": "a"},
	}
	got, err := wire.MarshalApplications(apps, wire.CompactJSON)
	require.NoError(t, err)
	assert.Equal(t, `{"applications":{"versions__delta":"7","apps__hashcode":"UP_1_","application":[{"name":"ORDERS","instance":[{`+
		`"instanceId":"h1:orders:8080","hostName":"h1","app":"ORDERS","ipAddr":"10.0.0.7","status":"UP",`+
		`"port":{"$":8080,"@enabled":"true"},"securePort":{"$":8443,"@enabled":"false"},`+
		`"dataCenterInfo":{"@class":"com.netflix.appinfo.AmazonInfo","name":"Amazon","metadata":{"instance-id":"i-1"}},`+
		`"vipAddress":"orders","lastUpdatedTimestamp":1700000000000,"actionType":"ADDED"}]}]}}`, string(got))
	assert.Len(t, apps.Applications[0].Instances[0].DataCenter.Metadata, 2)

	for _, f := range formats {
		got, err := wire.MarshalApplication(orders().Applications[0], f.Compact())
		require.NoError(t, err)
		app, err := wire.UnmarshalApplication(got, f.Compact())
		require.NoError(t, err)
		assert.Equal(t, "orders", app.Instances[0].VIPAddress)
		assert.Empty(t, app.Instances[0].Metadata)
		assert.NotContains(t, string(got), "leaseInfo")

		whole, err := wire.MarshalInstance(orders().Applications[0].Instances[0], f.Compact())
		require.NoError(t, err)
		assert.Contains(t, string(whole), "leaseInfo")
	}
}

func TestMarshalNothing(t *testing.T) {
	got, err := wire.MarshalApplications(wire.Applications{Version: "1"}, wire.JSON)
	require.NoError(t, err)
	assert.Equal(t, `{"applications":{"versions__delta":"1","apps__hashcode":"","application":[]}}`, string(got))

	got, err = wire.MarshalApplication(wire.Application{Name: "A"}, wire.JSON)
	require.NoError(t, err)
	assert.Equal(t, `{"application":{"name":"A","instance":[]}}`, string(got))

	got, err = wire.MarshalInstance(wire.Instance{DataCenter: wire.DataCenter{Name: wire.Amazon}}, wire.JSON)
	require.NoError(t, err)
	assert.Contains(t, string(got), `"metadata":{"@class":"java.util.Collections$EmptyMap"}`)
	assert.Contains(t, string(got), `"@class":"com.netflix.appinfo.AmazonInfo","name":"Amazon"`)
}

// Shapes that servers and clients of other origins write.
func TestUnmarshalJSONShapes(t *testing.T) {
	for name, doc := range map[string]string{
		"bare application and instance": strings.NewReplacer(`"application":[{`, `"application":{`, `"instance":[{`, `"instance":{`, `}]}]}}`, `}}}}`).Replace(ordersJSON),
		"numeric version":               strings.Replace(ordersJSON, `"7"`, `7`, 1),
		"port as string":                strings.Replace(ordersJSON, `"$":8080`, `"$":"8080"`, 1),
		"enabled as boolean":            strings.NewReplacer(`"@enabled":"true"`, `"@enabled":true`, `"@enabled":"false"`, `"@enabled":false`).Replace(ordersJSON),
		"enabled absent":                strings.NewReplacer(`,"@enabled":"true"`, ``, `,"@enabled":"false"`, ``).Replace(ordersJSON),
		"times as numbers":              strings.NewReplacer(`"1700000000000"`, `1700000000000`, `"1700000000001"`, `1700000000001`).Replace(ordersJSON),
		"coordinating as boolean":       strings.Replace(ordersJSON, `"isCoordinatingDiscoveryServer":"false"`, `"isCoordinatingDiscoveryServer":false`, 1),
		"nulls":                         strings.Replace(ordersJSON, `"countryId":1`, `"countryId":null,"asgName":null,"appGroupName":null,"sid":null`, 1),
		"old name of the renewal":       strings.Replace(ordersJSON, `"lastRenewalTimestamp"`, `"renewalTimestamp"`, 1),
		"other name of the override":    strings.Replace(ordersJSON, `"overriddenStatus"`, `"overriddenstatus"`, 1),
		"empty override":                strings.Replace(ordersJSON, `"overriddenStatus":"UNKNOWN"`, `"overriddenStatus":""`, 1),
		"unknown subtree":               strings.Replace(ordersJSON, `"app":`, `"x":{"hostName":"evil","port":{"$":1},"y":[{}]},"app":`, 1),
		"class of the metadata":         strings.Replace(ordersJSON, `"zone":`, `"@class":"java.util.HashMap","deep":{"zone":"evil"},"zone":`, 1),
		"other class":                   strings.Replace(ordersJSON, `InstanceInfo$DefaultDataCenterInfo`, `MyDataCenterInfo`, 1),
		"no class":                      strings.Replace(ordersJSON, `"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo",`, ``, 1),
		"class last": strings.Replace(ordersJSON, `"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"`,
			`"name":"MyOwn","@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo"`, 1),
		"space": " \n" + ordersJSON + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			if name != "space" {
				require.NotEqual(t, ordersJSON, doc, "the replacement did nothing")
			}
			got, err := wire.UnmarshalApplications([]byte(doc), wire.JSON)
			require.NoError(t, err)
			assert.Equal(t, orders(), got)
		})
	}
}

func TestUnmarshalXMLShapes(t *testing.T) {
	for name, doc := range map[string]string{
		"declaration and comments":   `<?xml version="1.0" encoding="UTF-8"?><!-- x -->` + ordersXML + "\n",
		"pretty":                     strings.ReplaceAll(ordersXML, "><", ">\n  <"),
		"enabled absent":             strings.NewReplacer(` enabled="true"`, ``, ` enabled="false"`, ``).Replace(ordersXML),
		"no class":                   strings.Replace(ordersXML, ` class="com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo"`, ``, 1),
		"empty override":             strings.Replace(ordersXML, `<overriddenstatus>UNKNOWN`, `<overriddenstatus>`, 1),
		"other name of the override": strings.ReplaceAll(ordersXML, `overriddenstatus`, `overriddenStatus`),
		"unknown subtree":            strings.Replace(ordersXML, `<app>`, `<x><hostName>evil</hostName></x><app>`, 1),
		"class of the metadata":      strings.Replace(ordersXML, `<metadata>`, `<metadata class="java.util.HashMap">`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			require.NotEqual(t, ordersXML, doc, "the replacement did nothing")
			got, err := wire.UnmarshalApplications([]byte(doc), wire.XML)
			require.NoError(t, err)
			assert.Equal(t, orders(), got)
		})
	}
}

func TestUnmarshalMissingLists(t *testing.T) {
	for _, doc := range []string{
		`{"applications":{}}`, `{"applications":{"application":null}}`, `{"applications":{"application":""}}`, `{"applications":{"application":[]}}`,
	} {
		got, err := wire.UnmarshalApplications([]byte(doc), wire.JSON)
		require.NoError(t, err, doc)
		assert.Zero(t, got, doc)
	}
	got, err := wire.UnmarshalApplications([]byte(`<applications/>`), wire.XML)
	require.NoError(t, err)
	assert.Zero(t, got)
}

func TestUnmarshalWords(t *testing.T) {
	for word, want := range map[string]wire.Status{"UP": wire.Up, "up": wire.Unknown, "FINE": wire.Unknown, "": ""} {
		got, err := wire.UnmarshalInstance([]byte(`{"instance":{"status":"`+word+`"}}`), wire.JSON)
		require.NoError(t, err)
		assert.Equal(t, want, got.Status)
		assert.Equal(t, wire.Unknown, got.OverriddenStatus)
	}
	got, err := wire.UnmarshalInstance([]byte(`{"instance":{"actionType":"PURGED","dataCenterInfo":{"@class":"com.netflix.appinfo.AmazonInfo"}}}`), wire.JSON)
	require.NoError(t, err)
	assert.Empty(t, got.Action)
	assert.Equal(t, wire.Amazon, got.DataCenter.Name)
}

func TestUnmarshalBothNamesOfTheOverride(t *testing.T) {
	for _, name := range []string{"overriddenStatus", "overriddenstatus"} {
		got, err := wire.UnmarshalInstance([]byte(`{"instance":{"`+name+`":"DOWN"}}`), wire.JSON)
		require.NoError(t, err)
		assert.Equal(t, wire.Down, got.OverriddenStatus)
		got, err = wire.UnmarshalInstance([]byte("<instance><"+name+">DOWN</"+name+"></instance>"), wire.XML)
		require.NoError(t, err)
		assert.Equal(t, wire.Down, got.OverriddenStatus)
	}
}

// Only Amazon's data centers have metadata.
func TestUnmarshalDataCenterMetadata(t *testing.T) {
	for name, want := range map[string]map[string]string{wire.Amazon: {"a": "b"}, wire.MyOwn: nil} {
		got, err := wire.UnmarshalInstance([]byte(`{"instance":{"dataCenterInfo":{"name":"`+name+`","metadata":{"a":"b"}}}}`), wire.JSON)
		require.NoError(t, err)
		assert.Equal(t, wire.DataCenter{Name: name, Metadata: want}, got.DataCenter)
	}
}

// What cannot be an element is left out, and elements inside a value are skipped.
func TestMetadataThatXMLCannotHold(t *testing.T) {
	got, err := wire.MarshalInstance(wire.Instance{Metadata: map[string]string{"": "x", "@class": "y", "a": "b"}}, wire.XML)
	require.NoError(t, err)
	assert.Contains(t, string(got), "<metadata><a>b</a></metadata>")
	in, err := wire.UnmarshalInstance([]byte(`<instance><metadata><a>1<b>2<c/></b>3</a><d/></metadata><app>A</app></instance>`), wire.XML)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"a": "13", "d": ""}, in.Metadata)
	assert.Equal(t, "A", in.App)
}

func TestUnmarshalMetadataValues(t *testing.T) {
	got, err := wire.UnmarshalInstance([]byte(`{"instance":{"metadata":{"n":1.50,"b":true,"z":null,"s":"a\u00e9\n","o":{},"l":[1]}}}`), wire.JSON)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"n": "1.50", "b": "true", "z": "", "s": "aé\n"}, got.Metadata)
}

// Metadata keys are element names in XML.
func TestMetadataKeys(t *testing.T) {
	for key, name := range map[string]string{
		"zone": "zone", "1a_b": "_.0031a__b", "a b": "a_.0020b", "a$b": "a_-b", "management.port": "management.port",
		"ż": "_.017c", "😀": "_.d83d_.de00", "x-1": "x-1", "-": "_.002d", "a:b": "a_.003ab", "<": "_.003c",
	} {
		in := wire.Instance{OverriddenStatus: wire.Unknown, CountryID: 1, Metadata: map[string]string{key: "v"}}
		got, err := wire.MarshalInstance(in, wire.XML)
		require.NoError(t, err)
		assert.Contains(t, string(got), "<metadata><"+name+">v</"+name+"></metadata>")
		read, err := wire.UnmarshalInstance(got, wire.XML)
		require.NoError(t, err)
		assert.Equal(t, in, read)
	}
	for name, key := range map[string]string{"a_b": "a_b", "a_.00zz": "a_.00zz", "a_": "a_", "x:y": "x:y", "a_.12": "a_.12"} {
		read, err := wire.UnmarshalInstance([]byte("<instance><metadata><"+name+">v</"+name+"></metadata></instance>"), wire.XML)
		require.NoError(t, err)
		assert.Equal(t, map[string]string{key: "v"}, read.Metadata)
	}
}

func TestErrorsSayWhere(t *testing.T) {
	for _, tt := range []struct {
		f         wire.Format
		doc, want string
	}{
		{wire.JSON, ``, "wire: read instance: byte 0: unexpected end of JSON input"},
		{wire.JSON, `{"instance":{`, "wire: read instance: byte 13: unexpected end of JSON input"},
		{wire.JSON, `[]`, "wire: read instance: unexpected array"},
		{wire.JSON, `{}`, "wire: read instance: no member of that name at the root"},
		{wire.JSON, `{"instance":null}`, "wire: read instance: null"},
		{wire.JSON, `{"instance":{"port":80}}`, "wire: read instance: port: unexpected number"},
		{wire.JSON, `{"instance":{"leaseInfo":{"durationInSecs":{}}}}`, "wire: read instance: leaseInfo.durationInSecs: unexpected object"},
		{wire.JSON, `{"instance":{"app":"A","hostName":"h","port":{"$":"x"}}}`, `wire: read instance "h" of "A": port: "x" is not a number that fits`},
		{wire.JSON, `{"instance":{"app":"A","hostName":"h","port":{"$":4294967296}}}`, `wire: read instance "h" of "A": port: "4294967296" is not a number that fits`},
		{wire.JSON, `{"instance":{"app":"A","hostName":"h","port":{"@enabled":"yes"}}}`, `wire: read instance "h" of "A": port enabled: "yes" is neither true nor false`},
		{wire.XML, ``, "wire: read instance: byte 0: EOF"},
		{wire.XML, `<instance><app>A</instance>`, "wire: read instance: byte 27: XML syntax error on line 1: element <app> closed by </instance>"},
		{wire.XML, `<application/>`, `wire: read instance: the root is "application"`},
		{wire.XML, `<instance><app>A</app><hostName>h</hostName><lastDirtyTimestamp>soon</lastDirtyTimestamp></instance>`, `wire: read instance "h" of "A": lastDirtyTimestamp: "soon" is not a number that fits`},
		{wire.Format(9), ``, "wire: read instance: unknown format Format(9)"},
	} {
		_, err := wire.UnmarshalInstance([]byte(tt.doc), tt.f)
		assert.EqualError(t, err, tt.want)
	}
	_, err := wire.UnmarshalApplications([]byte(`{"applications":{"application":[{"instance":[{"hostName":[]}]}]}}`), wire.JSON)
	assert.EqualError(t, err, "wire: read applications: application.instance.hostName: unexpected array")
}

// In a list, an instance that cannot be read counts, but is not to be called.
func TestBadInstanceDoesNotHideOthers(t *testing.T) {
	for _, bad := range []string{`"port":{"$":"x"}`, `"port":{"$":80,"@enabled":"yes"}`, `"securePort":{"$":443,"@enabled":"yes"}`, `"lastDirtyTimestamp":"soon"`} {
		got, err := wire.UnmarshalApplications([]byte(`{"applications":{"application":[{"name":"A","instance":[
			{"instanceId":"bad","app":"A","status":"DOWN",`+bad+`},
			{"instanceId":"good","app":"A","status":"UP","port":{"$":80}}]}]}}`), wire.JSON)
		require.NoError(t, err, bad)
		require.Len(t, got.Applications, 1, bad)
		instances := got.Applications[0].Instances
		require.Len(t, instances, 2, bad)
		assert.Equal(t, "bad", instances[0].InstanceID)
		assert.Zero(t, instances[0].Port, bad)
		assert.Zero(t, instances[0].SecurePort, bad)
		assert.Equal(t, wire.Port{Number: 80, Enabled: true}, instances[1].Port)
		assert.Equal(t, "DOWN_1_UP_1_", wire.HashOf(got.Applications))
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	const deep = 20_000
	_, err := wire.UnmarshalInstance([]byte(`{"instance":{"x":`+strings.Repeat("[", deep)+strings.Repeat("]", deep)+`}}`), wire.JSON)
	require.Error(t, err)
	// Skipping costs no stack, so XML may be as deep as it likes where nobody looks.
	_, err = wire.UnmarshalInstance([]byte(`<instance>`+strings.Repeat("<x>", deep)+strings.Repeat("</x>", deep)+`</instance>`), wire.XML)
	require.NoError(t, err)
}

func TestID(t *testing.T) {
	amazon := wire.DataCenter{Name: wire.Amazon, Metadata: map[string]string{wire.AmazonInstanceID: "i-1"}}
	for want, in := range map[string]wire.Instance{
		"id":   {InstanceID: "id", HostName: "h", DataCenter: amazon},
		"i-1":  {HostName: "h", DataCenter: amazon},
		"h":    {HostName: "h", DataCenter: wire.DataCenter{Name: wire.MyOwn}},
		"host": {HostName: "host"},
		"mine": {HostName: "mine", DataCenter: wire.DataCenter{Name: wire.MyOwn, Metadata: amazon.Metadata}},
	} {
		assert.Equal(t, want, in.ID())
	}
}

func TestHashOf(t *testing.T) {
	up, down, out := wire.Instance{Status: wire.Up}, wire.Instance{Status: wire.Down}, wire.Instance{Status: wire.OutOfService}
	assert.Empty(t, wire.HashOf(nil))
	assert.Equal(t, "DOWN_1_UP_2_", wire.HashOf([]wire.Application{{Instances: []wire.Instance{up, down}}, {Instances: []wire.Instance{up}}}))
	assert.Equal(t, "DOWN_1_OUT_OF_SERVICE_1_UP_1_", wire.HashOf([]wire.Application{{Instances: []wire.Instance{up, out, down}}}))
	assert.Equal(t, "UP_2_", wire.Hash(map[wire.Status]int{wire.Up: 2, wire.Down: 0}))
}
