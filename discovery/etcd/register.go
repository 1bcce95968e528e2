package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/retry"
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
		err = r.start(ctx)
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

	ctx    context.Context // done when it is to be kept announced no more
	cancel context.CancelFunc
	done   chan struct{} // closed when it is not
	once   sync.Once
	result error // of Close

	lease clientv3.LeaseID // that holds the key; 0: none. Of start, then of keep, then of Close
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
	delays := retry.New(r.c.ttl / 3)
	for {
		err := r.announce(bound)
		if err == nil {
			break
		}
		if bound.Err() == nil && !rejected(err) && retry.Sleep(bound, delays.Delay()) {
			continue
		}
		if bound.Err() != nil {
			err = fmt.Errorf("%w; %v", context.Cause(bound), err)
		}
		r.cancel()
		return err
	}
	r.c.mu.Lock()
	if r.c.closed() {
		r.c.mu.Unlock()
		r.cancel()
		r.takeBack(ctx, r.lease)
		return ErrClosed
	}
	old := r.c.owners[r.key]
	r.c.owners[r.key] = r
	r.c.tasks.Go(r.keep) // stopped by Close of it or of the client, which wait for it
	r.c.mu.Unlock()
	if old != nil { // it must not take its place back
		old.cancel()
		<-old.done
	}
	return nil
}

// announce puts the key, under a new lease.
func (r *registration) announce(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, fmt.Errorf("no answer within %v", requestTimeout))
	defer cancel()
	lease, err := r.c.etcd.Grant(ctx, int64(r.c.ttl/time.Second))
	if err != nil {
		return because(ctx, err)
	}
	if _, err := r.c.etcd.Put(ctx, r.key, r.value, clientv3.WithLease(lease.ID)); err != nil {
		r.takeBack(ctx, lease.ID)
		return because(ctx, err)
	}
	r.lease = lease.ID
	return nil
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
	if _, err := r.c.etcd.KeepAliveOnce(bound, r.lease); err != nil {
		if !errors.Is(err, rpctypes.ErrLeaseNotFound) {
			return false, because(bound, err)
		}
		return true, r.announce(ctx)
	}
	found, err := r.c.etcd.Get(bound, r.key, clientv3.WithCountOnly())
	if err != nil {
		return false, because(bound, err)
	}
	if found.Count > 0 {
		return false, nil
	}
	_, err = r.c.etcd.Put(bound, r.key, r.value, clientv3.WithLease(r.lease))
	return true, because(bound, err)
}

// Close implements [discovery.Registration]: it revokes the lease. A copy whose
// place another has taken hangs on that one's lease, and stays.
func (r *registration) Close(ctx context.Context) error {
	r.once.Do(func() {
		r.cancel()
		<-r.done
		r.c.mu.Lock()
		if r.c.owners[r.key] == r {
			delete(r.c.owners, r.key)
		}
		r.c.mu.Unlock()
		if err := r.withdraw(ctx); err != nil {
			r.result = fmt.Errorf("etcd: withdraw %q: %w", r.service, explain(err))
		}
	})
	return r.result
}

// withdraw revokes the lease, again and again until it works, ctx is done or
// the lease must have run out.
func (r *registration) withdraw(ctx context.Context) error {
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
	switch code(err) {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition, codes.OutOfRange:
		return true
	}
	return false
}

// explain says what to do about an error where etcd does not.
func explain(err error) error {
	switch code(err) {
	case codes.PermissionDenied:
		return fmt.Errorf("%w: the role needs to read keys with the service's prefix, and to write them to announce", err)
	case codes.Unauthenticated:
		return fmt.Errorf("%w: user or password of the client is not what the cluster has", err)
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
