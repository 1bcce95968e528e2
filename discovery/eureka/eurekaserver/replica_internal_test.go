package eurekaserver

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// randomReplica returns what a server may know. What a part is follows from
// its stamp, as nobody stamps two things alike.
func randomReplica(r *rand.Rand) replica {
	at := func() stamp { return stamp{time: 1 + r.Uint64N(6), node: uint32(r.IntN(2))} }
	out := replica{key: key{"APP", "i"}, living: true}
	out.versions = versions{registered: at(), data: at(), status: at(), override: at(), renewed: at()}
	if r.IntN(2) == 0 {
		out.versions.canceled = at()
	}
	statuses := []wire.Status{wire.Unknown, wire.Down, wire.OutOfService, wire.Up}
	out.info.LastDirty = int64(out.versions.data.time * 7 % 3)
	out.info.HostName = fmt.Sprint(out.versions.data)
	out.own = statuses[out.versions.status.time%4]
	out.info.OverriddenStatus = statuses[out.versions.override.time%3]
	out.info.Status = shown(out.own, out.info.OverriddenStatus)
	if out.versions.dead() {
		out = join(out, out) // without what is of no interest any more
	}
	return out
}

// Servers that tell each other what they know agree, in whatever order they
// do so.
func TestJoin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 2_000 {
		a, b := randomReplica(r), randomReplica(r)
		both := join(a, b)
		require.Equal(t, both, join(b, a))
		require.Equal(t, both, join(both, a))
		require.Equal(t, both, join(b, both))
		require.Equal(t, a, join(a, a))

		servers := []replica{a, b, randomReplica(r), randomReplica(r)}
		for range 2 {
			for _, i := range r.Perm(4) {
				for _, j := range r.Perm(4) {
					servers[i] = join(servers[i], servers[j])
				}
			}
		}
		for _, s := range servers[1:] {
			require.Equal(t, servers[0], s)
		}
	}
}

// What an instance said before it was canceled counts less than what it says
// now, even if its clock has been set back.
func TestJoinAfterACancellation(t *testing.T) {
	at := func(n uint64) stamp { return stamp{time: n} }
	old := replica{living: true, info: wire.Instance{LastDirty: 9, HostName: "old"}, versions: versions{registered: at(9), data: at(5)}}
	canceled := replica{versions: versions{canceled: at(6)}}
	now := replica{living: true, info: wire.Instance{LastDirty: 3, HostName: "new"}, versions: versions{registered: at(8), data: at(8), canceled: at(6)}}
	assert.Equal(t, "new", join(join(old, canceled), now).info.HostName)
	assert.Equal(t, "new", join(now, old).info.HostName)
	assert.Equal(t, "old", join(old, canceled).info.HostName)
}

func TestVersions(t *testing.T) {
	v := versions{registered: stamp{1 << 60, 7}, canceled: stamp{5, 0}, renewed: stamp{36, 1<<32 - 1}}
	now := time.UnixMilli(1 << 44)
	got, err := parseVersions(v.String(), now)
	require.NoError(t, err)
	assert.Equal(t, v, got)
	for _, text := range []string{"", "1 2 3 4 5", "1 2 3 4 5 6 7", "1 2 3 4 5 -6", "1 2 3 4 5 6.!", "1 2 3 4 5 !", "1 2 3 4 5 6.zzzzzzzzzz", "1 2 3 4 5 6.1.1"} {
		_, err := parseVersions(text, now)
		assert.Error(t, err, text)
	}
	_, err = parseVersions(v.String(), time.UnixMilli(0))
	assert.EqualError(t, err, "eurekaserver: the clock of the peer is more than 24h0m0s ahead")
}

// A clock that is behind others makes later stamps than all that it hears.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ahead, behind := clock{node: 1}, clock{node: 2}
		ahead.tick()
		time.Sleep(time.Second)
		assert.Equal(t, time.Now(), ahead.tick().at().In(time.Now().Location()))
		ahead.last += 5000 << counterBits
		s := ahead.tick()
		behind.heard(s)
		for range 3 {
			next := behind.tick()
			assert.True(t, next.after(s))
			s = next
		}
		time.Sleep(10 * time.Second)
		assert.Equal(t, time.Now().UnixMilli(), behind.tick().at().UnixMilli())
	})
}

// A heartbeat from another server shows who of the two knows more.
func TestBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := New(WithPeers(PeersConfig{})), New(WithPeers(PeersConfig{}))
		defer a.Close()
		defer b.Close()
		k := key{"APP", "i1"}
		in := mustAdmit(wire.Instance{InstanceID: "i1", App: "APP", HostName: "h", IPAddr: "1", LastDirty: 5, DataCenter: wire.DataCenter{Name: wire.MyOwn}})
		tell := func(from, to *Server, beat bool) wire.Result {
			time.Sleep(time.Second)
			known, ok := from.registry.replica(k)
			require.True(t, ok)
			return to.apply(new(replicaItem(&known, beat)))
		}
		a.registry.register(in, false)
		assert.Equal(t, 404, tell(a, b, true).Code, "there is none")
		assert.Equal(t, wire.Result{Code: 200}, tell(a, b, false))
		assert.Equal(t, wire.Result{Code: 200}, tell(b, a, true))

		before, _ := b.registry.replica(k)
		assert.Equal(t, 3*time.Second, before.age, "it has traveled with the instance")
		a.registry.heartbeat(k, 0, "", false)
		assert.Equal(t, wire.Result{Code: 200}, tell(a, b, true))
		after, _ := b.registry.replica(k)
		assert.Equal(t, time.Second, after.age)

		a.registry.setOverride(k, wire.Down, 0)
		assert.Equal(t, 404, tell(a, b, true).Code, "b wants to hear all")
		got := tell(b, a, true)
		assert.Equal(t, 409, got.Code, "a knows more")
		theirs, err := readReplica(k, got.Instance, got.State, time.Now())
		require.NoError(t, err)
		b.registry.learn(theirs)
		assert.Equal(t, wire.Result{Code: 200}, tell(b, a, true))

		a.registry.cancel(k)
		got = tell(b, a, true)
		assert.Equal(t, 409, got.Code, "it is gone")
		assert.Nil(t, got.Instance)
		theirs, err = readReplica(k, got.Instance, got.State, time.Now())
		require.NoError(t, err)
		b.registry.learn(theirs)
		_, ok := b.registry.instance(k)
		assert.False(t, ok)
	})
}

// A lease that has ended here does not come back because it took longer to
// arrive than it says, and an instance that is gone takes its override along.
func TestWhatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(WithPeers(PeersConfig{}))
		defer s.Close()
		k := key{"APP", "i1"}
		s.registry.register(mustAdmit(wire.Instance{InstanceID: "i1", App: "APP", HostName: "h", IPAddr: "1", DataCenter: wire.DataCenter{Name: wire.MyOwn}}), false)
		known, _ := s.registry.replica(k)
		time.Sleep(91 * time.Second)
		synctest.Wait()
		s.registry.learn(known)
		_, ok := s.registry.instance(k)
		assert.False(t, ok)
		known.versions.renewed = stamp{uint64(time.Now().UnixMilli()) << counterBits, 0}
		s.registry.learn(known)
		_, ok = s.registry.instance(k)
		assert.True(t, ok, "somebody has heard of it since")

		dead := replica{key: k, versions: versions{canceled: stamp{5, 5}, override: stamp{6, 6}}, info: wire.Instance{OverriddenStatus: wire.Down}}
		got, err := readReplica(k, nil, writeState(&dead), time.Now())
		require.NoError(t, err)
		assert.Equal(t, dead, got)
	})
}

// Tombstones have their time, and their number is bounded.
func TestGraveyard(t *testing.T) {
	now := time.UnixMilli(0)
	g := newGraveyard(true)
	g.put(&tombstone{key: key{"A", "1"}, until: now.Add(time.Second)}, now)
	g.put(&tombstone{key: key{"A", "2"}, until: now.Add(2 * time.Second)}, now)
	assert.NotNil(t, g.get(key{"A", "1"}, now))
	assert.Nil(t, g.get(key{"A", "1"}, now.Add(time.Second)))
	g.put(&tombstone{key: key{"B", "3"}, until: now.Add(2 * time.Second)}, now.Add(time.Second))
	assert.Equal(t, 2, g.order.Len())
	g.remove(key{"A", "2"})
	assert.NotContains(t, g.byApp, "A")
	for i := range maxTombstones + 10 {
		g.put(&tombstone{key: key{"C", fmt.Sprint(i)}, until: now.Add(time.Hour)}, now)
	}
	assert.Equal(t, maxTombstones, g.order.Len())
	assert.Nil(t, g.get(key{"C", "9"}, now))
	assert.Len(t, g.byApp["C"], maxTombstones)
}

// What does not fit into the queue is left to the reconciliation.
func TestQueueIsBounded(t *testing.T) {
	q := newQueue()
	for i := range maxQueue {
		q.add(key{"APP", fmt.Sprint(i)}, newsBeat)
	}
	q.add(key{"APP", "more"}, newsBeat)
	assert.False(t, q.overflowed(), "the next heartbeat does as well")
	q.add(key{"APP", "0"}, newsData)
	assert.False(t, q.overflowed())
	q.add(key{"APP", "more"}, newsData)
	length, _ := q.state()
	assert.Equal(t, maxQueue, length)
	assert.True(t, q.overflowed())
	assert.False(t, q.overflowed())
	slots := q.take(2)
	assert.Equal(t, newsBeat|newsData, slots[0].news)
	q.add(key{"APP", "0"}, newsCanceled)
	q.putBack(slots)
	slots = q.take(2)
	assert.Equal(t, []string{"0", "1"}, []string{slots[0].key.id, slots[1].key.id})
	assert.Equal(t, newsBeat|newsData|newsCanceled, slots[0].news)
}

// Whatever a server of this package is said to know, nothing breaks.
func FuzzPeerState(f *testing.F) {
	f.Add("Register", `{"v":"1.1 0 1.1 1.1 0 1.1","own":"UP","age":5}`, `{"keys":[["APP","i1"]]}`, `{"apps":{"APP":"x"}}`)
	f.Add("Cancel", `{"v":"1 2 1 1 2 1","override":"DOWN"}`, `{}`, `[]`)
	f.Add("Heartbeat", `{"v":"1 2 3 4 5 6","age":-1}`, `{"keys":[[]]}`, `{"apps":{"APP":{}}}`)
	f.Fuzz(func(t *testing.T, action, state, fetch, digest string) {
		s := New(WithPeers(PeersConfig{GateTime: -1}))
		defer s.Close()
		in := wire.Instance{InstanceID: "i1", App: "APP", HostName: "h", IPAddr: "1", LastDirty: 5, DataCenter: wire.DataCenter{Name: wire.MyOwn}}
		s.registry.register(mustAdmit(in), false)
		for _, instance := range []*wire.Instance{&in, nil} {
			it := wire.Item{Action: action, App: "APP", ID: "i1", Instance: instance, State: []byte(state)}
			first, known := s.apply(&it), s.registry.summaries("APP")
			if second := s.apply(&it); first.Code == 200 {
				assert.Equal(t, 200, second.Code)
			}
			assert.Equal(t, known, s.registry.summaries("APP"), "applied twice")
		}
		serveFuzz(t, s, fetchPath, fetch)
		serveFuzz(t, s, digestPath, digest)
		for text := range s.registry.summaries("APP") {
			assert.Equal(t, "i1", text)
		}
	})
}

func mustAdmit(in wire.Instance) wire.Instance {
	in, objection := admit(in.App, in)
	if objection != "" {
		panic(objection)
	}
	return in
}

func serveFuzz(t *testing.T, s *Server, path, doc string) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/eureka"+path, strings.NewReader(doc))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	assert.Contains(t, []int{200, 400}, w.Code)
}
