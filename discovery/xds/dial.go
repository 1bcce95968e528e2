package xds

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"
)

const (
	// keepaliveTime is what control planes put up with: gRPC's servers hang up
	// on who asks more often than they were told to allow, which is 30 s in the
	// samples of go-control-plane.
	keepaliveTime    = 30 * time.Second
	keepaliveTimeout = 5 * time.Second
	connectTimeout   = 10 * time.Second
	maxConnectDelay  = 10 * time.Second
)

// DialOptions returns settings for a connection to a control plane, to be
// given to [grpc.NewClient] together with credentials: a connection that has
// gone dead is noticed within 35 s while services are watched, and one that
// cannot be made is tried again every 10 s at least. gRPC's own defaults do
// not look, and wait for up to two minutes.
func DialOptions() []grpc.DialOption {
	delays := backoff.DefaultConfig
	delays.MaxDelay = maxConnectDelay
	return []grpc.DialOption{
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: delays, MinConnectTimeout: connectTimeout}),
	}
}
