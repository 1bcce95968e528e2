package eurekaserver_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The strictest readers fail over a member that they do not know, one that is
// missing, and one of another type, and then lose the whole document. What a
// server sends must be good for all of them.

// A kind is what the value of a member may be.
type kind int

const (
	text         kind = iota
	anyText           // may be empty
	status            // one of five words
	action            // one of three words
	flag              // "true" or "false", as a string
	number            // a JSON number
	numberString      // digits, as a JSON string
	port              // a number and whether it is enabled
	dataCenter
	leaseInfo
	metadata
)

type field struct {
	json, xml string
	kind      kind
	optional  bool
	compact   bool // in the reduced form as well
}

var instanceFields = []field{
	{"instanceId", "instanceId", anyText, true, true}, // as it was sent, by some servers
	{"hostName", "hostName", text, false, true},
	{"app", "app", text, false, true},
	{"appGroupName", "appGroupName", text, true, false},
	{"ipAddr", "ipAddr", text, false, true},
	{"sid", "sid", text, true, false},
	{"status", "status", status, false, true},
	{"overriddenStatus", "overriddenstatus", status, false, false},
	{"port", "port", port, false, true},
	{"securePort", "securePort", port, false, true},
	{"countryId", "countryId", number, false, false},
	{"dataCenterInfo", "dataCenterInfo", dataCenter, false, true},
	{"leaseInfo", "leaseInfo", leaseInfo, false, false},
	{"metadata", "metadata", metadata, false, false},
	{"homePageUrl", "homePageUrl", text, true, false},
	{"statusPageUrl", "statusPageUrl", text, true, false},
	{"healthCheckUrl", "healthCheckUrl", text, true, false},
	{"secureHealthCheckUrl", "secureHealthCheckUrl", text, true, false},
	{"vipAddress", "vipAddress", text, true, true},
	{"secureVipAddress", "secureVipAddress", text, true, true},
	{"asgName", "asgName", text, true, true},
	{"isCoordinatingDiscoveryServer", "isCoordinatingDiscoveryServer", flag, false, false},
	{"lastUpdatedTimestamp", "lastUpdatedTimestamp", numberString, false, true}, // a number in the reduced form
	{"lastDirtyTimestamp", "lastDirtyTimestamp", numberString, false, false},
	{"actionType", "actionType", action, false, true},
}

var leaseFields = []string{
	"renewalIntervalInSecs", "durationInSecs", "registrationTimestamp", "lastRenewalTimestamp", "evictionTimestamp", "serviceUpTimestamp",
}

// fields returns those of an instance, in full or reduced form.
func fields(compact bool) []field {
	all := slices.Clone(instanceFields)
	if !compact {
		return all
	}
	for i := range all {
		if all[i].json == "lastUpdatedTimestamp" {
			all[i].kind = number
		}
	}
	return slices.DeleteFunc(all, func(m field) bool { return !m.compact })
}

var (
	digits    = regexp.MustCompile(`^[0-9]+$`)
	version   = regexp.MustCompile(`^(-1|[0-9]+)$`)
	hash      = regexp.MustCompile(`^([A-Z_]+_[1-9][0-9]*_)*$`)
	statuses  = regexp.MustCompile(`^(UP|DOWN|STARTING|OUT_OF_SERVICE|UNKNOWN)$`)
	actions   = regexp.MustCompile(`^(ADDED|MODIFIED|DELETED)$`)
	trueFalse = regexp.MustCompile(`^(true|false)$`)
	classes   = regexp.MustCompile(`^com\.netflix\.appinfo\.(AmazonInfo|InstanceInfo\$DefaultDataCenterInfo)$`)
)

// patterns are what the text of a simple value looks like in either format.
var patterns = map[kind]*regexp.Regexp{
	text: regexp.MustCompile(`(?s).`), anyText: regexp.MustCompile(``), status: statuses, action: actions, flag: trueFalse, number: digits, numberString: digits,
}

const emptyMap = "java.util.Collections$EmptyMap"

// strict reports what is wrong with the document in an answer, whose lists may
// be in reduced form. An answer that has none, such as a page for people, is
// fine.
func (a answer) strict(compact bool) error {
	data := []byte(a.body)
	if a.header.Get("Content-Encoding") == "gzip" && len(data) > 0 {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return err
		}
		if data, err = io.ReadAll(z); err != nil {
			return err
		}
	}
	media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	switch {
	case len(data) == 0 || a.status != 200 && a.status != 409:
		return nil
	case media == "application/json":
		return strictJSON(data, compact)
	case media == "application/xml":
		return strictXML(data, compact)
	}
	return nil
}

// A decoder that takes anything would prove nothing.
func TestStrict(t *testing.T) {
	const good = `{"application":{"name":"A","instance":[{"instanceId":"i1","hostName":"h","app":"A","ipAddr":"1.2.3.4","status":"UP",
		"overriddenStatus":"UNKNOWN","port":{"$":80,"@enabled":"true"},"securePort":{"$":443,"@enabled":"false"},"countryId":1,
		"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},
		"leaseInfo":{"renewalIntervalInSecs":30,"durationInSecs":90,"registrationTimestamp":1,"lastRenewalTimestamp":1,"evictionTimestamp":0,"serviceUpTimestamp":1},
		"metadata":{"a":"1"},"isCoordinatingDiscoveryServer":"false","lastUpdatedTimestamp":"1","lastDirtyTimestamp":"1","actionType":"ADDED"}]}}`
	assert.NoError(t, strictJSON([]byte(good), false))
	for old, bad := range map[string]string{
		`"hostName":"h",`:                      ``,
		`"hostName":"h"`:                       `"hostname":"h"`,
		`"app":"A",`:                           `"app":"A","isDirty":"true",`,
		`"countryId":1`:                        `"countryId":"1"`,
		`"$":80`:                               `"$":"80"`,
		`"@enabled":"true"`:                    `"@enabled":true`,
		`"status":"UP"`:                        `"status":"FINE"`,
		`"overriddenStatus"`:                   `"overriddenstatus"`,
		`"name":"MyOwn"`:                       `"name":"Amazon"`,
		`"actionType":"ADDED"`:                 `"actionType":null`,
		`"lastDirtyTimestamp":"1"`:             `"lastDirtyTimestamp":1`,
		`"durationInSecs":90`:                  `"durationInSecs":"90"`,
		`"metadata":{"a":"1"}`:                 `"metadata":{"a":1}`,
		`"isCoordinatingDiscoveryServer":"fal`: `"isCoordinatingDiscoveryServer":"Fal`,
		`[{"instanceId"`:                       `{"instanceId"`,
		`{"application"`:                       `{"app"`,
		`"evictionTimestamp":0,`:               ``,
		`"registrationTimestamp":1`:            `"registrationTimestamp":1,"renewalTimestamp":1`,
		`.InstanceInfo$DefaultDataCenterInfo"`: `.MyDataCenterInfo"`,
		`"actionType":"ADDED"}]}}`:             `"actionType":"ADDED"}]}} {}`,
	} {
		broken := strings.Replace(good, old, bad, 1)
		assert.NotEqual(t, good, broken, old)
		assert.Error(t, strictJSON([]byte(broken), false), bad)
	}

	const goodXML = `<instance><instanceId>i1</instanceId><hostName>h</hostName><app>A</app><ipAddr>1.2.3.4</ipAddr><status>UP</status>` +
		`<overriddenstatus>UNKNOWN</overriddenstatus><port enabled="true">80</port><securePort enabled="false">443</securePort><countryId>1</countryId>` +
		`<dataCenterInfo class="com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo"><name>MyOwn</name></dataCenterInfo><leaseInfo>` +
		`<renewalIntervalInSecs>30</renewalIntervalInSecs><durationInSecs>90</durationInSecs><registrationTimestamp>1</registrationTimestamp>` +
		`<lastRenewalTimestamp>1</lastRenewalTimestamp><evictionTimestamp>0</evictionTimestamp><serviceUpTimestamp>1</serviceUpTimestamp></leaseInfo>` +
		`<metadata class="java.util.Collections$EmptyMap"/><isCoordinatingDiscoveryServer>false</isCoordinatingDiscoveryServer>` +
		`<lastUpdatedTimestamp>1</lastUpdatedTimestamp><lastDirtyTimestamp>1</lastDirtyTimestamp><actionType>ADDED</actionType></instance>`
	assert.NoError(t, strictXML([]byte(goodXML), false))
	for old, bad := range map[string]string{
		`<hostName>h</hostName>`:   ``,
		`<app>A</app>`:             `<app>A</app><app>A</app>`,
		`<status>UP</status>`:      `<status>UP</status><dirty/>`,
		`<port enabled="true">`:    `<port>`,
		` class="com.netflix.app`:  ` clazz="com.netflix.app`,
		`<overriddenstatus>`:       `<overriddenstatus><x/>`,
		`<durationInSecs>90`:       `<durationInSecs>90s`,
		`class="java.util`:         `class="java.lang`,
		`<countryId>1<`:            `<countryId><`,
		`<instance>`:               `<?xml version="1.0"?><instance>`,
		`<metadata `:               `<metadata><x><y/></x></metadata><metadata `,
		`<actionType>ADDED<`:       `<actionType>NEW<`,
		`enabled="false">443<`:     `enabled="no">443<`,
		`<ipAddr>1.2.3.4</ipAddr>`: `<ipAddr></ipAddr>`,
	} {
		broken := strings.Replace(goodXML, old, bad, 1)
		assert.NotEqual(t, goodXML, broken, old)
		assert.Error(t, strictXML([]byte(broken), false), bad)
	}
}
