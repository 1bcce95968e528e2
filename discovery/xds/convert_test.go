package xds_test

import (
	"math"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/xds"
)

// parse reads an assignment as control planes are configured with it.
func parse(t testing.TB, text string) *endpointv3.ClusterLoadAssignment {
	t.Helper()
	a := new(endpointv3.ClusterLoadAssignment)
	require.NoError(t, protojson.Unmarshal([]byte(text), a))
	return a
}

const full = `{
  "clusterName": "orders",
  "endpoints": [
    {
      "locality": {"region": "eu", "zone": "eu-1a", "subZone": "rack-7"},
      "priority": 1,
      "lbEndpoints": [
        {
          "endpoint": {
            "address": {"socketAddress": {"address": "10.0.0.1", "portValue": 8080}},
            "hostname": "one.example",
            "additionalAddresses": [{"address": {"socketAddress": {"address": "2001:db8::1", "portValue": 8080}}}]
          },
          "healthStatus": "HEALTHY",
          "loadBalancingWeight": 3,
          "metadata": {"filterMetadata": {
            "envoy.lb": {"scheme": "HTTPS", "canary": true, "version": 1.5, "build": 12345678, "more": {"a": 1}, "zone": "own"},
            "other": {"version": "2"}
          }}
        },
        {"endpoint": {"address": {"socketAddress": {"address": "10.0.0.2", "portValue": 80}}}, "healthStatus": "DEGRADED"},
        {"endpoint": {"address": {"socketAddress": {"address": "10.0.0.3", "portValue": 80}}}, "healthStatus": "UNHEALTHY"},
        {"endpoint": {"address": {"socketAddress": {"address": "10.0.0.4", "portValue": 80}}}, "healthStatus": "DRAINING"},
        {"endpoint": {"address": {"socketAddress": {"address": "10.0.0.5", "portValue": 80}}}, "healthStatus": "TIMEOUT"}
      ]
    },
    {
      "locality": {"region": "us"},
      "lbEndpoints": [{"endpoint": {"address": {"socketAddress": {"address": "2001:db8::6", "portValue": 80}}}}]
    }
  ],
  "policy": {"overprovisioningFactor": 100, "endpointStaleAfter": "60s", "dropOverloads": [{"category": "all", "dropPercentage": {"numerator": 50}}]}
}`

func TestFacts(t *testing.T) {
	set, err := xds.Convert(parse(t, full))
	require.NoError(t, err)
	place := map[string]string{"region": "eu", "zone": "eu-1a", "sub_zone": "rack-7"}
	assert.Equal(t, []discovery.Instance{
		{
			Addr: "10.0.0.1:8080", Scheme: "https", Zone: "eu-1a", Weight: 3, Priority: 1,
			Metadata: map[string]string{
				"scheme": "HTTPS", "canary": "true", "version": "1.5", "build": "12345678", "hostname": "one.example",
				"region": "eu", "zone": "own", "sub_zone": "rack-7",
			},
		},
		{Addr: "10.0.0.2:80", Zone: "eu-1a", Weight: 1, Priority: 130, Metadata: place},
		{Addr: "[2001:db8::6]:80", Zone: "us", Weight: 1, Metadata: map[string]string{"region": "us"}},
	}, set)

	set, err = xds.Convert(parse(t, full), xds.WithMetadataNamespace("other"))
	require.NoError(t, err)
	assert.Equal(t, "2", set[0].Metadata["version"])
	assert.Equal(t, "eu-1a", set[0].Metadata["zone"])

	set, err = xds.Convert(list("orders"))
	require.NoError(t, err)
	assert.Empty(t, set)
}

// Each of these hides no other endpoint.
func TestBadEndpoints(t *testing.T) {
	for name, c := range map[string]struct{ endpoint, want string }{
		"pipe":       {`{"endpoint": {"address": {"pipe": {"path": "/run/x"}}}}`, `locality "//": endpoint 0: it listens at a pipe, "/run/x"`},
		"internal":   {`{"endpoint": {"address": {"envoyInternalAddress": {"serverListenerName": "x"}}}}`, "its address is internal to Envoy"},
		"nothing":    {`{}`, "it has no address of its own"},
		"elsewhere":  {`{"endpointName": "x"}`, "it has no address of its own"},
		"no address": {`{"endpoint": {}}`, "it has no address"},
		"named port": {`{"endpoint": {"address": {"socketAddress": {"address": "10.0.0.2", "namedPort": "http"}}}}`, `"10.0.0.2" has a port by name, "http"`},
		"no port":    {`{"endpoint": {"address": {"socketAddress": {"address": "10.0.0.2"}}}}`, `address "10.0.0.2:0" has no port between 1 and 65535`},
		"big port":   {`{"endpoint": {"address": {"socketAddress": {"address": "10.0.0.2", "portValue": 65536}}}}`, "no port between 1 and 65535"},
		"no host":    {`{"endpoint": {"address": {"socketAddress": {"portValue": 80}}}}`, `":80" has no usable host`},
		"bad host":   {`{"endpoint": {"address": {"socketAddress": {"address": "a/b", "portValue": 80}}}}`, `"a/b:80" has no usable host`},
		"UDP":        {`{"endpoint": {"address": {"socketAddress": {"protocol": "UDP", "address": "10.0.0.2", "portValue": 80}}}}`, "no address of TCP"},
		"weight 0":   {`{"endpoint": {"address": {"socketAddress": {"address": "10.0.0.2", "portValue": 80}}}, "loadBalancingWeight": 0}`, "10.0.0.2:80 has the weight 0"},
		"twice":      {`{"endpoint": {"address": {"socketAddress": {"address": "10.0.0.1", "portValue": 80}}}}`, "listed twice"},
	} {
		t.Run(name, func(t *testing.T) {
			a := parse(t, `{"endpoints": [{"lbEndpoints": [`+c.endpoint+`]}]}`)
			a.Endpoints = append(a.Endpoints, list("", 1).Endpoints...)
			set, err := xds.Convert(a)
			assert.ErrorContains(t, err, c.want)
			require.Len(t, set, 1)
			assert.Equal(t, "10.0.0.1:80", set[0].Addr)
		})
	}
}

func TestBadAssignments(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"collection": {
			`{"endpoints": [{"ledsClusterLocalityConfig": {"ledsCollectionName": "x"}}]}`,
			`locality "//": its endpoints are a collection elsewhere`,
		},
		"priority": {`{"endpoints": [{"locality": {"zone": "a"}, "priority": 129}]}`, `locality "/a/": the priority 129 is above 128`},
		"weights of endpoints": {
			`{"endpoints": [{"lbEndpoints": [{"loadBalancingWeight": 4294967295}, {}]}]}`,
			"the weights of its endpoints add up to 4294967296",
		},
		"weights of localities": {
			`{"endpoints": [{"loadBalancingWeight": 4294967295}, {"loadBalancingWeight": 1}]}`,
			"the weights of the localities of priority 0 add up to 4294967296",
		},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := xds.Convert(parse(t, c.text))
			assert.ErrorContains(t, err, c.want)
			assert.Empty(t, set)
		})
	}
}

// A loc is a locality with a weight, 0 for none, and those of its endpoints.
type loc struct {
	weight   uint32
	priority uint32
	weights  []uint32
	sick     int // how many of its first endpoints cannot be used
}

func TestWeights(t *testing.T) {
	for name, c := range map[string]struct {
		localities []loc
		want       []uint32
	}{
		"of endpoints alone":        {[]loc{{weights: []uint32{4, 6}}, {weights: []uint32{2}}}, []uint32{4, 6, 2}},
		"of equal localities":       {[]loc{{weight: 7, weights: []uint32{1, 1, 1}}, {weight: 7, weights: []uint32{1}}}, []uint32{1, 1, 1, 3}},
		"of both":                   {[]loc{{weight: 1, weights: []uint32{1, 2}}, {weight: 3, weights: []uint32{5}}}, []uint32{1, 2, 9}},
		"of one":                    {[]loc{{weight: 50, weights: []uint32{10, 20}}}, []uint32{1, 2}},
		"none for the others":       {[]loc{{weight: 1, weights: []uint32{3}}, {weights: []uint32{2}}}, []uint32{1}},
		"by priority":               {[]loc{{weight: 2, weights: []uint32{1, 1}}, {priority: 1, weights: []uint32{5}}}, []uint32{1, 1, 5}},
		"shrinks as endpoints fail": {[]loc{{weight: 1, weights: []uint32{1, 1, 1, 1}, sick: 3}, {weight: 1, weights: []uint32{1}}}, []uint32{1, 4}},
		"locality without any":      {[]loc{{weight: 1}, {weight: 1, weights: []uint32{8}}}, []uint32{1}},
		"not exactly": {
			[]loc{{weight: 1, weights: []uint32{math.MaxUint32 - 1, 1}}, {weight: 2, weights: []uint32{math.MaxUint32 - 4}}},
			[]uint32{500_000, 1, 1_000_000},
		},
		"common denominator too great": {
			[]loc{{weight: 1, weights: []uint32{65_536, 1}}, {weight: 1, weights: []uint32{65_539}}, {weight: 1, weights: []uint32{65_538, 1, 4}}},
			[]uint32{999_985, 15, 1_000_000, 999_924, 15, 61},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := &endpointv3.ClusterLoadAssignment{}
			n := byte(0)
			for _, l := range c.localities {
				to := &endpointv3.LocalityLbEndpoints{Priority: l.priority}
				if l.weight != 0 {
					to.LoadBalancingWeight = wrapperspb.UInt32(l.weight)
				}
				for i, w := range l.weights {
					n++
					e := endpoint("10.0.0."+string('0'+n), 80)
					e.LoadBalancingWeight = wrapperspb.UInt32(w)
					if i < l.sick {
						e.HealthStatus = corev3.HealthStatus_UNHEALTHY
					}
					to.LbEndpoints = append(to.LbEndpoints, e)
				}
				a.Endpoints = append(a.Endpoints, to)
			}
			set, err := xds.Convert(a)
			require.NoError(t, err)
			var got []uint32
			for _, in := range set {
				got = append(got, in.Weight)
			}
			assert.Equal(t, c.want, got)
		})
	}
}

// Whatever a plane sends is a set that can be used, or an error, or both.
func FuzzConvert(f *testing.F) {
	for _, text := range []string{
		full,
		`{"endpoints": [{"loadBalancingWeight": 4294967295, "lbEndpoints": [{"loadBalancingWeight": 4294967295, "endpoint": {"address": {"socketAddress": {"address": "::1", "portValue": 1}}}}]}]}`,
		`{"endpoints": [{"loadBalancingWeight": 3, "lbEndpoints": [{"loadBalancingWeight": 7, "endpoint": {"address": {"socketAddress": {"address": "a", "portValue": 1}}}}]}, {"loadBalancingWeight": 5, "lbEndpoints": [{"loadBalancingWeight": 11, "endpoint": {"address": {"socketAddress": {"address": "b", "portValue": 1}}}}]}]}`,
	} {
		seed, err := proto.Marshal(parse(f, text))
		require.NoError(f, err)
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a := new(endpointv3.ClusterLoadAssignment)
		if proto.Unmarshal(data, a) != nil {
			return
		}
		set, err := xds.Convert(a)
		keys := make(map[string]bool)
		for _, in := range set {
			require.NoError(t, in.Validate())
			require.NotZero(t, in.Weight)
			require.LessOrEqual(t, in.Priority, uint32(257))
			require.False(t, keys[in.Key()])
			keys[in.Key()] = true
		}
		again, faults := xds.Convert(a)
		require.Equal(t, set, again)
		require.Equal(t, err, faults)
	})
}
