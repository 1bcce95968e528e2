package eurekaserver_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/internal/memnet"
)

func TestHowManyInstances(t *testing.T) {
	s := eurekaserver.New(eurekaserver.WithLimits(eurekaserver.Limits{Instances: 3, InstancesPerApp: 2}))
	defer s.Close()
	register := func(app, id string) int {
		w := serve(t.Context(), s, "POST", "/apps/"+app, body(app, edit{"instanceId": id}))
		assert.Empty(t, w.Body.String())
		if w.Code == http.StatusServiceUnavailable {
			assert.NotEmpty(t, w.Header().Get("Retry-After"))
		}
		return w.Code
	}
	assert.Equal(t, 204, register("A", "1"))
	assert.Equal(t, 204, register("A", "2"))
	assert.Equal(t, 503, register("A", "3"))
	assert.Equal(t, 204, register("B", "1"))
	assert.Equal(t, 503, register("B", "2"))
	assert.Equal(t, 503, register("C", "1"))
	assert.Equal(t, 204, register("A", "2"), "who is there may register again")
	assert.Equal(t, 200, serve(t.Context(), s, "DELETE", "/apps/A/1", "").Code)
	assert.Equal(t, 204, register("C", "1"))
}

func TestHowLongTexts(t *testing.T) {
	s := eurekaserver.New(eurekaserver.WithLimits(eurekaserver.Limits{Text: 20, MetadataEntries: 2, MetadataBytes: 10}))
	defer s.Close()
	long := strings.Repeat("x", 21)
	for _, e := range []edit{
		{"instanceId": long}, {"hostName": long}, {"ipAddr": long}, {"vipAddress": long}, {"homePageUrl": long}, {"asgName": long},
		{"metadata": map[string]any{"a": "1", "b": "2", "c": "3"}},
		{"metadata": map[string]any{"a": "1234567890"}},
	} {
		w := serve(t.Context(), s, "POST", "/apps/APP", body("APP", e))
		assert.Equal(t, 400, w.Code, e)
		assert.Regexp(t, "^Too (long|much): ", w.Body.String())
	}
	assert.Equal(t, 400, serve(t.Context(), s, "POST", "/apps/"+long, body(long)).Code)
	require.Equal(t, 204, serve(t.Context(), s, "POST", "/apps/APP", body("APP", edit{"metadata": map[string]any{"a": "123456789"}})).Code)
	assert.Equal(t, 413, serve(t.Context(), s, "PUT", "/apps/APP/i1/metadata?b=", "").Code, "too long")
	assert.Equal(t, 200, serve(t.Context(), s, "PUT", "/apps/APP/i1/metadata?a=1&b=2", "").Code)
	assert.Equal(t, 413, serve(t.Context(), s, "PUT", "/apps/APP/i1/metadata?c=", "").Code, "too many")
}

func TestHowOften(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, s *eurekaserver.Server) {
		c.register("APP")
		c.register("APP")
		got := c.do("POST", "/apps/APP", body("APP"), asJSON)
		assert.Equal(t, 429, got.status)
		assert.Equal(t, "2", got.header.Get("Retry-After"))
		assert.Empty(t, got.body)
		for range 100 {
			require.Equal(t, 200, c.status("PUT", "/apps/APP/i1"))
			require.Equal(t, 200, c.do("GET", "/apps/delta", "").status)
		}
		time.Sleep(2*time.Second - 1)
		assert.Equal(t, 429, c.do("POST", "/apps/APP", body("APP"), asJSON).status)
		time.Sleep(time.Nanosecond)
		c.register("APP")

		for _, path := range []string{"/apps", "/apps/APP", "/vips/x", "/svips/x"} {
			assert.Equal(t, 200, c.do("GET", path, "").status, path)
			got := c.do("GET", path, "")
			assert.Equal(t, 429, got.status, path)
			assert.Equal(t, "1", got.header.Get("Retry-After"))
			got = c.do("GET", "/apps/delta", "", `If-None-Match: "other.1"`)
			assert.Equal(t, 429, got.status, "what is whole is no delta")
			time.Sleep(time.Second)
		}
		tag := c.tag()
		assert.Equal(t, 304, c.do("GET", "/apps", "", tag).status, "nothing is no list")
		assert.Equal(t, 304, c.do("GET", "/apps", "", tag).status)
	}, eurekaserver.WithLimits(eurekaserver.Limits{
		Registrations: eurekaserver.Rate{PerSecond: 0.5, Burst: 2}, Lists: eurekaserver.Rate{PerSecond: 1},
	}))
}

// Clients are told apart by their addresses, or as one likes.
func TestWhoIsAClient(t *testing.T) {
	post := func(s *eurekaserver.Server, addr, header string) int {
		r := httptest.NewRequest("POST", "/eureka/apps/APP", strings.NewReader(body("APP")))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Client", header)
		r.RemoteAddr = addr
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Code
	}
	once := eurekaserver.Rate{PerSecond: 1e-9}
	s := eurekaserver.New(eurekaserver.WithLimits(eurekaserver.Limits{Registrations: once}))
	defer s.Close()
	for _, tt := range []struct {
		addr string
		want int
	}{
		{"10.0.0.1:1", 204}, {"10.0.0.1:2", 429}, {"10.0.0.2:1", 204}, {"[::ffff:10.0.0.2]:1", 429},
		{"[2001:db8::1]:1", 204}, {"[2001:db8::ffff]:1", 429}, {"[2001:db8:0:1::1]:1", 204}, {"memory", 204}, {"memory", 429},
	} {
		assert.Equal(t, tt.want, post(s, tt.addr, ""), tt.addr)
	}
	named := eurekaserver.New(eurekaserver.WithLimits(eurekaserver.Limits{
		Registrations: once, Client: func(r *http.Request) string { return r.Header.Get("X-Client") },
	}))
	defer named.Close()
	assert.Equal(t, 204, post(named, "10.0.0.1:1", "a"))
	assert.Equal(t, 204, post(named, "10.0.0.1:1", "b"))
	assert.Equal(t, 429, post(named, "10.0.0.2:1", "a"))
}

func TestWaitersOfOneClient(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, s *eurekaserver.Server) {
		tag := c.tag()
		done := later(0, func() { c.do("GET", "/apps/delta", "", tag, prefer25) })
		time.Sleep(time.Second)
		assert.Equal(t, 1, s.Stats().Waiting)
		got := c.do("GET", "/apps/delta", "", tag, prefer25)
		assert.Equal(t, 304, got.status)
		assert.Equal(t, "5", got.header.Get("Retry-After"))
		<-done
		assert.Zero(t, s.Stats().Waiting)
	}, eurekaserver.WithLimits(eurekaserver.Limits{WaitersPerClient: 1}))
}

// A client that floods the server with all it has does not keep another from
// sending its heartbeats.
func TestHostileClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		listener, err := network.Listen("registry:8761")
		require.NoError(t, err)
		hostile := func(r *http.Request) string { return r.Header.Get("X-From") }
		s := eurekaserver.New(
			eurekaserver.WithMaxBody(64<<10),
			eurekaserver.WithWait(eurekaserver.WaitConfig{Waiters: 50}),
			eurekaserver.WithLimits(eurekaserver.Limits{
				Instances: 1000, InstancesPerApp: 500, Client: hostile, WaitersPerClient: 20,
				Registrations: eurekaserver.Rate{PerSecond: 10, Burst: 100}, Lists: eurekaserver.Rate{PerSecond: 5, Burst: 5},
			}),
		)
		server := &http.Server{Handler: s}
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		client := plainClient(&http.Transport{DialContext: network.DialContext, MaxConnsPerHost: 200})
		good := caller{t: t, target: target{base: "http://registry:8761/eureka", client: client}}
		good.register("GOOD", lease(9), edit{"leaseInfo": map[string]any{"renewalIntervalInSecs": 3, "durationInSecs": 9}})
		end := time.Now().Add(20 * time.Second)

		var attackers sync.WaitGroup
		flood := func(pause time.Duration, send func(i int)) {
			attackers.Go(func() {
				for i := 0; time.Now().Before(end); i++ {
					send(i)
					time.Sleep(pause)
				}
			})
		}
		bad := func(method, path, body string, header ...string) (status int) {
			req, err := http.NewRequestWithContext(t.Context(), method, "http://registry:8761/eureka"+path, strings.NewReader(body))
			require.NoError(t, err)
			req.Header.Set("X-From", "bad")
			req.Header.Set("Content-Type", "application/json")
			for i := 0; i+1 < len(header); i += 2 {
				req.Header.Set(header[i], header[i+1])
			}
			resp, err := client.Do(req)
			if err != nil {
				return 0 // it may hang up on such a client
			}
			defer func() { _ = resp.Body.Close() }()
			return resp.StatusCode
		}
		flood(20*time.Millisecond, func(i int) {
			assert.Contains(t, []int{204, 429, 503}, bad("POST", "/apps/BAD", body("BAD", edit{"instanceId": fmt.Sprint(i)})))
		})
		huge := strings.Repeat("x", 1<<20)
		flood(time.Second, func(int) { assert.Contains(t, []int{0, 413, 429}, bad("POST", "/apps/BAD", huge)) })
		flood(20*time.Millisecond, func(int) { assert.Contains(t, []int{200, 429}, bad("GET", "/apps", "")) })
		for range 60 {
			flood(time.Second, func(int) {
				tag := s.Stats().Revision
				bad("GET", "/apps/delta", "", "If-None-Match", `"`+tag+`"`, "Prefer", "wait=10")
			})
		}
		// Bodies that never come: the server hangs up after ten seconds.
		for range 20 {
			attackers.Go(func() {
				conn, err := network.DialContext(t.Context(), "tcp", "registry:8761")
				require.NoError(t, err)
				defer func() { _ = conn.Close() }()
				start := time.Now()
				_, err = fmt.Fprintf(conn, "POST /eureka/apps/BAD HTTP/1.1\r\nHost: registry\r\nX-From: slow%p\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", conn)
				require.NoError(t, err)
				assertHangsUp(t, conn, start.Add(10*time.Second))
			})
		}

		for time.Now().Before(end) {
			time.Sleep(3 * time.Second)
			require.Equal(t, 200, good.status("PUT", "/apps/GOOD/i1"))
		}
		attackers.Wait()
		assert.LessOrEqual(t, s.Stats().Leases, 501)
		s.Close()
		client.CloseIdleConnections()
		assert.NoError(t, server.Close())
		assert.ErrorIs(t, <-served, http.ErrServerClosed)
		time.Sleep(time.Second)
	})
}

// assertHangsUp expects 408 and the end of the connection at a time.
func assertHangsUp(t *testing.T, conn net.Conn, at time.Time) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if assert.NoError(t, err) {
		assert.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
		assert.NoError(t, resp.Body.Close())
	}
	assert.Equal(t, at, time.Now())
	_, err = conn.Read(make([]byte, 1))
	assert.Error(t, err)
	assert.Less(t, time.Since(at), time.Second)
}

// Only who may speak as a peer gets around a limit by saying that it is one.
func TestWhoIsAPeer(t *testing.T) {
	once := eurekaserver.Limits{Registrations: eurekaserver.Rate{PerSecond: 0.01}}
	open := eurekaserver.New(eurekaserver.WithLimits(once))
	defer open.Close()
	guarded := eurekaserver.New(eurekaserver.WithLimits(once), eurekaserver.WithAccess(eurekaserver.Anyone(eurekaserver.All)))
	defer guarded.Close()
	const header = "X-Netflix-Discovery-Replication"
	for range 2 {
		assert.Equal(t, 204, serve(t.Context(), guarded, "POST", "/apps/APP", body("APP"), header, "true").Code)
	}
	assert.Equal(t, 204, serve(t.Context(), open, "POST", "/apps/APP", body("APP"), header, "true").Code)
	assert.Equal(t, 429, serve(t.Context(), open, "POST", "/apps/APP", body("APP"), header, "true").Code)
}
