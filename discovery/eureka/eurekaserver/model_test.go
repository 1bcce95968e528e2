package eurekaserver_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// A modelClient is an instance, and what all servers should know of it once
// they have told each other everything.
type modelClient struct {
	path     string // of the instance
	there    bool
	revision int // counts registrations
	override wire.Status
}

// A model does at random servers what clients and operators do, while the
// network does what networks do.
type model struct {
	*fleet
	random  *rand.Rand
	clients []*modelClient
}

// Whatever happens in whatever order at whichever server, and whatever gets
// lost on the way: once the network is whole, the servers agree within 30
// seconds on what was said last. Nothing is lost, and nothing comes back.
func TestRandomFaults(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			bubbleFleet(t, three, func(_ *testing.T, f *fleet) {
				f.settle()
				m := &model{fleet: f, random: rand.New(rand.NewPCG(seed, 7))}
				for i := range 8 {
					m.clients = append(m.clients, &modelClient{path: fmt.Sprintf("/apps/APP%d/i%d", i%3, i), override: wire.Unknown})
				}
				for range 5 {
					m.disturb()
					m.run(time.Duration(5+m.random.IntN(150)) * time.Second)
				}
				f.heal()
				m.beat(30 * time.Second)
				m.check()

				f.stop("b")
				m.beat(20 * time.Second)
				f.start("b")
				m.beat(20 * time.Second)
				m.check()
			}, eurekaserver.WithLogger(testLogger(t)))
		})
	}
}

// disturb makes the network another kind of bad.
func (m *model) disturb() {
	m.heal()
	switch m.random.IntN(4) {
	case 0:
		alone := m.random.IntN(3)
		m.part([]string{three[alone]}, []string{three[(alone+1)%3], three[(alone+2)%3]})
	case 1:
		m.part([]string{"a"}, []string{"b"}, []string{"c"})
	case 2:
		m.setFaults(0.3, 0.3, 500*time.Millisecond)
	case 3:
		m.part([]string{"a", "b"}, []string{"c"})
		m.setFaults(0.1, 0.4, 3*time.Second)
	}
}

// run lets clients and operators do things for some time.
func (m *model) run(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(time.Duration(1+m.random.IntN(2000)) * time.Millisecond)
		for _, c := range m.clients {
			if m.random.IntN(4) == 0 {
				m.act(c)
			} else if m.random.IntN(3) == 0 {
				m.heartbeat(c)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// beat lets clients do nothing but keep their leases.
func (m *model) beat(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second) {
		if time.Until(end) > 2*time.Second {
			for _, c := range m.clients {
				m.heartbeat(c)
			}
		}
	}
	synctest.Wait()
}

// server returns one that is up, as clients find one.
func (m *model) server() string {
	up := slices.Sorted(maps.Keys(m.members))
	return up[m.random.IntN(len(up))]
}

func (m *model) heartbeat(c *modelClient) {
	server := m.server()
	if c.there && m.do(server, "PUT", c.path) == 404 {
		m.register(server, c)
	}
}

func (m *model) register(server string, c *modelClient) {
	c.revision++
	c.there = true
	dirty := any(strconv.FormatInt(time.Now().UnixMilli(), 10))
	if m.random.IntN(3) == 0 {
		dirty = nil // many clients leave it to the server
	}
	app, id := c.path[len("/apps/"):len("/apps/APP0")], c.path[len("/apps/APP0/"):]
	require.Equal(m.t, 204, m.do(server, "POST", "/apps/"+app, edit{
		"instanceId": id, "lastDirtyTimestamp": dirty, "metadata": map[string]any{"revision": strconv.Itoa(c.revision)},
	}))
}

func (m *model) act(c *modelClient) {
	server := m.server()
	held, ok := m.held(server, c)
	switch m.random.IntN(6) {
	case 0, 1:
		m.register(server, c)
	case 2:
		if m.do(server, "DELETE", c.path) == 200 {
			c.there, c.override = false, wire.Unknown
		}
	case 3:
		status := []wire.Status{wire.OutOfService, wire.Down}[m.random.IntN(2)]
		if m.do(server, "PUT", c.path+"/status?value="+string(status)) == 200 && ok && held.Status != status {
			c.override = status
		}
	case 4:
		if m.do(server, "DELETE", c.path+"/status?value=UP") == 200 && ok && held.OverriddenStatus != wire.Unknown {
			c.override = wire.Unknown
		}
	case 5:
		m.do(server, "PUT", c.path+"/metadata?extra="+server)
	}
}

func (m *model) held(server string, c *modelClient) (wire.Instance, bool) {
	w := serve(m.t.Context(), m.members[server].Server, "GET", c.path, "")
	if w.Code != 200 {
		return wire.Instance{}, false
	}
	in, err := wire.UnmarshalInstance(w.Body.Bytes(), wire.JSON)
	require.NoError(m.t, err)
	return in, true
}

func (m *model) check() {
	m.t.Helper()
	seen := m.agree()
	want := 0
	for _, c := range m.clients {
		in, ok := seen[c.path[len("/apps/"):]]
		if !assert.Equal(m.t, c.there, ok, "%s is there", c.path) || !ok {
			continue
		}
		want++
		assert.Equal(m.t, c.override, in.OverriddenStatus, c.path)
		assert.Equal(m.t, strconv.Itoa(c.revision), in.Metadata["revision"], c.path)
	}
	assert.Len(m.t, seen, want)
	for name := range m.members {
		for _, p := range m.members[name].Peers() {
			assert.True(m.t, p.Reachable)
			assert.Less(m.t, p.Lag, time.Second)
		}
	}
}
