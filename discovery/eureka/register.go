package eureka

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/life"
	"github.com/namesake-go/namesake/discovery/internal/retry"
)

// Register announces a copy of a service, with the status UP unless
// [WithInitialStatus] or [WithHealthCheck] say otherwise, and keeps it
// announced by heartbeats. What it returns is a *[Registration], which can
// change the status and what is announced.
//
// The application name is the service in upper case, and both virtual
// addresses (VIPs) are the service. The host of in.Addr becomes host name and
// IP address; a name is not looked up, so that whoever calls the copy does.
// The port is the secure port if in.Scheme is "https", and the plain port
// otherwise. Zone, weight and priority travel as metadata of these names. An
// empty ID becomes host:service:port.
//
// A rejection by the first server that answers is an error, with a
// [*StatusError] in it. See [discovery.Registrar] for the contract.
func (c *Client) Register(ctx context.Context, service string, in discovery.Instance) (discovery.Registration, error) {
	if err := c.usable(); err != nil {
		return nil, err
	}
	w, err := c.describe(service, in)
	if err == nil {
		err = settable(c.initial)
	}
	if err != nil {
		return nil, fmt.Errorf("eureka: register %q: %w", service, err)
	}
	r := &Registration{c: c, service: service, key: copyKey{app: w.App, id: w.InstanceID}, in: w, from: &w, dirty: true}
	r.want.Store(&c.initial)
	r.data.Store(&w)
	r.ctx, r.cancel = context.WithCancelCause(c.ctx)
	r.line = c.lines.Join(r.key)
	r.examine(ctx)
	if err := r.start(ctx); err != nil {
		r.cancel(ErrClosed)
		r.line.Leave()
		if c.closed() {
			return nil, ErrClosed
		}
		return nil, fmt.Errorf("eureka: register %q: %w", service, err)
	}
	return r, nil
}

// start announces the copy and begins the heartbeats.
func (r *Registration) start(ctx context.Context) error {
	bound, cancel := life.Within(ctx, r.ctx)
	defer cancel()
	if err := r.line.Enter(bound); err != nil {
		return err
	}
	defer r.line.Exit()

	old := r.line.Owner
	if old != nil {
		r.in.LastDirty = old.in.LastDirty
	}
	r.touch()
	err := r.persist(bound, r.tell)
	if err == nil {
		r.done = make(chan struct{})
		if !r.c.spawn(r.beat) { // stopped by end or the client's Close, which wait for it
			err = ErrClosed
		}
	}
	if err != nil {
		r.takeBack(ctx, old)
		return err
	}
	if old != nil {
		old.end()
		r.line.Leave()
	}
	r.line.Owner = r
	return nil
}

// persist repeats do until it succeeds, a server rejects it, or ctx is done.
// The error then says what kept it from succeeding.
func (r *Registration) persist(ctx context.Context, do func(context.Context) error) error {
	delays := retry.New(r.c.renewal)
	var last error
	for {
		err := do(ctx)
		if err == nil || rejected(err) {
			return err
		}
		if ctx.Err() == nil {
			last = err
			if retry.Sleep(ctx, delays.Delay()) {
				continue
			}
		}
		if last != nil {
			return fmt.Errorf("%w; %v", context.Cause(ctx), last)
		}
		return err
	}
}

// takeBack withdraws what a server may have accepted without our knowing. It
// does so once, since the lease will run out anyhow. If the copy was announced
// before, it is announced again as it was.
func (r *Registration) takeBack(ctx context.Context, old *Registration) {
	if len(r.told) == 0 {
		return
	}
	if old != nil {
		old.in.LastDirty = r.in.LastDirty
		old.touch()
		old.dirty = true
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	for _, s := range r.told {
		_, _ = r.c.exchange(ctx, s, request{method: http.MethodDelete, path: r.path()})
	}
	if r.c.closed() {
		r.c.closeIdle()
	}
}
