package zookeeper_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/zookeeper"
)

// An error that a connection does not heal is repeated ever more rarely.
func TestRealErrorsAreRare(t *testing.T) {
	e := startEnsemble(t)
	try(t, func() error { return e.direct.AddAuth("digest", []byte("a:b")) })
	for _, path := range []string{"/services", "/services/orders"} {
		_, err := e.direct.Create(path, nil, 0, zk.AuthACL(zk.PermAll))
		require.NoError(t, err)
	}
	registry := zookeeper.New(e.addr)
	defer registry.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
	defer cancel()
	n := 0
	for _, err := range registry.Watch(ctx, "orders") {
		require.ErrorIs(t, err, zk.ErrNoAuth)
		n++
	}
	assert.NotZero(t, n)
	assert.Less(t, n, 20, "in 6 s")
}

// What is closed while there is no connection is withdrawn when there is one
// again, since the session goes on.
func TestRealClosedWhileCutOff(t *testing.T) {
	e, _, s := subject(t)
	registry := zookeeper.New(s.Proxy.Addr(), zookeeper.WithSessionTimeout(20*time.Second))
	defer registry.Close()
	registration, err := registry.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: "192.0.2.1:80"})
	require.NoError(t, err)
	s.Proxy.Cut()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	assert.ErrorIs(t, registration.Close(ctx), context.DeadlineExceeded)
	s.Proxy.Heal()
	gone := func() bool {
		exists, _, err := e.direct.Exists("/services/orders/a")
		return err == nil && !exists
	}
	assert.Eventually(t, gone, 12*time.Second, 50*time.Millisecond, "before the session ends")
}

// Whoever registers the same copy at the same time, the last one is announced
// with its own facts, and none when all are closed.
func TestRealSameCopyAtOnce(t *testing.T) {
	e, registry, _ := subject(t)
	const n = 8
	type answer struct {
		registration discovery.Registration
		err          error
	}
	answers := make(chan answer, n)
	for i := range n {
		go func() { // ended by its answer
			r, err := registry.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: fmt.Sprintf("192.0.2.1:%d", 80+i)})
			answers <- answer{r, err}
		}()
	}
	for range n {
		a := <-answers
		require.NoError(t, a.err)
		require.NoError(t, a.registration.Close(t.Context()))
	}
	exists, _, err := e.direct.Exists("/services/orders/a")
	require.NoError(t, err)
	assert.False(t, exists)
}

// A copy that another could not replace, since its announcement was given up,
// is there as it was.
func TestRealReplacedInVain(t *testing.T) {
	e, registry, s := subject(t)
	first, err := registry.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: "192.0.2.1:80"})
	require.NoError(t, err)
	s.Proxy.Slow(300 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond) // while the second request is under way
	defer cancel()
	_, err = registry.Register(ctx, "orders", discovery.Instance{ID: "a", Addr: "192.0.2.2:80"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	s.Proxy.Heal()
	asItWas := func() bool {
		data, _, err := e.direct.Get("/services/orders/a")
		return err == nil && strings.Contains(string(data), "192.0.2.1")
	}
	require.Eventually(t, asItWas, 8*time.Second, 50*time.Millisecond)
	time.Sleep(time.Second)
	assert.True(t, asItWas())
	require.NoError(t, first.Close(t.Context()))
}
