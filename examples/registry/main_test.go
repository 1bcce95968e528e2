package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const instance = `{"instance":{"instanceId":"orders-1","hostName":"10.0.0.7","ipAddr":"10.0.0.7","app":"ORDERS",
	"port":{"$":8080,"@enabled":"true"},
	"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"}}}`

// A program is a run that is under way.
type program struct {
	t      *testing.T
	cancel context.CancelFunc
	ended  chan error

	mu      sync.Mutex
	written sync.Cond // with mu: there is more output, or it has ended
	output  bytes.Buffer
	over    bool
}

func start(t *testing.T, args []string) *program {
	ctx, cancel := context.WithCancel(t.Context())
	p := &program{t: t, cancel: cancel, ended: make(chan error, 1)}
	p.written.L = &p.mu
	go func() {
		err := run(ctx, args, p)
		p.mu.Lock()
		p.over = true
		p.written.Broadcast()
		p.mu.Unlock()
		p.ended <- err
	}()
	return p
}

func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.written.Broadcast()
	return p.output.Write(b)
}

// find waits for output that a pattern matches.
func (p *program) find(pattern string) []string {
	p.t.Helper()
	want := regexp.MustCompile(pattern)
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if found := want.FindStringSubmatch(p.output.String()); found != nil {
			return found
		}
		if p.over {
			require.Fail(p.t, "not in the output: "+pattern, p.output.String())
		}
		p.written.Wait()
	}
}

// url waits for the line of a message and returns the URL in it.
func (p *program) url(message string) string {
	p.t.Helper()
	return p.find(message + `"?[, ]"?url"?[=:]"?([^\s"}]+)`)[1]
}

// stop ends the program, and returns all that it has written.
func (p *program) stop() string {
	p.t.Helper()
	p.cancel()
	assert.NoError(p.t, <-p.ended)
	p.find("stopped")
	return p.output.String()
}

func TestRun(t *testing.T) {
	p := start(t, []string{"-addr", "127.0.0.1:0"})
	base := p.url("listening")
	send := func(method, path, body string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		return resp
	}
	resp := send(http.MethodPost, "apps/ORDERS", instance)
	assert.Equal(t, http.StatusNoContent, resp.StatusCode)
	require.NoError(t, resp.Body.Close())
	p.find(`msg="instance registered" app=ORDERS id=orders-1 status=UP`)

	resp = send(http.MethodGet, "apps/ORDERS", "")
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Contains(t, string(data), `"instanceId":"orders-1"`)
	assert.NotContains(t, p.stop(), "everybody")
}

// What one registry is told, its peer knows, and each shows both in a browser.
func TestPeers(t *testing.T) {
	listeners := make([]net.Listener, 2)
	var urls []string
	for i := range listeners {
		var err error
		listeners[i], err = net.Listen("tcp", "127.0.0.1:0") // free, and free again in a moment
		require.NoError(t, err)
		urls = append(urls, "http://"+listeners[i].Addr().String()+"/eureka")
	}
	programs := make([]*program, 2)
	for i, l := range listeners {
		require.NoError(t, l.Close())
		programs[i] = start(t, []string{"-addr", l.Addr().String(), "-peers", strings.Join(urls, ","), "-title", "registry of the test"})
	}
	for _, p := range programs {
		p.url("listening")
	}
	post, err := http.Post(urls[0]+"/apps/ORDERS", "application/json", strings.NewReader(instance))
	require.NoError(t, err)
	require.NoError(t, post.Body.Close())
	require.Equal(t, http.StatusNoContent, post.StatusCode)
	get := func(url string) string {
		resp, err := http.Get(url)
		require.NoError(t, err)
		defer func() { assert.NoError(t, resp.Body.Close()) }()
		data, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(data)
	}
	require.Eventually(t, func() bool { return strings.Contains(get(urls[1]+"/apps/ORDERS/orders-1"), "orders-1") }, time.Minute, 10*time.Millisecond)
	page := get(strings.TrimSuffix(urls[1], "eureka"))
	assert.Contains(t, page, "registry of the test")
	assert.Contains(t, page, "orders-1")
	for _, p := range programs {
		p.stop()
	}
}

func TestRunWithBadFlags(t *testing.T) {
	var output strings.Builder
	assert.Error(t, run(t.Context(), []string{"-port", "1"}, &output))
	assert.Contains(t, output.String(), "-addr host:port")
}

func TestRunAtAnAddressInUse(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { assert.NoError(t, listener.Close()) }()
	err = run(t.Context(), []string{"-addr", listener.Addr().String()}, io.Discard)
	assert.ErrorContains(t, err, "registry: listen tcp")
}
