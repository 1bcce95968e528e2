package kubernetes_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/kubernetes"
)

// setOf returns the set of these slices, the last of which was written last.
func setOf(t *testing.T, port string, ipv6 bool, slices ...object) ([]discovery.Instance, error) {
	t.Helper()
	for i, s := range slices {
		s["metadata"].(object)["resourceVersion"] = []string{"9", "10", "11", "12"}[i]
	}
	list, err := json.Marshal(object{"kind": "EndpointSliceList", "metadata": object{"resourceVersion": "12"}, "items": slices})
	require.NoError(t, err)
	return kubernetes.SetOfList(list, port, ipv6)
}

func TestFacts(t *testing.T) {
	set, err := setOf(t, "", false, sliceOf("a", with(pod(1),
		"hostname", "orders-1", "hints", object{"forZones": []object{{"name": "eu-1a"}, {"name": "eu-1b"}}, "forNodes": []object{{"name": "node-1"}}},
	)))
	require.NoError(t, err)
	assert.Equal(t, []discovery.Instance{{
		ID: "uid-1", Addr: "10.0.0.1:8080", Zone: "eu-1a",
		Metadata: map[string]string{"pod": "orders-1", "node": "node-1", "hostname": "orders-1", "forZones": "eu-1a,eu-1b", "forNodes": "node-1"},
	}}, set)

	set, err = setOf(t, "", false, sliceOf("a", object{"addresses": []string{"10.0.0.1", "10.0.0.2"}}))
	require.NoError(t, err)
	assert.Equal(t, []discovery.Instance{{Addr: "10.0.0.1:8080"}}, set, "what is missing is missing")
}

func TestConditions(t *testing.T) {
	ready := with(pod(1), "conditions", object{"ready": true, "serving": true})
	silent := with(pod(2), "conditions", object{})
	unready := with(pod(3), "conditions", object{"ready": false, "serving": false})
	leaving := with(pod(4), "conditions", object{"ready": false, "serving": true, "terminating": true})
	gone := with(pod(5), "conditions", object{"ready": false, "serving": false, "terminating": true})
	reluctant := with(pod(6), "conditions", object{"ready": false, "terminating": true}) // by old servers
	published := with(pod(7), "conditions", object{"ready": true, "serving": false, "terminating": true})
	null := with(pod(8), "conditions", object{"ready": nil, "serving": nil, "terminating": nil})
	for _, c := range []struct {
		endpoints []object
		want      string
	}{
		{[]object{ready, silent, null, unready, leaving, gone}, "uid-1 10.0.0.1:8080, uid-2 10.0.0.2:8080, uid-8 10.0.0.8:8080"},
		{[]object{unready, leaving, gone, reluctant}, "uid-4 10.0.0.4:8080, uid-6 10.0.0.6:8080"},
		{[]object{unready, gone}, ""},
		{[]object{published, leaving}, "uid-7 10.0.0.7:8080"},
	} {
		set, err := setOf(t, "", false, sliceOf("a", c.endpoints...))
		require.NoError(t, err)
		assert.Equal(t, c.want, brief(set))
	}
}

// An endpoint that moves is in two slices, and what was written last counts.
func TestMoving(t *testing.T) {
	unready := with(pod(1), "conditions", object{"ready": false})
	set, err := setOf(t, "", false, sliceOf("b", pod(1), pod(2)), sliceOf("a", unready))
	require.NoError(t, err)
	assert.Equal(t, two, brief(set))
	set, err = setOf(t, "", false, sliceOf("a", unready), sliceOf("b", pod(1), pod(2)))
	require.NoError(t, err)
	assert.Equal(t, one+", "+two, brief(set))
	set, err = setOf(t, "", false, sliceOf("a", with(pod(1), "targetRef", nil)), sliceOf("b", with(pod(1), "targetRef", nil)))
	require.NoError(t, err)
	assert.Equal(t, "10.0.0.1:8080", brief(set), "an endpoint of nobody's is known by its address")
}

// A pod is given the address of one that is not quite gone.
func TestAddressTakenOver(t *testing.T) {
	old := with(pod(1), "conditions", object{"ready": true, "serving": true, "terminating": true})
	young := with(pod(2), "addresses", []string{"10.0.0.1"})
	for _, slices := range [][]object{{sliceOf("a", old), sliceOf("b", young)}, {sliceOf("a", young), sliceOf("b", old)}, {sliceOf("a", old, young)}} {
		set, err := setOf(t, "", false, slices...)
		require.NoError(t, err)
		assert.Equal(t, "uid-2 10.0.0.1:8080", brief(set))
	}
	for range 10 { // whatever the order of a map
		set, err := setOf(t, "", false, sliceOf("a", young, pod(1)))
		require.NoError(t, err)
		assert.Equal(t, one, brief(set))
	}
}

func TestBothFamilies(t *testing.T) {
	v6 := func(name string, endpoints ...object) object {
		return with(sliceOf(name, endpoints...), "addressType", "IPv6")
	}
	pod6 := func(n int, pairs ...any) object {
		return with(pod(n), append([]any{"addresses", []string{"2001:db8::" + string(rune('0'+n))}}, pairs...)...)
	}
	v4, six := sliceOf("a", pod(1), pod(2)), v6("b", pod6(1), pod6(3))
	set, err := setOf(t, "", false, v4, six)
	require.NoError(t, err)
	assert.Equal(t, "uid-1 10.0.0.1:8080, uid-2 10.0.0.2:8080, uid-3 [2001:db8::3]:8080", brief(set))
	set, err = setOf(t, "", true, v4, six)
	require.NoError(t, err)
	assert.Equal(t, "uid-1 [2001:db8::1]:8080, uid-2 10.0.0.2:8080, uid-3 [2001:db8::3]:8080", brief(set))

	// One slice says earlier than the other that a pod is ready: it has no
	// other address for a moment.
	set, err = setOf(t, "", false, sliceOf("a", with(pod(1), "conditions", object{"ready": false})), v6("b", pod6(1)))
	require.NoError(t, err)
	assert.Empty(t, set)
}

func TestDomainNames(t *testing.T) {
	set, err := setOf(t, "", false, with(sliceOf("a", object{"addresses": []string{"db.example.com."}}), "addressType", "FQDN"))
	require.NoError(t, err)
	assert.Equal(t, "db.example.com:8080", brief(set))
}

func TestPorts(t *testing.T) {
	web := object{"name": "web", "port": 80}
	http := object{"name": "http", "port": 8080, "protocol": "TCP"}
	https := object{"name": "https", "port": 8443}
	grpc := object{"name": "grpc", "port": 9090, "appProtocol": "kubernetes.io/h2c"}
	dns := object{"name": "http", "port": 53, "protocol": "UDP"}
	all := object{"name": "all"}
	for _, c := range []struct {
		wanted       string
		ports        []object
		addr, scheme string
	}{
		{"", []object{web}, "10.0.0.1:80", ""},
		{"", []object{{"port": 80}}, "10.0.0.1:80", ""},
		{"", []object{web, grpc}, "10.0.0.1:80", ""},
		{"", []object{web, https, http}, "10.0.0.1:8080", ""},
		{"", []object{web, https}, "10.0.0.1:8443", "https"},
		{"", []object{all, dns, grpc}, "10.0.0.1:9090", "http"},
		{"grpc", []object{web, https, http, grpc}, "10.0.0.1:9090", "http"},
		{"8443", []object{web, https, http, grpc}, "10.0.0.1:8443", "https"},
		{"web", []object{{"name": "web", "port": 1, "appProtocol": "HTTPS"}}, "10.0.0.1:1", "https"},
		{"web", []object{{"name": "web", "port": 1, "appProtocol": "kubernetes.io/wss"}}, "10.0.0.1:1", "https"},
		{"web", []object{{"name": "web", "port": 1, "appProtocol": "example.com/odd"}}, "10.0.0.1:1", ""},
		{"https-web", []object{{"name": "https-web", "port": 1}}, "10.0.0.1:1", "https"},
		{"https", []object{{"name": "https", "port": 1, "appProtocol": "http"}}, "10.0.0.1:1", "http"},
	} {
		set, err := setOf(t, c.wanted, false, with(sliceOf("a", pod(1)), "ports", c.ports))
		require.NoError(t, err)
		require.Len(t, set, 1)
		assert.Equal(t, [2]string{c.addr, c.scheme}, [2]string{set[0].Addr, set[0].Scheme}, "%q of %v", c.wanted, c.ports)
	}

	// Pods may listen at other ports under one name, in slices apart.
	set, err := setOf(t, "web", false,
		with(sliceOf("a", pod(1)), "ports", []object{web}),
		with(sliceOf("b", pod(2)), "ports", []object{{"name": "web", "port": 81}}),
		with(sliceOf("c", pod(3)), "ports", []object{grpc}))
	require.NoError(t, err, "pods without the port are another version's")
	assert.Equal(t, "uid-1 10.0.0.1:80, uid-2 10.0.0.2:81", brief(set))
}

func TestNoPort(t *testing.T) {
	many := []object{}
	for i := range 20 {
		many = append(many, object{"name": "p" + string(rune('a'+i)), "port": 1000 + i, "protocol": "SCTP"})
	}
	for _, c := range []struct {
		wanted string
		ports  []object
		want   string
	}{
		{"", nil, "no TCP port: its endpoint slices list none: discovery: unknown service"},
		{"", []object{{"name": "dns", "port": 53, "protocol": "UDP"}, {"port": 0}, {"name": "all"}},
			`no TCP port: its endpoint slices list "all, dns 53/UDP, unnamed 0": discovery: unknown service`},
		{"web", many, `no TCP port "web": its endpoint slices list "pa 1000/SCTP, pb 1001/SCTP, pc 1002/SCTP, pd 1003/SCTP, pe 1004/SCTP, ` +
			`pf 1005/SCTP, pg 1006/SCTP, ph 1007/SCTP, pi 1008/SCTP, pj 1009/SCTP, more": discovery: unknown service`},
	} {
		_, err := setOf(t, c.wanted, false, with(sliceOf("a", pod(1)), "ports", c.ports))
		require.EqualError(t, err, c.want)
		require.ErrorIs(t, err, discovery.ErrUnknownService)
		set, err := setOf(t, c.wanted, false, with(sliceOf("a"), "ports", c.ports))
		require.NoError(t, err, "a slice without endpoints may have no ports")
		assert.Empty(t, set)
	}
}

func TestUnusableEndpoints(t *testing.T) {
	set, err := setOf(t, "", false,
		sliceOf("a", pod(1), object{}, with(pod(2), "addresses", []string{"10.0.0.2/x"})),
		with(sliceOf("b", pod(3)), "addressType", "Carrier pigeon"))
	assert.Equal(t, one, brief(set))
	require.Error(t, err)
	assert.Equal(t, []string{
		`slice "a": an endpoint without an address`,
		`slice "b": address type "Carrier pigeon" is not known`,
		`discovery: instance "uid-2": address "10.0.0.2/x:8080" has no usable host`,
	}, strings.Split(err.Error(), "\n"))
}

func FuzzList(f *testing.F) {
	f.Add([]byte(`{"kind":"EndpointSliceList","metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a","resourceVersion":"7"},
		"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"],"conditions":{"ready":true},"zone":"a","hints":{"forZones":[{"name":"a"}]},
		"targetRef":{"kind":"Pod","name":"x","uid":"u"}},{"addresses":["10.0.0.2"],"conditions":{"ready":false,"terminating":true}}],
		"ports":[{"name":"http","port":80,"protocol":"TCP","appProtocol":"http"}]}]}`), "http", false)
	f.Add([]byte(`{"kind":"EndpointSliceList","metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a"},"addressType":"IPv6",
		"endpoints":[{"addresses":["::1"]}],"ports":[{"port":70000},{"port":null},{"name":"https","port":1}]}]}`), "", true)
	f.Fuzz(func(t *testing.T, list []byte, port string, ipv6 bool) {
		set, err := kubernetes.SetOfList(list, port, ipv6)
		clean(t, set)
		again, errAgain := kubernetes.SetOfList(list, port, ipv6)
		assert.Equal(t, set, again, "the order of maps does not matter")
		assert.Equal(t, err == nil, errAgain == nil)
	})
}

func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"7"},"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"]}],"ports":[{"port":80}]}}`))
	f.Add([]byte(`{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"}}}`))
	f.Add([]byte(`{"type":"ERROR","object":{"code":410,"reason":"Expired"}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		set, _ := kubernetes.SetOfEvent(line)
		clean(t, set)
	})
}

// clean checks that a set may be yielded.
func clean(t *testing.T, set []discovery.Instance) {
	t.Helper()
	cleaned, err := discovery.CleanSet(set)
	require.NoError(t, err)
	require.Equal(t, cleaned, set)
}
