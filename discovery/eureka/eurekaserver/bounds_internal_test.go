package eurekaserver

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// gone is what a peer says of an instance that was canceled, and of which an
// operator has spoken since.
func gone(app, id string, now time.Time) replica {
	at := uint64(now.UnixMilli()) << counterBits
	r := replica{key: key{app, id}, versions: versions{canceled: stamp{at, 1}, override: stamp{at + 1, 1}}}
	r.info.OverriddenStatus = wire.Down
	return r
}

// What peers say of instances that are gone has bounds, too.
func TestBoundsOfWhatIsGone(t *testing.T) {
	s := New(WithPeers(PeersConfig{}))
	defer s.Close()
	now := time.Now()
	for i := range maxTombstones + 100 {
		s.registry.learn(gone("APP", strconv.Itoa(i), now))
	}
	assert.Equal(t, maxTombstones, s.registry.graves.order.Len())
	assert.Equal(t, maxOverrides, s.Stats().Overrides)
}

// Names of instances that are gone are no longer than those of others.
func TestLongNamesOfWhatIsGone(t *testing.T) {
	s := New(WithPeers(PeersConfig{}), WithLimits(Limits{Text: 10}))
	defer s.Close()
	for _, k := range []key{{"APP", strings.Repeat("x", 11)}, {strings.Repeat("X", 11), "i1"}} {
		r := gone(k.app, k.id, time.Now())
		it := replicaItem(&r, false)
		assert.Equal(t, http.StatusBadRequest, s.apply(&it).Code)
	}
	assert.Empty(t, s.registry.graves.byApp)
	r := gone("APPLICATIO", strings.Repeat("x", 10), time.Now())
	it := replicaItem(&r, false)
	assert.Equal(t, http.StatusOK, s.apply(&it).Code)
}

// An override whose time is over is forgotten when any lease ends.
func TestOverridesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(WithOverrideRetention(time.Minute))
		defer s.Close()
		r := s.registry
		add := func(id string) {
			in, _ := admit("APP", wire.Instance{
				InstanceID: id, HostName: "h", IPAddr: "10.0.0.1", App: "APP", Status: wire.Up, OverriddenStatus: wire.Unknown,
				DataCenter: wire.DataCenter{Name: wire.MyOwn}, Lease: wire.Lease{Duration: 10},
			})
			r.register(in, false)
		}
		add("i1")
		assert.True(t, r.setOverride(key{"APP", "i1"}, wire.Down, 0))
		time.Sleep(11 * time.Second)
		synctest.Wait()
		assert.Equal(t, 1, s.Stats().Overrides)
		time.Sleep(time.Minute)
		add("i2")
		time.Sleep(11 * time.Second)
		synctest.Wait()
		assert.Zero(t, s.Stats().Leases)
		assert.Zero(t, s.Stats().Overrides)
	})
}

// What may be a secret in a peer's URL is in no message.
func TestPeerURLsShowNoSecrets(t *testing.T) {
	for _, raw := range []string{
		"http://h/eureka?token=secret", "http://u:p@h/?secret", "http://h/#secret", "h/eureka?secret", "http://u:secret@h:x/", "u:secret@h",
		"http://u:se?cret@h/", "http://h/?a@b&secret", "http://u:p@h/%zz?secret",
	} {
		u, err := parsePeerURL(raw)
		if assert.Error(t, err, raw) {
			assert.NotContains(t, err.Error()+u.base, "secret")
			assert.NotContains(t, err.Error()+u.base, "cret")
		}
	}
}
