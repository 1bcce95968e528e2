package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/retry"
	"github.com/namesake-go/namesake/discovery/internal/turn"
)

// Register announces a copy of a service: a key with a lease, which is renewed
// every third of [WithTTL]. When the lease is lost, or the key has been
// deleted, the copy is announced again.
//
// The key is prefix, service, slash and ID; an empty ID becomes in.Addr, which
// is the custom of gRPC programs. Scheme, zone, weight and priority travel as
// metadata of these names.
//
// See [discovery.Registrar] for the contract.
func (c *Client) Register(ctx context.Context, service string, in discovery.Instance) (discovery.Registration, error) {
	if c.closed() {
		return nil, ErrClosed
	}
	r, err := c.newRegistration(service, in)
	if err == nil {
		r.line = c.lines.Join(r.key)
		if err = r.start(ctx); err != nil {
			r.cancel()
			r.line.Leave()
		}
	}
	if err != nil {
		if c.closed() {
			return nil, ErrClosed
		}
		return nil, fmt.Errorf("etcd: register %q: %w", service, explain(err))
	}
	return r, nil
}

// A registration is one announced copy.
type registration struct {
	c       *Client
	service string
	key     string
	value   string
	line    *turn.Line[registration]

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

func (c *Client) newRegistration(service string, in discovery.Instance) (*registration, error) {
	switch err := in.Validate(); {
	case service == "":
		return nil, errors.New("the service has no name")
	case strings.Contains(service, "\x00"):
		return nil, errors.New("the service's name has a zero byte")
	case err != nil:
		return nil, err
	}
	value, err := marshal(in)
	if err != nil {
		return nil, err
	}
	r := &registration{c: c, service: service, key: c.key(service) + in.Key(), value: string(value), done: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(c.ctx)
	return r, nil
}

// start announces the copy and begins to keep it announced.
func (r *registration) start(ctx context.Context) error {
	bound, cancel := within(ctx, r.ctx)
	defer cancel()
	if err := r.line.Enter(bound); err != nil {
		return err
	}
	defer r.line.Exit()
	delays := retry.New(r.c.ttl / 3)
	for {
		err := r.announce(bound, true)
		if err == nil {
			break
		}
		if bound.Err() == nil && !rejected(err) && retry.Sleep(bound, delays.Delay()) {
			continue
		}
		if bound.Err() != nil {
			err = fmt.Errorf("%w; %v", context.Cause(bound), err)
		}
		return err
	}
	if !r.c.spawn(r.keep) { // stopped by Close of it or of the client, which wait for it
		r.takeBack(ctx, r.lease)
		return ErrClosed
	}
	if old := r.line.Owner; old != nil { // it must not take its place back
		old.over = true
		old.cancel()
		r.line.Leave() // for it
	}
	r.line.Owner = r
	return nil
}

// announce puts the key, under a new lease. Where there is one already, it takes
// its place if it is to, and else leaves it.
func (r *registration) announce(ctx context.Context, replace bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, fmt.Errorf("no answer within %v", requestTimeout))
	defer cancel()
	lease, err := r.c.etcd.Grant(ctx, int64(r.c.ttl/time.Second))
	if err != nil {
		return because(ctx, err)
	}
	if err := r.put(ctx, lease.ID, replace); err != nil {
		r.takeBack(ctx, lease.ID)
		return because(ctx, err)
	}
	r.lease = lease.ID
	return nil
}

// put puts the key, and unless it is to replace another, only if there is none.
func (r *registration) put(ctx context.Context, lease clientv3.LeaseID, replace bool) error {
	put := clientv3.OpPut(r.key, r.value, clientv3.WithLease(lease))
	if replace {
		_, err := r.c.etcd.Do(ctx, put)
		return err
	}
	_, err := r.c.etcd.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(r.key), "=", 0)).Then(put).Commit()
	return err
}

// takeBack revokes a lease, and with it what may hang on it without our
// knowing. It does so once, since the lease runs out anyhow.
func (r *registration) takeBack(ctx context.Context, lease clientv3.LeaseID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_, _ = r.c.etcd.Revoke(ctx, lease)
}

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

// rejected reports whether the cluster does not want a request, so that there
// is no use in repeating it.
func rejected(err error) bool {
	if errors.Is(err, rpctypes.ErrInvalidAuthToken) || errors.Is(err, rpctypes.ErrAuthOldRevision) {
		return false // what the client does about it takes a moment
	}
	switch code(err) {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition, codes.OutOfRange:
		return true
	}
	return false
}

// explain says what to do about an error where etcd does not.
func explain(err error) error {
	switch {
	case code(err) == codes.PermissionDenied:
		return fmt.Errorf("%w: the role needs to read keys with the service's prefix, and to write them to announce", err)
	case errors.Is(err, rpctypes.ErrUserEmpty):
		return fmt.Errorf("%w: the client of etcd needs a user and a password, or a certificate", err)
	}
	return err
}

func code(err error) codes.Code {
	if e, ok := errors.AsType[rpctypes.EtcdError](err); ok {
		return e.Code()
	}
	if s, ok := status.FromError(err); ok {
		return s.Code()
	}
	return codes.Unknown
}
