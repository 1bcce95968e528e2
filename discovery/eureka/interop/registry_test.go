package interop

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// A registry is our server, which notes what it is asked.
type registry struct {
	*eurekaserver.Server
	t   *testing.T
	url string // "http://127.0.0.1:port/eureka/v2"

	mu    sync.Mutex
	asked []string // method, path without query, and status
}

// serve runs our server until the test ends.
func serve(t *testing.T, opts ...eurekaserver.Option) *registry {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := eurekaserver.New(opts...)
	r := &registry{Server: s, t: t, url: "http://" + listener.Addr().String() + "/eureka/v2"}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		recorder := &recorder{ResponseWriter: w}
		s.ServeHTTP(recorder, req)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.asked = append(r.asked, req.Method+" "+strings.TrimPrefix(req.URL.Path, "/eureka/v2")+" "+strconv.Itoa(recorder.status))
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		s.Close()
		assert.NoError(t, server.Close())
		assert.ErrorIs(t, <-served, http.ErrServerClosed)
	})
	return r
}

type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// requests returns how often something was asked and answered.
func (r *registry) requests(line string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, asked := range r.asked {
		if asked == line {
			n++
		}
	}
	return n
}

// refused returns what was answered with 400 or more, each once.
func (r *registry) refused() (lines []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range r.asked {
		if status := line[strings.LastIndexByte(line, ' ')+1:]; status >= "400" {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// comesUp waits until an instance is listed as UP.
func (r *registry) comesUp(app, id string) (in wire.Instance) {
	r.t.Helper()
	eventually(r.t, id+" is up", func() bool {
		in, _ = instance(r.t, r.url, app, id)
		return in.Status == wire.Up
	})
	return in
}

// keeps checks that an instance renews its lease, and registers again when the
// server has lost it.
func (r *registry) keeps(app, id string) {
	r.t.Helper()
	heartbeats := "PUT /apps/" + app + "/" + id
	n := r.requests(heartbeats + " 200")
	eventually(r.t, "heartbeats of "+id, func() bool { return r.requests(heartbeats+" 200") >= n+2 })
	status, _ := ask(r.t, "DELETE", r.url+"/apps/"+app+"/"+id, "")
	require.Equal(r.t, http.StatusOK, status)
	eventually(r.t, id+" is back", func() bool {
		_, ok := instance(r.t, r.url, app, id)
		return ok
	})
	assert.Positive(r.t, r.requests(heartbeats+" 404"))
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !so() {
		select {
		case <-again.C:
		case <-timeout.C:
			require.Fail(t, "waited in vain", what)
		}
	}
}

// ask sends a request to a server, and returns the status and the body of the
// answer.
func ask(t *testing.T, method, url, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Accept", "application/json")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { assert.NoError(t, resp.Body.Close()) }()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(data)
}

// instance returns what a server says of an instance, if it knows it.
func instance(t *testing.T, server, app, id string) (in wire.Instance, ok bool) {
	t.Helper()
	status, body := ask(t, "GET", server+"/apps/"+app+"/"+id, "")
	if status != http.StatusOK {
		return wire.Instance{}, false
	}
	in, err := wire.UnmarshalInstance([]byte(body), wire.JSON)
	require.NoError(t, err)
	return in, true
}

// hello runs a copy of the service orders, and returns its port.
func hello(t *testing.T) int {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello from Go")
	}))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	return number
}

// announce registers a copy of the service orders, which others look up.
func announce(t *testing.T, server, id string, port int) {
	t.Helper()
	data, err := wire.MarshalInstance(wire.Instance{
		InstanceID: id, App: "ORDERS", HostName: "127.0.0.1", IPAddr: "127.0.0.1", VIPAddress: "orders", SecureVIPAddress: "orders",
		Status: wire.Up, Port: wire.Port{Number: port, Enabled: true},
		DataCenter: wire.DataCenter{Name: wire.MyOwn},
		Lease:      wire.Lease{RenewalInterval: 30, Duration: 3600},
		LastDirty:  time.Now().UnixMilli(),
	}, wire.JSON)
	require.NoError(t, err)
	status, body := ask(t, "POST", server+"/apps/ORDERS", string(data))
	require.Equal(t, http.StatusNoContent, status, body)
}

func withdraw(t *testing.T, server, id string) {
	t.Helper()
	status, _ := ask(t, "DELETE", server+"/apps/ORDERS/"+id, "")
	require.Equal(t, http.StatusOK, status)
}
