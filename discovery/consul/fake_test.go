package consul_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/consul"
	"github.com/namesake-go/namesake/internal/memnet"
)

// A fake is an agent as far as this package talks to it: blocking queries with
// one index for all, services with a check by TTL.
type fake struct {
	mu       sync.Mutex
	index    uint64
	changed  chan struct{}
	services map[string]service // by ID
	script   http.HandlerFunc   // answers in its place, if there is one
	requests []string           // method, path and query, and the token
	asked    atomic.Int64
}

type service struct {
	ID, Name, Address string
	Port              int
	Tags              []string
	Meta              map[string]string
	Weights           map[string]int
	Check             struct{ TTL, HTTP, Status string }
	expires           time.Time
	ttl               time.Duration
}

func newFake() *fake {
	return &fake{index: 10, changed: make(chan struct{}), services: make(map[string]service)}
}

// answer has script answer all requests; nil means the fake itself.
func (f *fake) answer(script http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.script = script
}

func (f *fake) change() {
	f.index++
	close(f.changed)
	f.changed = make(chan struct{})
}

// forget makes it what it is after a restart.
func (f *fake) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.index = 1
	clear(f.services)
	f.change()
}

func (f *fake) log() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	log := f.requests
	f.requests = nil
	return log
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.asked.Add(1)
	f.mu.Lock()
	f.requests = append(f.requests, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("X-Consul-Token")))
	script := f.script
	f.mu.Unlock()
	if script != nil {
		script(w, r)
		return
	}
	id := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	switch {
	case strings.HasPrefix(r.URL.Path, "/v1/health/service/"):
		f.health(w, r, id)
	case r.URL.Path == "/v1/agent/service/register":
		f.register(w, r)
	case strings.HasPrefix(r.URL.Path, "/v1/agent/check/pass/service:"):
		f.pass(w, strings.TrimPrefix(id, "service:"))
	case strings.HasPrefix(r.URL.Path, "/v1/agent/service/deregister/"):
		f.mu.Lock()
		defer f.mu.Unlock()
		if _, ok := f.services[id]; !ok {
			http.Error(w, fmt.Sprintf("Unknown service ID %q. Ensure that the service ID is passed, not the service name.", id), http.StatusNotFound)
			return
		}
		delete(f.services, id)
		f.change()
	case strings.HasPrefix(r.URL.Path, "/v1/agent/service/"):
		f.mu.Lock()
		defer f.mu.Unlock()
		if _, ok := f.services[id]; !ok {
			http.Error(w, "unknown service ID: "+id, http.StatusNotFound)
		}
	default:
		http.NotFound(w, r)
	}
}

func (f *fake) register(w http.ResponseWriter, r *http.Request) {
	var s service
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if s.Check.TTL != "" {
		ttl, err := time.ParseDuration(s.Check.TTL)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.ttl, s.expires = ttl, time.Now().Add(ttl)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.services[s.ID] = s
	f.change()
}

func (f *fake) pass(w http.ResponseWriter, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.services[id]
	if !ok {
		http.Error(w, fmt.Sprintf("Unknown check ID %q. Ensure that the check ID is passed, not the check name.", "service:"+id), http.StatusNotFound)
		return
	}
	s.expires = time.Now().Add(s.ttl)
	f.services[id] = s
}

func (f *fake) health(w http.ResponseWriter, r *http.Request, name string) {
	since, _ := strconv.ParseUint(r.URL.Query().Get("index"), 10, 64)
	wait, _ := time.ParseDuration(r.URL.Query().Get("wait"))
	timer := time.NewTimer(wait)
	defer timer.Stop()
	f.mu.Lock()
	for since != 0 && f.index <= since {
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-timer.C:
			since = 0
		case <-r.Context().Done():
			return
		}
		f.mu.Lock()
	}
	defer f.mu.Unlock()
	list := []any{}
	for _, s := range f.services {
		if s.Name == name {
			list = append(list, s.entry())
		}
	}
	w.Header().Set("X-Consul-Index", strconv.FormatUint(f.index, 10))
	w.Header().Set("X-Consul-KnownLeader", "true")
	_ = json.NewEncoder(w).Encode(list)
}

func (s service) entry() map[string]any {
	state := "passing"
	if s.ttl > 0 && time.Now().After(s.expires) {
		state = "critical"
	}
	weights := s.Weights
	if weights == nil {
		weights = map[string]int{"Passing": 1, "Warning": 1}
	}
	return map[string]any{
		"Node": map[string]any{"Node": "n1", "Address": "10.0.0.1", "Datacenter": "dc1"},
		"Service": map[string]any{
			"ID": s.ID, "Service": s.Name, "Address": s.Address, "Port": s.Port, "Tags": s.Tags, "Meta": s.Meta, "Weights": weights,
		},
		"Checks": []any{
			map[string]any{"CheckID": "serfHealth", "Status": "passing"},
			map[string]any{"CheckID": "service:" + s.ID, "Status": state},
		},
	}
}

// A rig is a network with an agent, inside a bubble.
type rig struct {
	t   testing.TB
	net memnet.Network
}

func (r *rig) serve(addr string, h http.Handler) (stop func()) {
	r.t.Helper()
	l, err := r.net.Listen(addr)
	require.NoError(r.t, err)
	s := &http.Server{Handler: h}
	go func() { _ = s.Serve(l) }() // until stop
	stop = sync.OnceFunc(func() { _ = s.Close() })
	r.t.Cleanup(stop)
	return stop
}

func (r *rig) client(urls string, opts ...consul.Option) *consul.Client {
	tr := &http.Transport{DialContext: r.net.DialContext}
	c := consul.New(urls, append([]consul.Option{consul.WithHTTPClient(&http.Client{Transport: tr})}, opts...)...)
	r.t.Cleanup(func() {
		c.Close()
		tr.CloseIdleConnections()
	})
	return c
}
