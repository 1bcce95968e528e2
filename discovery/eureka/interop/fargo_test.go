package interop

import (
	"testing"

	"github.com/hudl/fargo"
	"github.com/op/go-logging"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFargo(t *testing.T) {
	logging.SetLevel(logging.WARNING, "fargo")
	for name, json := range map[string]bool{"XML": false, "JSON": true} {
		t.Run(name, func(t *testing.T) {
			server := serve(t)
			announce(t, server.url, "orders-1", 8081)
			client := fargo.NewConn(server.url)
			client.UseJson = json

			own := &fargo.Instance{
				InstanceId: "127.0.0.1:fargo:8080", App: "FARGO", HostName: "127.0.0.1", IPAddr: "127.0.0.1", VipAddress: "fargo",
				Port: 8080, PortEnabled: true, Status: fargo.UP,
				DataCenterInfo: fargo.DataCenterInfo{Name: fargo.MyOwn},
			}
			require.NoError(t, client.RegisterInstance(own))
			require.NoError(t, client.HeartBeatInstance(own))
			in, ok := instance(t, server.url, "FARGO", own.InstanceId)
			require.True(t, ok)
			assert.Equal(t, 8080, in.Port.Number)
			assert.True(t, in.Port.Enabled)
			assert.Equal(t, []int{30, 90}, []int{in.Lease.RenewalInterval, in.Lease.Duration})

			apps, err := client.GetApps()
			require.NoError(t, err)
			assert.Len(t, apps, 2)
			orders, err := client.GetApp("ORDERS")
			require.NoError(t, err)
			require.Len(t, orders.Instances, 1)
			assert.Equal(t, 8081, orders.Instances[0].Port)
			found, err := client.GetInstancesByVIPAddress("fargo", false, fargo.ThatAreUp)
			require.NoError(t, err)
			assert.Len(t, found, 1)

			require.NoError(t, client.UpdateInstanceStatus(own, fargo.OUTOFSERVICE))
			again, err := client.GetInstance("FARGO", own.InstanceId)
			require.NoError(t, err)
			assert.Equal(t, fargo.OUTOFSERVICE, again.Status)
			found, err = client.GetInstancesByVIPAddress("fargo", false, fargo.ThatAreUp)
			require.NoError(t, err)
			assert.Empty(t, found)

			require.NoError(t, client.AddMetadataString(own, "color", "dark blue"))
			again, err = client.GetInstance("FARGO", own.InstanceId)
			require.NoError(t, err)
			value, err := again.Metadata.GetString("color")
			require.NoError(t, err)
			assert.Equal(t, "dark blue", value)

			require.NoError(t, client.DeregisterInstance(own))
			_, err = client.GetInstance("FARGO", own.InstanceId)
			require.Error(t, err)
			code, _ := fargo.HTTPResponseStatusCode(err)
			assert.Equal(t, 404, code)
			assert.Equal(t, []string{"GET /apps/FARGO/" + own.InstanceId + " 404"}, server.refused())
		})
	}
}
