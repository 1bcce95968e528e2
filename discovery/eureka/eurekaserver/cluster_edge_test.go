package eurekaserver_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// roundTrip is a network of one function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// alone returns a server whose peers are answered by a handler.
func alone(handler http.HandlerFunc, config eurekaserver.PeersConfig, opts ...eurekaserver.Option) *eurekaserver.Server {
	config.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		handler(w, r)
		return w.Result(), nil
	})}
	if config.URLs == nil && config.Lookup == nil {
		config.URLs = []string{"http://peer:8761/eureka/"}
	}
	return eurekaserver.New(append(opts, eurekaserver.WithPeers(config))...)
}

// batchOf reads what a peer is sent, and answers as Netflix's server does.
func batchOf(t *testing.T, w http.ResponseWriter, r *http.Request) []wire.Item {
	data, err := io.ReadAll(r.Body)
	assert.NoError(t, err)
	if r.Method == http.MethodGet {
		_, _ = w.Write([]byte(`{"applications":{"application":[]}}`))
		return nil
	}
	items, err := wire.UnmarshalBatch(data, 1000)
	assert.NoError(t, err)
	results := make([]wire.Result, len(items))
	for i := range results {
		results[i].Code = 200
	}
	data, err = wire.MarshalResults(results)
	assert.NoError(t, err)
	_, _ = w.Write(data)
	return items
}

func TestPeerOutOfReach(t *testing.T) {
	bubbleFleet(t, []string{"a", "b"}, func(t *testing.T, f *fleet) {
		f.settle()
		start := time.Now()
		f.part([]string{"a"}, []string{"b"})
		require.Equal(t, 204, f.do("a", "POST", "/apps/APP"))
		rest(25 * time.Millisecond)
		for range 20 {
			rest(time.Second)
			f.do("a", "PUT", "/apps/APP/i1")
		}
		p := f.members["a"].Peers()[0]
		assert.Equal(t, "http://b:8761/eureka", p.URL)
		assert.False(t, p.Reachable)
		assert.Equal(t, 25*time.Millisecond, p.Since.Sub(start))
		assert.Equal(t, "lost", p.LastError)
		assert.Equal(t, 1, p.Queue)
		assert.Equal(t, time.Since(start), p.Lag)
		w := serve(t.Context(), f.members["a"].Server, "GET", "/status", "")
		assert.Contains(t, w.Body.String(), `"applicationStats":{"registered-replicas":"http://b:8761/eureka,","available-replicas":"","unavailable-replicas":"http://b:8761/eureka,"}`)

		f.heal()
		rest(5 * time.Second) // the longest pause
		assert.Len(t, f.agree(), 1)
		p = f.members["a"].Peers()[0]
		assert.True(t, p.Reachable)
		assert.Zero(t, p.Queue)
		assert.Zero(t, p.Lag)
		assert.Equal(t, "lost", p.LastError)
	})
}

// What is queued is sent before the server is closed, but it does not wait for
// one that does not answer.
func TestCloseSendsWhatIsQueued(t *testing.T) {
	bubbleFleet(t, []string{"a", "b"}, func(t *testing.T, f *fleet) {
		f.settle()
		require.Equal(t, 204, f.do("a", "POST", "/apps/APP"))
		start := time.Now()
		f.stop("a")
		assert.Less(t, time.Since(start), time.Millisecond)
		assert.Len(t, f.seen("b"), 1)
	})
	synctest.Test(t, func(t *testing.T) {
		var silent atomic.Bool
		s := alone(func(w http.ResponseWriter, r *http.Request) {
			if silent.Load() {
				<-r.Context().Done()
			}
			batchOf(t, w, r)
		}, eurekaserver.PeersConfig{})
		s.Start()
		rest(time.Second)
		silent.Store(true)
		serve(t.Context(), s, "POST", "/apps/APP", body("APP"))
		start := time.Now()
		s.Close()
		assert.Equal(t, time.Second, time.Since(start))
	})
}

// A peer that has too much to do gets a second of peace, one that is gone is
// asked ever less often.
func TestPauses(t *testing.T) {
	for code, want := range map[int][]time.Duration{
		503: {0, time.Second, 2 * time.Second, 3 * time.Second},
		404: {0, 100 * time.Millisecond, 300 * time.Millisecond, 700 * time.Millisecond, 1500 * time.Millisecond, 3100 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			var asked []time.Duration
			s := alone(func(w http.ResponseWriter, _ *http.Request) {
				asked = append(asked, time.Since(start))
				w.WriteHeader(code)
			}, eurekaserver.PeersConfig{})
			s.Start()
			rest(3500 * time.Millisecond)
			s.Close()
			assert.Equal(t, want, asked)
		})
	}
}

func TestLookup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards the next three
		var urls []string
		var problem error
		asked := make(map[string]int)
		s := alone(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			asked[r.URL.Host]++
			mu.Unlock()
			batchOf(t, w, r)
		}, eurekaserver.PeersConfig{
			Lookup: func(context.Context) ([]string, error) {
				mu.Lock()
				defer mu.Unlock()
				return urls, problem
			},
		})
		find := func(err error, found ...string) {
			mu.Lock()
			defer mu.Unlock()
			urls, problem = found, err
		}
		defer s.Close()
		peers := func() (hosts []string) {
			for _, p := range s.Peers() {
				hosts = append(hosts, p.URL)
			}
			return hosts
		}
		s.Start()
		rest(10 * time.Second)
		assert.Empty(t, peers())
		find(nil, "http://x/eureka", "http://user:secret@y/eureka/", "ftp://user:secret@z")
		rest(21 * time.Second)
		assert.Equal(t, []string{"ftp://…", "http://x/eureka", "http://y/eureka"}, redacted(peers()))
		find(errors.New("no answer"), "http://x/eureka")
		rest(30 * time.Second)
		assert.Len(t, peers(), 3)
		find(nil, "http://x/eureka")
		rest(30 * time.Second)
		assert.Equal(t, []string{"http://x/eureka"}, peers())
		find(nil)
		rest(30 * time.Second)
		assert.Equal(t, []string{"http://x/eureka"}, peers())
		mu.Lock()
		clear(asked)
		mu.Unlock()
		serve(t.Context(), s, "POST", "/apps/APP", body("APP"))
		rest(time.Second)
		assert.Equal(t, map[string]int{"x": 1}, asked)
	})
}

func redacted(urls []string) []string {
	for i, u := range urls {
		if strings.HasPrefix(u, "…") {
			urls[i] = "ftp://…"
		}
	}
	return urls
}

// Credentials of a peer's URL go to that peer and nowhere else.
func TestPeerCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := alone(func(w http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			assert.Equal(t, "user secret@", user+" "+password)
			assert.Nil(t, r.URL.User)
			http.Redirect(w, r, "http://elsewhere/", http.StatusFound)
		}, eurekaserver.PeersConfig{URLs: []string{"http://user:secret%40@peer", "http://user:sec#ret@peer"}}, eurekaserver.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		s.Start()
		rest(time.Second)
		peers := s.Peers()
		s.Close()
		require.Len(t, peers, 2)
		for _, p := range peers {
			assert.NotContains(t, p.URL+p.LastError, "sec")
		}
		assert.Equal(t, "answered 302 Found", peers[1].LastError)
		assert.NotContains(t, log.String(), "sec")
		assert.Contains(t, log.String(), "peer not usable")
	})
}

// A list of a peer that holds back its own does not open the gate, and one of
// a server's own URL does.
func TestGateWithPeersOfOtherKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := false
		s := alone(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && !open {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			batchOf(t, w, r)
		}, eurekaserver.PeersConfig{URLs: []string{"http://x/eureka", "http://y/eureka"}, GateTime: time.Minute})
		defer s.Close()
		s.Start()
		rest(time.Second)
		assert.Equal(t, 200, serve(t.Context(), s, "GET", "/apps", "").Code, "both have been asked, and know nothing")
	})
	synctest.Test(t, func(t *testing.T) {
		var s *eurekaserver.Server
		s = alone(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(w, r) }, eurekaserver.PeersConfig{GateTime: time.Minute})
		defer s.Close()
		s.Start()
		rest(time.Second)
		assert.Equal(t, 200, serve(t.Context(), s, "GET", "/apps", "").Code, "itself")
		assert.Empty(t, s.Peers())
	})
	s := alone(func(http.ResponseWriter, *http.Request) {}, eurekaserver.PeersConfig{GateTime: -1})
	defer s.Close()
	assert.Equal(t, 200, serve(t.Context(), s, "GET", "/apps", "").Code)
}

// Three servers over real sockets.
func TestRealSockets(t *testing.T) {
	var urls []string
	handlers := make([]http.Handler, 3)
	for i := range 3 {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handlers[i].ServeHTTP(w, r) }))
		t.Cleanup(server.Close)
		urls = append(urls, server.URL+"/eureka/")
	}
	servers := make([]*eurekaserver.Server, 3)
	for i := range servers {
		servers[i] = eurekaserver.New(eurekaserver.WithPeers(eurekaserver.PeersConfig{URLs: urls}))
		handlers[i] = servers[i]
		t.Cleanup(servers[i].Close)
	}
	for _, s := range servers {
		s.Start()
	}
	require.Equal(t, 204, serve(t.Context(), servers[0], "POST", "/apps/APP", body("APP")).Code)
	for _, s := range servers {
		assert.Eventually(t, func() bool {
			return serve(t.Context(), s, "GET", "/apps/APP", "").Code == 200
		}, 10*time.Second, 5*time.Millisecond)
	}
	require.Equal(t, 200, serve(t.Context(), servers[1], "DELETE", "/apps/APP/i1", "").Code)
	for _, s := range servers {
		assert.Eventually(t, func() bool {
			return serve(t.Context(), s, "GET", "/apps/APP/i1", "").Code == 404
		}, 10*time.Second, 5*time.Millisecond)
		assert.Len(t, s.Peers(), 2)
	}
}
