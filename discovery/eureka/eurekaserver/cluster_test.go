package eurekaserver_test

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
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
	each    func(name string) []eurekaserver.Option // that one member has; may be nil
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
	bubbleFleetWith(t, names, eurekaserver.PeersConfig{}, run, opts...)
}

func bubbleFleetWith(t *testing.T, names []string, config eurekaserver.PeersConfig, run func(t *testing.T, f *fleet), opts ...eurekaserver.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{t: t, names: names, members: make(map[string]*member), config: config, options: opts}
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
	m.client = &http.Client{Transport: &faultyTransport{f, name, transport}}
	config := f.config
	config.HTTP = m.client
	options := append([]eurekaserver.Option{eurekaserver.WithPeers(config)}, f.options...)
	if f.each != nil {
		options = append(options, f.each(name)...)
	}
	m.Server = eurekaserver.New(options...)
	m.http = &http.Server{Handler: m.Server}
	go func() { m.served <- m.http.Serve(listener) }()
	f.members[name] = m
	m.Start()
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

// rest waits until all is quiet after some time.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// settle lets what has been written arrive everywhere, where nothing is lost.
func (f *fleet) settle() { rest(300 * time.Millisecond) }

// faults say what happens to requests between servers.
type faults struct {
	mu       sync.Mutex
	random   *rand.Rand
	cut      map[[2]string]bool // by sender and receiver
	requests float64            // share of requests that get lost
	answers  float64            // share of answers that get lost
	delay    time.Duration      // the longest delay of a request
	items    map[string]int     // how many each server has been sent
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

// foreign is the name of a server that does as if it were Netflix's.
const foreign = "theirs"

type faultyTransport struct {
	fleet *fleet
	from  string
	base  *http.Transport
}

var errLost = errors.New("lost")

func (t *faultyTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	f, to := &t.fleet.faults, req.URL.Hostname()
	f.mu.Lock()
	cut := f.cut[[2]string{t.from, to}]
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
	if t.from == foreign || to == foreign {
		req = disguise(t.fleet.t, req)
	}
	t.count(req, to)
	resp, err := t.base.RoundTrip(req)
	if err == nil && (t.from == foreign || to == foreign) {
		resp.Header.Del("X-Namesake-Server")
	}
	if err == nil && lostAnswer {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return nil, errLost
	}
	return resp, err
}

func (t *faultyTransport) count(req *http.Request, to string) {
	body, err := req.GetBody()
	assert.NoError(t.fleet.t, err)
	data, err := io.ReadAll(body)
	assert.NoError(t.fleet.t, err)
	if items, err := wire.UnmarshalBatch(data, 1000); err == nil {
		t.fleet.faults.mu.Lock()
		defer t.fleet.faults.mu.Unlock()
		if t.fleet.faults.items == nil {
			t.fleet.faults.items = make(map[string]int)
		}
		t.fleet.faults.items[to] += len(items)
	}
}

// disguise makes a request what Netflix's server would send and take.
func disguise(t *testing.T, req *http.Request) *http.Request {
	req = req.Clone(req.Context())
	req.Header.Del("X-Namesake-Server")
	if req.Method == http.MethodGet {
		return req
	}
	if !strings.HasSuffix(req.URL.Path, "/peerreplication/batch/") {
		assert.Fail(t, "Netflix's server does not know "+req.URL.Path)
		return req
	}
	body, err := req.GetBody()
	assert.NoError(t, err)
	var doc struct {
		List []struct {
			App       string          `json:"appName"`
			ID        string          `json:"id"`
			LastDirty json.Number     `json:"lastDirtyTimestamp"`
			Override  string          `json:"overriddenStatus"`
			Status    string          `json:"status"`
			Instance  json.RawMessage `json:"instanceInfo"`
			Action    string          `json:"action"`
		} `json:"replicationList"`
	}
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields() // as it does
	assert.NoError(t, decoder.Decode(&doc))
	return req
}

func (t *faultyTransport) CloseIdleConnections() { t.base.CloseIdleConnections() }

var three = []string{"a", "b", "c"}

// testLogger shows the log of a test that fails.
func testLogger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// sent returns how many items each server has been sent since it was last
// asked.
func (f *fleet) sent() map[string]int {
	f.faults.mu.Lock()
	defer f.faults.mu.Unlock()
	items := f.faults.items
	f.faults.items = nil
	return items
}
