package etcd

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/retry"
	"github.com/namesake-go/namesake/discovery/internal/turn"
)

// A registration is one announced copy.
type registration struct {
	c       *Client
	service string
	key     string
	value   string
	line    *turn.Line[string, registration]

	ctx    context.Context // done when it is to be kept announced no more
	cancel context.CancelFunc
	done   chan struct{} // closed when it is not
	once   sync.Once
	result error // of Close

	// Of whoever has the turn:
	lease clientv3.LeaseID // that holds the key; 0: none
	over  bool             // it has been closed, or another has taken its place
}

var _ discovery.Registration = (*registration)(nil)

// keep renews the lease until the registration ends.
func (r *registration) keep() {
	defer close(r.done)
	log := r.c.log.With("service", r.service, "key", r.key)
	failing := false
	for retry.Sleep(r.ctx, retry.Jitter(r.c.ttl/3)) {
		again, err := r.renew(r.ctx)
		if r.ctx.Err() != nil {
			return
		}
		switch {
		case err != nil && !failing:
			log.Warn("copy cannot be kept announced", "error", explain(err))
		case err == nil && failing:
			log.Info("copy is kept announced again")
		}
		if again {
			log.Info("copy was forgotten, and is announced again")
		}
		failing = err != nil
	}
}

// renew renews the lease and looks for the key. It reports whether it had to
// announce the copy again.
func (r *registration) renew(ctx context.Context) (again bool, err error) {
	bound, cancel := context.WithTimeoutCause(ctx, r.c.ttl/3, fmt.Errorf("no answer within %v", r.c.ttl/3))
	defer cancel()
	if err := r.line.Enter(bound); err != nil {
		return false, err
	}
	defer r.line.Exit()
	if r.over {
		return false, ErrClosed
	}
	switch alive, err := r.c.keepAlive(bound, r.lease); {
	case err != nil:
		return false, because(bound, err)
	case !alive:
		return true, r.announce(ctx, false)
	}
	found, err := r.c.etcd.Get(bound, r.key, clientv3.WithCountOnly())
	if err != nil {
		return false, because(bound, err)
	}
	if found.Count > 0 { // be it another's that has taken its place
		return false, nil
	}
	return true, because(bound, r.put(bound, r.lease, false))
}

// keepAlive renews a lease, once, and reports whether there still is one. That
// of etcd's client asks without a pause for as long as there is no connection.
func (c *Client) keepAlive(ctx context.Context, lease clientv3.LeaseID) (alive bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // which ends the stream
	stream, err := etcdserverpb.NewLeaseClient(c.etcd.ActiveConnection()).LeaseKeepAlive(ctx)
	if err != nil {
		return false, err
	}
	if err := stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: int64(lease)}); err != nil {
		return false, err
	}
	answer, err := stream.Recv()
	return err == nil && answer.TTL > 0, err
}

// Close implements [discovery.Registration]: it revokes the lease. A copy whose
// place another has taken hangs on that one's lease, and stays.
func (r *registration) Close(ctx context.Context) error {
	r.once.Do(func() {
		r.cancel()
		if err := r.withdraw(ctx); err != nil {
			r.result = fmt.Errorf("etcd: withdraw %q: %w", r.service, explain(err))
		}
	})
	return r.result
}

// withdraw revokes the lease, again and again until it works, ctx is done or
// the lease must have run out.
func (r *registration) withdraw(ctx context.Context) error {
	select {
	case <-r.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := r.line.Enter(ctx); err != nil {
		return err
	}
	defer r.line.Exit()
	if !r.over {
		defer r.line.Leave() // who comes next must find the line until then
		r.over, r.line.Owner = true, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 2*r.c.ttl, errors.New("its lease must have run out"))
	defer cancel()
	delays := retry.New(r.c.ttl / 3)
	for {
		attempt, done := context.WithTimeout(ctx, requestTimeout)
		_, err := r.c.etcd.Revoke(attempt, r.lease)
		done()
		if err == nil || errors.Is(err, rpctypes.ErrLeaseNotFound) {
			return nil
		}
		if rejected(err) {
			return err
		}
		if !retry.Sleep(ctx, delays.Delay()) {
			return fmt.Errorf("%w; %v", context.Cause(ctx), err)
		}
	}
}
