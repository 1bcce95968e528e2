package eurekaserver_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/internal/memnet"
)

// bubble runs a test on a clock of its own, against a real http.Server over a
// network in memory.
func bubble(t *testing.T, run func(t *testing.T, c caller, s *eurekaserver.Server), opts ...eurekaserver.Option) {
	t.Helper()
	bubbleWith(t, &http.Server{}, run, opts...)
}

func bubbleWith(t *testing.T, server *http.Server, run func(t *testing.T, c caller, s *eurekaserver.Server), opts ...eurekaserver.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		listener, err := network.Listen("registry:8761")
		require.NoError(t, err)
		s := eurekaserver.New(opts...)
		server.Handler = s
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		client := plainClient(&http.Transport{DialContext: network.DialContext})
		defer func() {
			s.Close()
			client.CloseIdleConnections()
			assert.NoError(t, server.Close())
			assert.ErrorIs(t, <-served, http.ErrServerClosed)
			time.Sleep(time.Second) // net/http lingers that long over connections that it has cut off
		}()
		run(t, caller{t: t, target: target{base: "http://registry:8761/eureka/v2", client: client}}, s)
	})
}

// later runs f in a goroutine of the bubble, after d.
func later(d time.Duration, f func()) (done <-chan struct{}) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		time.Sleep(d)
		f()
	}()
	return ended
}

func lease(seconds int) edit {
	return edit{"leaseInfo": map[string]any{"durationInSecs": seconds}}
}
