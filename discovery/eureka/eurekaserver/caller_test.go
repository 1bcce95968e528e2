package eurekaserver_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// A target is a server under test. Cases may share one: each uses an
// application and ids of its own.
type target struct {
	base    string // without a slash at the end
	client  *http.Client
	foreign string // what it is, if it is not ours
}

// caller is a target within one test.
type caller struct {
	target
	t       *testing.T
	app, id string // the application and the instance of one case
}

type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request. Headers are given as "Name: value"; without an Accept
// header JSON is asked for, and "Accept:" leaves it out. A document in the
// answer must be one that the strictest reader takes.
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
	got := answer{resp.StatusCode, resp.Header, string(data)}
	compact := strings.EqualFold(req.Header.Get("X-Eureka-Accept"), "compact")
	assert.NoError(c.t, got.strict(compact), "%s %s", method, path)
	return got
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
	return instancesOf(c.applications("/apps/delta"), app)
}

func instancesOf(apps wire.Applications, app string) []wire.Instance {
	for _, a := range apps.Applications {
		if a.Name == app {
			return a.Instances
		}
	}
	return nil
}

// status sends a request whose answer has no body, or is a rejection.
func (c caller) status(method, path string, headers ...string) int {
	c.t.Helper()
	got := c.do(method, path, "", headers...)
	if got.status < 400 || got.status == 404 {
		c.nothing(got)
	}
	return got.status
}

// nothing checks that there is nothing in an answer.
func (c caller) nothing(got answer) {
	c.t.Helper()
	if c.foreign == spring && got.status >= 400 {
		c.t.Logf("DIFFERS in spring: a page about the error %d", got.status)
		assert.Contains(c.t, got.body, "timestamp")
		return
	}
	assert.Empty(c.t, got.body)
	assert.Equal(c.t, "0", got.header.Get("Content-Length"))
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
