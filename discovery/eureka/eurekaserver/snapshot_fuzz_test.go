package eurekaserver

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// Whatever the file holds, the server starts, with what is valid in it.
func FuzzSnapshot(f *testing.F) {
	good, err := encodeSnapshot(saved{
		Instances: []wire.Instance{{
			InstanceID: "i1", HostName: "h", IPAddr: "10.0.0.1", App: "APP", Status: wire.Up, DataCenter: wire.DataCenter{Name: wire.MyOwn},
		}},
		Overrides: []savedOverride{{App: "APP", ID: "i1", Status: wire.Down}},
		Versions:  []savedMark{{App: "APP", ID: "i1", Versions: "1.1 0 1 2 3 4", Own: wire.Up}},
		Gone:      []savedMark{{App: "APP", ID: "i2", Versions: "1 2 0 0 2 1", Until: time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)}},
	})
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte(`{"Instances":[{"App":"a","InstanceID":"\u0000","Lease":{"Duration":-1}},{}],"Overrides":[{}]}`))
	f.Add([]byte("namesake-eureka-registry 1 0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		state, err := decodeSnapshot(data)
		if err != nil {
			assert.Empty(t, state)
			// As if somebody had written it with the right hash.
			_ = unmarshalSaved(data, &state)
		}
		s := New(WithLimits(Limits{Instances: 3}), WithPeers(PeersConfig{}))
		defer s.Close()
		restored := s.registry.restore(state, &s.settings.limits)
		assert.LessOrEqual(t, restored, min(len(state.Instances), 3))
		assert.Equal(t, restored, s.Stats().Leases)
		for _, accept := range []string{"application/json", "application/xml"} {
			r := httptest.NewRequest("GET", "/eureka/apps", nil)
			r.Header.Set("Accept", accept)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			assert.Equal(t, 200, w.Code)
		}
		again, _ := s.registry.saved()
		data, err = encodeSnapshot(again)
		require.NoError(t, err)
		back, err := decodeSnapshot(data)
		require.NoError(t, err)
		assert.Len(t, back.Instances, restored)
	})
}
