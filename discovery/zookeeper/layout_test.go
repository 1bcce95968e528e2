package zookeeper

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
)

func TestLayouts(t *testing.T) {
	in := discovery.Instance{
		ID: "a", Addr: "10.0.0.1:80", Scheme: "https", Zone: "z1", Weight: 3, Priority: 2, Metadata: map[string]string{"version": "2"},
	}
	for _, l := range []layout{curator{}, serverSets{}, serverSets{endpoint: "http"}} {
		data, err := l.marshal("orders", in)
		require.NoError(t, err)
		id, ok := l.id(l.name("a"))
		require.True(t, ok)
		got, use, err := l.unmarshal(id, data)
		require.NoError(t, err)
		require.True(t, use)
		want := in
		want.Metadata = map[string]string{"version": "2", "scheme": "https", "zone": "z1", "weight": "3", "priority": "2"}
		assert.Equal(t, want, got)
	}
}

// What other programs write.
func TestForeignNodes(t *testing.T) {
	spring := `{"name":"orders","id":"1","address":"h","port":8080,"sslPort":null,"payload":{"@class":"org.springframework.cloud.zookeeper.discovery.ZookeeperInstance",
		"id":"orders","name":"orders","metadata":{"instance_status":"UP","weight":"2"}},"registrationTimeUTC":1,"serviceType":"DYNAMIC",
		"uriSpec":{"parts":[{"value":"scheme","variable":true}]}}`
	for _, c := range []struct {
		layout layout
		data   string
		want   discovery.Instance
	}{
		{curator{}, spring, discovery.Instance{ID: "i", Addr: "h:8080", Weight: 2, Metadata: map[string]string{"instance_status": "UP", "weight": "2"}}},
		{curator{}, `{"address":"h","sslPort":443}`, discovery.Instance{ID: "i", Addr: "h:443", Scheme: "https"}},
		{curator{}, `{"address":"h","port":80,"payload":"text","enabled":true}`, discovery.Instance{ID: "i", Addr: "h:80"}},
		{
			serverSets{}, `{"serviceEndpoint":{"host":"h","port":31000},"additionalEndpoints":{"admin":{"host":"h","port":9990}},"status":"ALIVE","shard":0}`,
			discovery.Instance{ID: "i", Addr: "h:31000"},
		},
		{
			serverSets{endpoint: "admin"}, `{"serviceEndpoint":{"host":"h","port":31000},"additionalEndpoints":{"admin":{"host":"h","port":9990}}}`,
			discovery.Instance{ID: "i", Addr: "h:9990"},
		},
	} {
		got, use, err := c.layout.unmarshal("i", []byte(c.data))
		require.NoError(t, err)
		assert.True(t, use)
		assert.Equal(t, c.want, got)
	}
	for _, c := range []struct {
		layout layout
		data   string
	}{
		{curator{}, `{"address":"h","port":80,"enabled":false}`},
		{serverSets{}, `{"serviceEndpoint":{"host":"h","port":1},"status":"STOPPING"}`},
		{serverSets{endpoint: "admin"}, `{"serviceEndpoint":{"host":"h","port":1}}`},
	} {
		_, use, err := c.layout.unmarshal("i", []byte(c.data))
		require.NoError(t, err)
		assert.False(t, use)
	}
	for _, data := range []string{"", "{", "[]", `"x"`, `{"address":1}`, `{"address":"h"}`, `{"address":"h","port":80}{}`} {
		_, _, err := curator{}.unmarshal("i", []byte(data))
		assert.Error(t, err, data)
	}
}

func TestAddresses(t *testing.T) {
	servers, err := parseServers(" a:1 , b,[::1]:2181")
	require.NoError(t, err)
	assert.Equal(t, []string{"a:1", "b:2181", "[::1]:2181"}, servers)
	for _, list := range []string{"", ",", "zk://a:1", "user:pw@a:1", "a:1/path", "::1"} {
		_, err := parseServers(list)
		require.Error(t, err, list)
		assert.NotContains(t, err.Error(), "pw")
	}
}

func FuzzNode(f *testing.F) {
	f.Add([]byte(`{"address":"h","port":80,"payload":{"metadata":{"weight":"3"}}}`), false)
	f.Add([]byte(`{"serviceEndpoint":{"host":"h","port":31000},"status":"ALIVE"}`), true)
	f.Fuzz(func(t *testing.T, data []byte, sets bool) {
		var l layout = curator{}
		if sets {
			l = serverSets{}
		}
		in, use, err := l.unmarshal("i", data)
		if err != nil || !use || in.Validate() != nil {
			return
		}
		again, err := l.marshal("orders", in)
		require.NoError(t, err)
		got, use, err := l.unmarshal("i", again)
		require.NoError(t, err)
		assert.True(t, use)
		assert.Equal(t, in.Addr, got.Addr)
		assert.Equal(t, in.Weight, got.Weight)
	})
}
