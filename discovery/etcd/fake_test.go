package etcd_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/etcd"
)

// A fake is a member that is well but for what a test breaks. It has no keys.
type fake struct {
	etcdserverpb.UnimplementedKVServer
	etcdserverpb.UnimplementedLeaseServer
	etcdserverpb.UnimplementedWatchServer

	reads   atomic.Int64
	renewed atomic.Int64
	unread  atomic.Int64 // how many reads are answered before the others fail; 0 means all
}

func (f *fake) Range(context.Context, *etcdserverpb.RangeRequest) (*etcdserverpb.RangeResponse, error) {
	if n, most := f.reads.Add(1), f.unread.Load(); most > 0 && n > most {
		return nil, status.Error(codes.PermissionDenied, "not any more")
	}
	return &etcdserverpb.RangeResponse{Header: &etcdserverpb.ResponseHeader{Revision: 1}}, nil
}

func (f *fake) Put(context.Context, *etcdserverpb.PutRequest) (*etcdserverpb.PutResponse, error) {
	return &etcdserverpb.PutResponse{Header: &etcdserverpb.ResponseHeader{Revision: 1}}, nil
}

func (f *fake) LeaseGrant(_ context.Context, r *etcdserverpb.LeaseGrantRequest) (*etcdserverpb.LeaseGrantResponse, error) {
	return &etcdserverpb.LeaseGrantResponse{Header: &etcdserverpb.ResponseHeader{}, ID: 1, TTL: r.TTL}, nil
}

func (f *fake) LeaseRevoke(context.Context, *etcdserverpb.LeaseRevokeRequest) (*etcdserverpb.LeaseRevokeResponse, error) {
	return &etcdserverpb.LeaseRevokeResponse{Header: &etcdserverpb.ResponseHeader{}}, nil
}

// LeaseKeepAlive fails as a connection does that is lost.
func (f *fake) LeaseKeepAlive(etcdserverpb.Lease_LeaseKeepAliveServer) error {
	f.renewed.Add(1)
	return status.Error(codes.Unavailable, "the connection is closing")
}

// Watch accepts no watch.
func (f *fake) Watch(s etcdserverpb.Watch_WatchServer) error {
	<-s.Context().Done()
	return s.Context().Err()
}

func startFake(t *testing.T, opts ...etcd.Option) (*fake, *etcd.Client) {
	t.Helper()
	f := new(fake)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	etcdserverpb.RegisterKVServer(server, f)
	etcdserverpb.RegisterLeaseServer(server, f)
	etcdserverpb.RegisterWatchServer(server, f)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // until the end of the test
	}()
	cfg := etcd.Config("http://" + listener.Addr().String())
	cfg.Logger = zap.NewNop()
	client, err := clientv3.New(cfg)
	require.NoError(t, err)
	registry := etcd.New(client, opts...)
	t.Cleanup(func() {
		registry.Close()
		_ = client.Close()
		server.Stop()
		<-served
	})
	return f, registry
}

// It is noticed that the cluster cannot be read while a watch waits to be
// accepted.
func TestWatchThatIsNotAccepted(t *testing.T) {
	f, registry := startFake(t, etcd.WithCheckInterval(time.Second))
	f.unread.Store(1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var failure error
	for set, err := range registry.Watch(ctx, "orders") {
		if failure = err; err != nil {
			break
		}
		assert.Empty(t, set)
	}
	assert.ErrorContains(t, failure, "not any more")
}

// A lease that cannot be renewed is not asked for in a tight loop.
func TestRenewalsAreFew(t *testing.T) {
	f, registry := startFake(t, etcd.WithTTL(3*time.Second))
	registration, err := registry.Register(t.Context(), "orders", discovery.Instance{Addr: "192.0.2.1:80"})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return f.renewed.Load() >= 2 }, time.Minute, 500*time.Millisecond)
	assert.Less(t, f.renewed.Load(), int64(10))
	require.NoError(t, registration.Close(t.Context()))
}
