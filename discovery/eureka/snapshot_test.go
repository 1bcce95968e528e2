package eureka_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// A process that starts while the registry is down uses the copies of the last
// one, until the registry is back.
func TestSnapshot(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	folder := t.TempDir()
	addr := "127.0.0.1:0"
	serve := func() (stop func()) {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		require.NoError(t, err)
		addr = listener.Addr().String()
		registry := eurekaserver.New()
		server := &http.Server{Handler: registry, ReadHeaderTimeout: 5 * time.Second}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = server.Serve(listener)
		}()
		return func() {
			_ = server.Close()
			registry.Close()
			<-ended
		}
	}
	begin := func() (*eureka.Client, discovery.Watcher) {
		client := eureka.New("http://" + addr + "/eureka")
		return client, discovery.Snapshot(client, folder, discovery.SnapshotConfig{Patience: time.Minute})
	}

	stop := serve()
	client, watcher := begin()
	want := discovery.Instance{ID: "orders-1", Addr: "10.0.0.7:80", Scheme: "http"}
	_, err := client.Register(ctx, "orders", want)
	require.NoError(t, err)
	for set, err := range watcher.Watch(ctx, "orders") {
		require.NoError(t, err)
		require.Len(t, set, 1)
		want = set[0] // with the metadata that the client adds
		break
	}
	client.Close()
	stop()

	client, watcher = begin() // the next process
	defer client.Close()
	var running sync.WaitGroup
	defer running.Wait()
	var heard []string
	for set, err := range watcher.Watch(ctx, "orders") {
		switch {
		case err != nil && len(heard) == 1:
			assert.ErrorContains(t, err, `discovery: the set of "orders" is one saved `)
			assert.ErrorContains(t, err, "connection refused")
			heard = append(heard, "error")
			defer serve()()
			running.Go(func() {
				_, err := client.Register(ctx, "orders", discovery.Instance{ID: "orders-2", Addr: "10.0.0.8:80"})
				assert.NoError(t, err)
			})
		case err == nil && len(heard) == 0:
			assert.Equal(t, []discovery.Instance{want}, set)
			heard = append(heard, "saved")
		case err == nil && len(set) == 1 && set[0].ID == "orders-2":
			heard = append(heard, "registry")
		}
		if len(heard) == 3 {
			break
		}
	}
	assert.Equal(t, []string{"saved", "error", "registry"}, heard)
}
