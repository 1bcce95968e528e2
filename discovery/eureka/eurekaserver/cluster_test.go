package eurekaserver_test

import (
	"errors"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
	"github.com/namesake-go/namesake/internal/memnet"
)

// A fleet is a cluster of servers over a network in memory, which loses what
// it is told to lose.
type fleet struct {
	t       *testing.T
	network memnet.Network
	names   []string
	members map[string]*member
	config  eurekaserver.PeersConfig
	options []eurekaserver.Option
	faults  faults
}

type member struct {
	*eurekaserver.Server
	http   *http.Server
	served chan error
	client *http.Client
}

// bubbleFleet runs a test with servers that know each other.
func bubbleFleet(t *testing.T, names []string, run func(t *testing.T, f *fleet), opts ...eurekaserver.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{t: t, names: names, members: make(map[string]*member), options: opts}
		f.faults.random = rand.New(rand.NewPCG(1, 2))
		for _, name := range names {
			f.config.URLs = append(f.config.URLs, "http://"+name+":8761/eureka/")
		}
		for _, name := range names {
			f.start(name)
		}
		defer func() {
			for _, name := range names {
				f.stop(name)
			}
			time.Sleep(time.Second) // net/http lingers that long over connections that it has cut off
		}()
		run(t, f)
	})
}

func (f *fleet) start(name string) {
	f.t.Helper()
	listener, err := f.network.Listen(name + ":8761")
	require.NoError(f.t, err)
	m := &member{served: make(chan error, 1)}
	transport := &http.Transport{DialContext: f.network.DialContext}
	m.client = &http.Client{Transport: &faultyTransport{&f.faults, name, transport}}
	config := f.config
	config.HTTP = m.client
	m.Server = eurekaserver.New(append([]eurekaserver.Option{eurekaserver.WithPeers(config)}, f.options...)...)
	m.http = &http.Server{Handler: m.Server}
	go func() { m.served <- m.http.Serve(listener) }()
	f.members[name] = m
	require.NoError(f.t, m.Start())
}

func (f *fleet) stop(name string) {
	m := f.members[name]
	if m == nil {
		return
	}
	delete(f.members, name)
	m.Close()
	m.client.CloseIdleConnections()
	assert.NoError(f.t, m.http.Close())
	assert.ErrorIs(f.t, <-m.served, http.ErrServerClosed)
}

// do sends a request of a client, which no fault concerns.
func (f *fleet) do(name, method, path string, edits ...edit) int {
	f.t.Helper()
	var doc string
	if method == "POST" {
		app := path[len("/apps/"):]
		doc = body(app, edits...)
	}
	return serve(f.t.Context(), f.members[name].Server, method, path, doc).Code
}

// seen returns what a server's list shows of each instance, without what
// belongs to the server.
func (f *fleet) seen(name string) map[string]wire.Instance {
	f.t.Helper()
	w := serve(f.t.Context(), f.members[name].Server, "GET", "/apps", "")
	require.Equal(f.t, 200, w.Code, name)
	apps, err := wire.UnmarshalApplications(w.Body.Bytes(), wire.JSON)
	require.NoError(f.t, err)
	assert.Equal(f.t, wire.HashOf(apps.Applications), apps.Hash)
	out := make(map[string]wire.Instance)
	for _, app := range apps.Applications {
		for _, in := range app.Instances {
			in.Lease = wire.Lease{Duration: in.Lease.Duration}
			in.LastUpdated, in.Action = 0, ""
			out[app.Name+"/"+in.ID()] = in
		}
	}
	return out
}

// agree requires all servers to show the same, and returns it.
func (f *fleet) agree() map[string]wire.Instance {
	f.t.Helper()
	names := slices.Sorted(maps.Keys(f.members))
	first := f.seen(names[0])
	for _, name := range names[1:] {
		require.Equal(f.t, first, f.seen(name), "%s and %s", names[0], name)
	}
	return first
}

// settle lets what has been written arrive everywhere, where nothing is lost.
func (f *fleet) settle() {
	time.Sleep(300 * time.Millisecond)
	synctest.Wait()
}

// faults say what happens to requests between servers.
type faults struct {
	mu       sync.Mutex
	random   *rand.Rand
	cut      map[[2]string]bool // by sender and receiver
	requests float64            // share of requests that get lost
	answers  float64            // share of answers that get lost
	delay    time.Duration      // the longest delay of a request
	count    int                // batches that arrived with items
}

// part cuts the servers into halves that cannot talk to each other, until heal.
func (f *fleet) part(halves ...[]string) {
	f.faults.mu.Lock()
	defer f.faults.mu.Unlock()
	f.faults.cut = make(map[[2]string]bool)
	for i, half := range halves {
		for j, other := range halves {
			for _, a := range half {
				for _, b := range other {
					f.faults.cut[[2]string{a, b}] = i != j
				}
			}
		}
	}
}

func (f *fleet) heal() { f.setFaults(0, 0, 0); f.part() }

func (f *fleet) setFaults(requests, answers float64, delay time.Duration) {
	f.faults.mu.Lock()
	defer f.faults.mu.Unlock()
	f.faults.requests, f.faults.answers, f.faults.delay = requests, answers, delay
}

type faultyTransport struct {
	faults *faults
	from   string
	base   *http.Transport
}

var errLost = errors.New("lost")

func (t *faultyTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	f := t.faults
	f.mu.Lock()
	cut := f.cut[[2]string{t.from, req.URL.Hostname()}]
	lostRequest := f.random.Float64() < f.requests
	lostAnswer := f.random.Float64() < f.answers
	var delay time.Duration
	if f.delay > 0 {
		delay = time.Duration(f.random.Int64N(int64(f.delay)))
	}
	f.mu.Unlock()
	time.Sleep(delay)
	if cut || lostRequest {
		return nil, errLost
	}
	resp, err := t.base.RoundTrip(req)
	if err == nil && lostAnswer {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return nil, errLost
	}
	return resp, err
}

func (t *faultyTransport) CloseIdleConnections() { t.base.CloseIdleConnections() }

var three = []string{"a", "b", "c"}

func TestReplication(t *testing.T) {
	bubbleFleet(t, three, func(t *testing.T, f *fleet) {
		f.settle()
		assert.Empty(t, f.agree())
		assert.Equal(t, 204, f.do("a", "POST", "/apps/APP"))
		time.Sleep(25 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, wire.Up, f.agree()["APP/i1"].Status)

		assert.Equal(t, 200, f.do("b", "PUT", "/apps/APP/i1/status?value=OUT_OF_SERVICE"))
		f.settle()
		assert.Equal(t, wire.OutOfService, f.agree()["APP/i1"].Status)
		assert.Equal(t, wire.OutOfService, f.agree()["APP/i1"].OverriddenStatus)
		assert.Equal(t, 200, f.do("c", "DELETE", "/apps/APP/i1/status?value=UP"))
		f.settle()
		assert.Equal(t, wire.Unknown, f.agree()["APP/i1"].OverriddenStatus)
		assert.Equal(t, 200, f.do("c", "PUT", "/apps/APP/i1/metadata?k=v"))
		f.settle()
		assert.Equal(t, map[string]string{"k": "v"}, f.agree()["APP/i1"].Metadata)
		assert.Equal(t, 200, f.do("b", "DELETE", "/apps/APP/i1"))
		f.settle()
		assert.Empty(t, f.agree())
		for _, name := range three {
			peers := f.members[name].Peers()
			require.Len(t, peers, 2, "itself is left out")
			for _, p := range peers {
				assert.Equal(t, eurekaserver.PeerNamesake, p.Kind)
				assert.True(t, p.Reachable)
				assert.Empty(t, p.LastError)
				assert.Zero(t, p.Queue)
			}
		}
	})
}

// testLogger shows the log of a test that fails.
func testLogger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}
