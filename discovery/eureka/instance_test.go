package eureka_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

func TestInstanceFromEureka(t *testing.T) {
	base := with(up("ORDERS", 1), func(in *wire.Instance) { in.Metadata = map[string]string{"version": "7"} })
	want := discovery.Instance{
		ID: "orders-1", Addr: "192.0.2.1:8080", Scheme: "http", Metadata: map[string]string{"version": "7"},
	}
	for name, c := range map[string]struct {
		change func(in *wire.Instance)
		want   func(out *discovery.Instance)
		names  bool
	}{
		"plain": {},
		"both ports": {
			change: func(in *wire.Instance) { in.SecurePort = wire.Port{Number: 8443, Enabled: true} },
			want:   func(out *discovery.Instance) { out.Scheme, out.Addr = "https", "192.0.2.1:8443" },
		},
		"host name preferred": {names: true, want: func(out *discovery.Instance) { out.Addr = "host1:8080" }},
		"no host name": {
			names:  true,
			change: func(in *wire.Instance) { in.InstanceID, in.HostName = "orders-1", "" },
		},
		"no IP address": {
			change: func(in *wire.Instance) { in.IPAddr = "" },
			want:   func(out *discovery.Instance) { out.Addr = "host1:8080" },
		},
		"IPv6": {
			change: func(in *wire.Instance) { in.IPAddr = "2001:db8::1" },
			want:   func(out *discovery.Instance) { out.Addr = "[2001:db8::1]:8080" },
		},
		"IPv6 in brackets": {
			change: func(in *wire.Instance) { in.IPAddr = "[2001:db8::1]" },
			want:   func(out *discovery.Instance) { out.Addr = "[2001:db8::1]:8080" },
		},
		"no id": {
			change: func(in *wire.Instance) { in.InstanceID = "" },
			want:   func(out *discovery.Instance) { out.ID = "host1" },
		},
		"metadata": {
			change: func(in *wire.Instance) {
				in.Metadata = map[string]string{"zone": "z1", "weight": "3", "priority": "2"}
			},
			want: func(out *discovery.Instance) {
				out.Zone, out.Weight, out.Priority = "z1", 3, 2
				out.Metadata = map[string]string{"zone": "z1", "weight": "3", "priority": "2"}
			},
		},
		"bad numbers": {
			change: func(in *wire.Instance) {
				in.Metadata = map[string]string{"weight": "-1", "priority": "4294967296"}
			},
			want: func(out *discovery.Instance) {
				out.Metadata = map[string]string{"weight": "-1", "priority": "4294967296"}
			},
		},
		"Amazon": {
			change: func(in *wire.Instance) {
				in.DataCenter = wire.DataCenter{Name: wire.Amazon, Metadata: map[string]string{"availability-zone": "eu-1a"}}
				in.Metadata = map[string]string{"zone": "z1"}
			},
			want: func(out *discovery.Instance) {
				out.Zone = "eu-1a"
				out.Metadata = map[string]string{"zone": "z1"}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			in, want := base, want
			if c.change != nil {
				c.change(&in)
			}
			if c.want != nil {
				c.want(&want)
			}
			got, err := eureka.FromWire(&in, c.names)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
}

func TestInstanceThatCannotBeCalled(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing([]wire.Instance{
			up("ORDERS", 1),
			with(up("ORDERS", 2), func(in *wire.Instance) { in.Port.Enabled = false }),
			with(up("ORDERS", 3), func(in *wire.Instance) { in.Port.Number = 0 }),
			with(up("ORDERS", 4), func(in *wire.Instance) { in.IPAddr, in.HostName = "", "" }),
			with(up("ORDERS", 5), func(in *wire.Instance) { in.IPAddr = "a/b" }),
			with(up("ORDERS", 6), func(in *wire.Instance) { in.InstanceID, in.HostName = "", "" }),
		}))
		s := r.follow(r.client("http://a"), "orders")
		assert.Equal(t, []string{one}, s.news())
		assert.Empty(t, s.errors())
		assert.Equal(t, 5, strings.Count(r.log.String(), "instance left out"))
		assert.Contains(t, r.log.String(), `instance \"orders-2\" of ORDERS: none of its ports is enabled`)
	})
}

func TestPages(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing(nil))
		c := r.client("http://a", eureka.WithPages(eureka.Pages{Home: "https://wiki.example/orders", Status: "/info", Health: "/health"}))
		reg := r.register(c, copyOne)
		in := announced(t, f.all()[0])
		assert.Equal(t, "https://wiki.example/orders", in.HomePageURL)
		assert.Equal(t, "http://192.0.2.1:8080/info", in.StatusPageURL)
		assert.Equal(t, "http://192.0.2.1:8080/health", in.HealthCheckURL)
		assert.Empty(t, in.SecureHealthCheckURL)
		require.NoError(t, reg.Update(t.Context(), discovery.Instance{Addr: "[2001:db8::1]:8443", Scheme: "https"}))
		in = announced(t, f.all()[0])
		assert.Equal(t, "https://[2001:db8::1]:8443/info", in.StatusPageURL)
		assert.Equal(t, "https://[2001:db8::1]:8443/health", in.SecureHealthCheckURL)
		assert.Empty(t, in.HealthCheckURL)
		require.NoError(t, reg.Close(t.Context()))
	})
}

func TestAmazon(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		server := eurekaserver.New()
		t.Cleanup(server.Close)
		f := &fake{rig: r}
		f.answer(server.ServeHTTP)
		r.serve("a:80", f)
		c := r.client("http://a/eureka", eureka.WithAmazon(map[string]string{"instance-id": "i-1", "availability-zone": "eu-1a"}))
		reg, err := c.Register(t.Context(), "orders", discovery.Instance{Addr: "192.0.2.1:8080", Zone: "z1"})
		require.NoError(t, err)
		assert.Equal(t, wire.DataCenter{Name: wire.Amazon, Metadata: map[string]string{"instance-id": "i-1", "availability-zone": "eu-1a"}},
			announced(t, f.all()[0]).DataCenter)
		for set, err := range c.Watch(t.Context(), "orders") {
			require.NoError(t, err)
			assert.Equal(t, "eu-1a", set[0].Zone)
			assert.Equal(t, "192.0.2.1:orders:8080", set[0].ID)
			break
		}
		wait(30 * time.Second)
		assert.Contains(t, f.lines(), "PUT /eureka/apps/ORDERS/192.0.2.1:orders:8080")
		require.NoError(t, reg.Close(t.Context()))
	})
}

// What comes out of any document can be called and, where it can be announced
// again, says the same.
func FuzzInstance(f *testing.F) {
	f.Add([]byte(`{"instance":{"instanceId":"i","app":"A","hostName":"h","ipAddr":"192.0.2.1","status":"UP","port":{"$":80,"@enabled":"true"}}}`), false)
	f.Add([]byte(`{"instance":{"app":"A","hostName":"::1","securePort":{"$":"443","@enabled":true},"metadata":{"weight":"1","priority":"x","zone":"z"}}}`), true)
	f.Add([]byte(`{"instance":{"dataCenterInfo":{"name":"Amazon","metadata":{"instance-id":"i-1","availability-zone":"z"}},"port":{"$":-1}}}`), false)
	f.Fuzz(func(t *testing.T, data []byte, names bool) {
		in, err := wire.UnmarshalInstance(data, wire.JSON)
		if err != nil && json.Unmarshal(data, &in) != nil {
			return
		}
		out, err := eureka.FromWire(&in, names)
		if err != nil {
			return
		}
		require.NoError(t, out.Validate())
		require.NotEmpty(t, out.ID)
		back, err := eureka.ToWire("service", out, time.Second, time.Second)
		if err != nil {
			return
		}
		again, err := eureka.FromWire(&back, names)
		require.NoError(t, err)
		if out.Zone != "" { // it may have been Amazon's
			out.Metadata = again.Metadata
		}
		require.True(t, out.Equal(again), "%+v became %+v", out, again)
	})
}

func FuzzServers(f *testing.F) {
	f.Add("http://a:8761/eureka/,https://user:pass%2Fword@b/")
	f.Add("http://user:p#w@h")
	f.Fuzz(func(t *testing.T, list string) {
		servers, err := eureka.ParseServers(list)
		if err != nil {
			require.Empty(t, servers)
			return
		}
		require.NotEmpty(t, servers)
		for _, s := range servers {
			u, err := url.Parse(s.String() + "/apps/A/i%2F%3A")
			require.NoError(t, err)
			require.Nil(t, u.User)
			require.Empty(t, u.RawQuery)
			require.NotContains(t, s.String(), "@")
		}
	})
}
