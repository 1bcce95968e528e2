package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/life"
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
	bound, cancel := life.Within(ctx, r.ctx)
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
