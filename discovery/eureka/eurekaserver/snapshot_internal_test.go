package eurekaserver

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

type answering func(*http.Request) (*http.Response, error)

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The snapshot is written when the server closes and its peers have had their
// last word, even if the lists are as they were.
func TestSnapshotIsWrittenLast(t *testing.T) {
	path := WithSnapshot(SnapshotConfig{Path: filepath.Join(t.TempDir(), "registry")})
	synctest.Test(t, func(t *testing.T) {
		var s *Server
		peers := PeersConfig{URLs: []string{"http://peer"}, HTTP: &http.Client{Transport: answering(func(r *http.Request) (*http.Response, error) {
			if s.closed() {
				time.Sleep(500 * time.Millisecond)
				s.registry.learn(gone("APP", "last", time.Now()))
			}
			results := `{"responseList":[]}`
			if r.Method == http.MethodGet {
				results = `{"applications":{"application":[]}}`
			}
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(results)), Header: http.Header{}}, nil
		})}}
		s = New(path, WithPeers(peers))
		s.Start()
		in, _ := admit("APP", wire.Instance{
			InstanceID: "i1", HostName: "h", IPAddr: "10.0.0.1", App: "APP", Status: wire.Up, OverriddenStatus: wire.Unknown,
			DataCenter: wire.DataCenter{Name: wire.MyOwn},
		})
		s.registry.register(in, false)
		time.Sleep(10 * time.Second) // which is written
		s.registry.learn(gone("APP", "unknown", time.Now()))
		s.cluster.tell(key{"APP", "i1"}, newsBeat)
		s.Close()

		again := New(path, WithPeers(PeersConfig{}))
		defer again.Close()
		again.Start()
		assert.NotNil(t, again.registry.lease(key{"APP", "i1"}))
		for _, id := range []string{"unknown", "last"} {
			assert.NotNil(t, again.registry.graves.get(key{"APP", id}, time.Now()), id)
		}
	})
}

// What the clock of a server has said before a restart is in the past for it
// afterwards, even if the time of day has been set back.
func TestClockAfterARestart(t *testing.T) {
	ahead := time.Now().Add(time.Hour)
	at := stamp{uint64(ahead.UnixMilli()) << counterBits, 1}
	live := versions{registered: at, data: at, status: at, override: at, renewed: at}
	dead := versions{canceled: at, override: at}
	in := wire.Instance{
		InstanceID: "i1", HostName: "h", IPAddr: "10.0.0.1", App: "APP", Status: wire.Up, DataCenter: wire.DataCenter{Name: wire.MyOwn},
	}
	for name, state := range map[string]saved{
		"living": {Instances: []wire.Instance{in}, Versions: []savedMark{{App: "app", ID: "i1", Versions: live.String(), Own: wire.Up}}},
		"gone":   {Gone: []savedMark{{App: "app", ID: "i1", Versions: dead.String(), Until: ahead.Add(24 * time.Hour)}}},
	} {
		s := New(WithPeers(PeersConfig{}))
		s.registry.restore(state, &s.settings.limits)
		assert.True(t, s.registry.clock.tick().after(at), name)
		if tomb := s.registry.graves.get(key{"APP", "i1"}, time.Now()); name == "gone" && assert.NotNil(t, tomb) {
			assert.WithinRange(t, tomb.until, time.Now(), time.Now().Add(tombstoneTime))
		}
		s.Close()
	}
}

// Marks that make no sense are left out, and do no harm to the instance.
func TestDamagedMarks(t *testing.T) {
	in := wire.Instance{
		InstanceID: "i1", HostName: "h", IPAddr: "10.0.0.1", App: "APP", Status: wire.Up, DataCenter: wire.DataCenter{Name: wire.MyOwn},
	}
	for _, m := range []savedMark{
		{App: "APP", ID: "i1", Versions: "1 2 1 1 1 1", Own: wire.Up},            // dead
		{App: "APP", ID: "i1", Versions: "1 0 1 1 1 1", Own: "LOUD"},             // no status
		{App: "APP", ID: "i1", Versions: "1 0 1", Own: wire.Up},                  // too short
		{App: "APP", ID: "i1", Versions: "zzzzzzzzzzzz 0 1 1 1 1", Own: wire.Up}, // of another age
	} {
		s := New(WithPeers(PeersConfig{}), WithLimits(Limits{InstancesPerApp: 1}))
		other := in
		other.InstanceID = "i2"
		assert.Equal(t, 1, s.registry.restore(saved{Instances: []wire.Instance{in, other}, Versions: []savedMark{m}, Gone: []savedMark{m}}, &s.settings.limits))
		known, ok := s.registry.replica(key{"APP", "i1"})
		assert.True(t, ok && known.living && known.own == wire.Up, m.Versions)
		assert.Empty(t, s.registry.graves.byApp)
		s.Close()
	}
}
