package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const instance = `{"instance":{"instanceId":"orders-1","hostName":"10.0.0.7","ipAddr":"10.0.0.7","app":"ORDERS",
	"port":{"$":8080,"@enabled":"true"},
	"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"}}}`

func TestRun(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	output, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-addr", "127.0.0.1:0"}, stdout)
		_ = stdout.Close()
	}()
	lines := bufio.NewScanner(output)
	next := func() string {
		require.True(t, lines.Scan(), "the output has ended")
		return lines.Text()
	}

	url := regexp.MustCompile(`url=(\S+)`).FindStringSubmatch(next())
	require.Len(t, url, 2)
	base := url[1]

	// The log is a pipe: the program goes on when its line has been read.
	answers := make(chan *http.Response, 1)
	send := func(method, path, body string) {
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		if assert.NoError(t, err) {
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Accept", "application/json")
			resp, err := http.DefaultClient.Do(req) //nolint:bodyclose // the receiver closes it
			assert.NoError(t, err)
			answers <- resp
		}
	}
	go send(http.MethodPost, "apps/ORDERS", instance)
	assert.Contains(t, next(), `msg="instance registered" app=ORDERS id=orders-1 status=UP`)
	resp := <-answers
	assert.Equal(t, http.StatusNoContent, resp.StatusCode)
	require.NoError(t, resp.Body.Close())

	send(http.MethodGet, "apps/ORDERS", "")
	resp = <-answers
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Contains(t, string(data), `"instanceId":"orders-1"`)

	stop()
	assert.Contains(t, next(), "msg=stopped")
	assert.NoError(t, <-ended)
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
