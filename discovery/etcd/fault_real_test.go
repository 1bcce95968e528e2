package etcd_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/namesake-go/namesake/discovery"
)

// A place that another process took while the lease was lost is left to it.
func TestRealPlaceTaken(t *testing.T) {
	c, s := subject(t)
	registration, err := s.Registrar.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: "192.0.2.1:80"})
	require.NoError(t, err)
	r, err := c.direct.Get(t.Context(), "orders/a")
	require.NoError(t, err)
	c.set(t, "orders", discovery.Instance{ID: "a", Addr: "192.0.2.9:80"}) // another process
	_, err = c.direct.Revoke(t.Context(), clientv3.LeaseID(r.Kvs[0].Lease))
	require.NoError(t, err)
	time.Sleep(3 * time.Second) // renewals are a second apart
	r, err = c.direct.Get(t.Context(), "orders/a")
	require.NoError(t, err)
	require.Len(t, r.Kvs, 1)
	assert.Contains(t, string(r.Kvs[0].Value), "192.0.2.9")
	require.NoError(t, registration.Close(t.Context()))
}

// Whoever registers the same copy at the same time, the last one is announced
// with its own facts, and none when all are closed.
func TestRealSameCopyAtOnce(t *testing.T) {
	c, s := subject(t)
	const n = 8
	all := make(chan discovery.Registration, n)
	for i := range n {
		go func() { // ended by its answer
			r, err := s.Registrar.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: fmt.Sprintf("192.0.2.1:%d", 80+i)})
			assert.NoError(t, err)
			all <- r
		}()
	}
	registrations := make(map[discovery.Registration]bool)
	for range n {
		registrations[<-all] = true
	}
	before, err := c.direct.Get(t.Context(), "orders/a")
	require.NoError(t, err)
	require.Len(t, before.Kvs, 1)
	time.Sleep(6 * time.Second) // longer than the leases of the others
	after, err := c.direct.Get(t.Context(), "orders/a")
	require.NoError(t, err)
	require.Len(t, after.Kvs, 1)
	assert.Equal(t, before.Kvs[0].ModRevision, after.Kvs[0].ModRevision, "it is not put again")
	for r := range registrations {
		require.NoError(t, r.Close(t.Context()))
	}
	after, err = c.direct.Get(t.Context(), "orders/a")
	require.NoError(t, err)
	assert.Empty(t, after.Kvs)
}

// Closing waits no longer than it may.
func TestRealCloseWhileFrozen(t *testing.T) {
	c, s := subject(t)
	registration, err := s.Registrar.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: "192.0.2.1:80"})
	require.NoError(t, err)
	c.server.Freeze()
	defer c.server.Thaw()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	begin := time.Now()
	assert.ErrorIs(t, registration.Close(ctx), context.DeadlineExceeded)
	assert.Less(t, time.Since(begin), 2*time.Second)
}
