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

// What peers send, and what they answer, has the limits of what clients send.
func TestLimitsOfReplicas(t *testing.T) {
	s := New(WithPeers(PeersConfig{}), WithLimits(Limits{InstancesPerApp: 1, MetadataEntries: 1}))
	defer s.Close()
	p := newPeer(s.cluster, peerURL{base: "http://peer"})
	defer p.stop()
	living := func(id string, metadata map[string]string) *replica {
		at := stamp{uint64(time.Now().UnixMilli()) << counterBits, 1}
		in, objection := admit("APP", wire.Instance{
			InstanceID: id, HostName: "h", IPAddr: "10.0.0.1", App: "APP", Status: wire.Up, OverriddenStatus: wire.Unknown,
			DataCenter: wire.DataCenter{Name: wire.MyOwn}, Metadata: metadata,
		})
		assert.Empty(t, objection)
		return &replica{
			key: key{"APP", id}, living: true, info: in, own: wire.Up,
			versions: versions{registered: at, data: at, status: at, renewed: at},
		}
	}
	much := map[string]string{"a": "1", "b": "2"}
	said := func(r *replica) {
		it := replicaItem(r, false)
		s.apply(&it)
	}
	answered := func(r *replica) {
		res := wire.Result{Code: http.StatusConflict, State: writeState(r), Instance: &r.info}
		assert.NoError(t, p.readResult(&wire.Item{App: r.key.app, ID: r.key.id}, &res))
	}
	for name, tell := range map[string]func(*replica){"said": said, "answered": answered} {
		tell(living(name, much))
		assert.Zero(t, s.Stats().Leases, name)
		tell(living(name, nil))
		assert.Equal(t, 1, s.Stats().Leases, name)
		tell(living(name, much))
		assert.Empty(t, s.registry.lease(key{"APP", name}).info.Metadata, name)
		tell(living(name+"-2", nil))
		assert.Equal(t, 1, s.Stats().Leases, name)
		assert.True(t, s.registry.cancel(key{"APP", name}))
	}
}

// An instance whose lease ended is for each server to forget: peers are not
// told of it, and those that are made up are no news.
func TestEvictedIsNoNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(WithPeers(PeersConfig{}))
		defer s.Close()
		in, _ := admit("APP", wire.Instance{
			InstanceID: "i1", HostName: "h", IPAddr: "10.0.0.1", App: "APP", Status: wire.Up, OverriddenStatus: wire.Unknown,
			DataCenter: wire.DataCenter{Name: wire.MyOwn}, Lease: wire.Lease{Duration: 10},
		})
		s.registry.register(in, false)
		assert.Len(t, s.registry.summaries("APP"), 1)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		assert.Equal(t, 1, s.registry.graves.order.Len())
		assert.Empty(t, s.registry.summaries("APP"))
		assert.Empty(t, s.registry.digests())
	})
}

// Of peers with the same URL, but for the credentials, the worst counts.
func TestMetricsOfPeersWithOneURL(t *testing.T) {
	good := PeerStatus{URL: "http://p", Reachable: true, Queue: 1}
	bad := PeerStatus{URL: "http://p", Lag: time.Second}
	for _, peers := range [][]PeerStatus{{good, bad}, {bad, good}} {
		var m metricWriter
		m.peers(peers)
		for _, line := range []string{`reachable{url="http://p"} 0`, `queue{url="http://p"} 1`, `lag_seconds{url="http://p"} 1`} {
			assert.Equal(t, 1, strings.Count(m.b.String(), "\neurekaserver_peer_"+line+"\n"), m.b.String())
		}
	}
}
