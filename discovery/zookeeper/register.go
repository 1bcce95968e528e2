package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/retry"
)

// checkInterval is how often it is looked whether a copy is still there.
const checkInterval = 10 * time.Second

// Register announces a copy of a service: an ephemeral node. When the session
// was lost, or the node has been deleted, it is made again.
//
// An empty ID becomes in.Addr; an ID must not have a slash. Zone, weight and
// priority travel as metadata of these names, and so does the scheme.
//
// See [discovery.Registrar] for the contract.
func (c *Client) Register(ctx context.Context, service string, in discovery.Instance) (discovery.Registration, error) {
	if err := c.usable(); err != nil {
		return nil, err
	}
	r, err := c.newRegistration(service, in)
	if err == nil {
		err = r.start(ctx)
	}
	if err != nil {
		if c.closed() {
			return nil, ErrClosed
		}
		return nil, fmt.Errorf("zookeeper: register %q: %w", service, err)
	}
	return r, nil
}

// A registration is one announced copy.
type registration struct {
	c       *Client
	service string
	parent  string
	path    string
	data    []byte

	ctx    context.Context // done when it is to be kept announced no more
	cancel context.CancelFunc
	done   chan struct{} // closed when it is not
	once   sync.Once
	result error // of Close

	session atomic.Int64 // that the node belongs to; 0: none yet
}

var _ discovery.Registration = (*registration)(nil)

func (c *Client) newRegistration(service string, in discovery.Instance) (*registration, error) {
	parent, err := c.path(service)
	if err != nil {
		return nil, err
	}
	if err := in.Validate(); err != nil {
		return nil, err
	}
	if strings.ContainsAny(in.Key(), "/\x00") {
		return nil, fmt.Errorf("ID %q has a slash or a zero byte", in.Key())
	}
	data, err := c.layout.marshal(service, in)
	if err != nil {
		return nil, err
	}
	r := &registration{c: c, service: service, parent: parent, path: parent + "/" + c.layout.name(in.Key()), data: data, done: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(c.ctx)
	return r, nil
}

// start announces the copy and begins to keep it announced.
func (r *registration) start(ctx context.Context) error {
	bound, cancel := within(ctx, r.ctx)
	defer cancel()
	err := r.persist(bound, func() error { return r.announceFor(bound) })
	if err != nil {
		r.cancel()
		if r.session.Load() != 0 || bound.Err() != nil {
			r.takeBack()
		}
		return err
	}
	r.c.mu.Lock()
	if r.c.closed() {
		r.c.mu.Unlock()
		return ErrClosed // and the session has ended, with the node
	}
	old := r.c.owners[r.path]
	r.c.owners[r.path] = r
	r.c.tasks.Go(r.keep) // stopped by Close of it or of the client, which wait for it
	r.c.mu.Unlock()
	if old != nil { // it must not take its place back
		old.cancel()
		<-old.done
	}
	return nil
}

// persist repeats do until it succeeds, the servers reject it, or ctx is done.
// Do must return when the client is closed.
func (r *registration) persist(ctx context.Context, do func() error) error {
	delays := retry.New(r.c.session)
	for {
		err := bounded(ctx, do)
		if err == nil || rejected(err) {
			return err
		}
		if ctx.Err() == nil && r.c.ready(ctx, delays.Delay()) {
			continue
		}
		return fmt.Errorf("%w; %v", context.Cause(ctx), err)
	}
}

// bounded does something that knows no context. It waits no longer than for
// ctx; what is under way ends by itself.
func bounded(ctx context.Context, do func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	result := make(chan error, 1)
	go func() { result <- do() }()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// announce makes the node, and those above it. Where there is one already, of
// another session, it takes its place if it is to, and else leaves it.
func (r *registration) announce(replace bool) error {
	conn, err := r.c.trusted()
	if err != nil {
		return err
	}
	for {
		_, err := conn.Create(r.path, r.data, zk.FlagEphemeral, r.c.acl)
		switch {
		case err == nil:
			r.session.Store(conn.SessionID())
			return nil
		case errors.Is(err, zk.ErrNoNode):
			if err := r.makeParents(conn); err != nil {
				return err
			}
		case errors.Is(err, zk.ErrNodeExists) && replace:
			// One of an earlier session, which may not have ended yet; or ours,
			// of which we were not told.
			_, err := conn.Multi(
				&zk.DeleteRequest{Path: r.path, Version: -1},
				&zk.CreateRequest{Path: r.path, Data: r.data, Acl: r.c.acl, Flags: zk.FlagEphemeral},
			)
			if errors.Is(err, zk.ErrNoNode) { // it has gone by itself
				continue
			}
			if err == nil {
				r.session.Store(conn.SessionID())
			}
			return err
		default:
			return err
		}
	}
}

// announceFor announces the copy for someone who may have gone when it is done.
func (r *registration) announceFor(ctx context.Context) error {
	err := r.announce(true)
	if err == nil && ctx.Err() != nil {
		r.takeBack()
		return context.Cause(ctx)
	}
	return err
}

func (r *registration) makeParents(conn *zk.Conn) error {
	for i := 1; i <= len(r.parent); i++ {
		if i < len(r.parent) && r.parent[i] != '/' {
			continue
		}
		_, err := conn.Create(r.parent[:i], nil, 0, r.c.acl)
		if err != nil && !errors.Is(err, zk.ErrNodeExists) {
			return err
		}
	}
	return nil
}

// takeBack deletes, once, what may have been made without our knowing. If that
// is too late, the node goes with the session.
func (r *registration) takeBack() {
	r.c.mu.Lock()
	conn, taken := r.c.conn, r.c.owners[r.path] != nil
	r.c.mu.Unlock()
	if conn == nil || taken {
		return
	}
	ctx, cancel := context.WithTimeout(r.c.ctx, 2*time.Second)
	defer cancel()
	_ = bounded(ctx, func() error { return r.remove(conn) })
}

// remove deletes the node if it belongs to the session.
func (r *registration) remove(conn *zk.Conn) error {
	exists, stat, err := conn.Exists(r.path)
	if err != nil || !exists || stat.EphemeralOwner != conn.SessionID() {
		return err
	}
	err = conn.Delete(r.path, stat.Version)
	if errors.Is(err, zk.ErrNoNode) || errors.Is(err, zk.ErrBadVersion) {
		return nil
	}
	return err
}

// keep looks after the node until the registration ends: whenever there is a
// connection again, and every now and then.
func (r *registration) keep() {
	defer close(r.done)
	log := r.c.log.With("service", r.service, "path", r.path)
	failing := false
	for {
		st := r.c.now()
		wait := time.NewTimer(retry.Jitter(checkInterval))
		select {
		case <-r.ctx.Done():
			wait.Stop()
			return
		case <-st.changed:
		case <-wait.C:
		}
		wait.Stop()
		if !r.c.now().connected {
			continue
		}
		again, err := r.check() // not abandoned: nothing may be made after Close
		if r.ctx.Err() != nil {
			return
		}
		switch {
		case err != nil && !failing:
			log.Warn("copy cannot be kept announced", "error", err)
		case err == nil && failing:
			log.Info("copy is kept announced again")
		}
		if err == nil && again {
			log.Info("copy was forgotten, and is announced again")
		}
		failing = err != nil
	}
}

// check looks for the node, and makes it again if it has gone, or belongs to an
// earlier session of ours. It reports whether it had to.
func (r *registration) check() (again bool, err error) {
	conn, err := r.c.trusted()
	if err != nil {
		return false, err
	}
	exists, stat, err := conn.Exists(r.path)
	switch {
	case err != nil:
		return false, err
	case !exists:
		return true, r.announce(false)
	case stat.EphemeralOwner == r.session.Load() && stat.EphemeralOwner != conn.SessionID():
		return true, r.announce(true) // it will go with that session
	}
	return false, nil // there, be it another's that has taken its place
}

// Close implements [discovery.Registration]: it deletes the node, unless it
// belongs to another session or another registration by now.
func (r *registration) Close(ctx context.Context) error {
	r.once.Do(func() {
		r.cancel()
		select {
		case <-r.done:
		case <-ctx.Done():
			r.result = fmt.Errorf("zookeeper: withdraw %q: %w", r.service, context.Cause(ctx))
			return
		}
		r.c.mu.Lock()
		owner := r.c.owners[r.path] == r
		conn := r.c.conn
		r.c.mu.Unlock()
		if !owner || r.c.closed() { // with the client, the session has ended
			return
		}
		ctx, cancel := context.WithTimeoutCause(ctx, 2*r.c.session, errors.New("the session must have ended"))
		defer cancel()
		if err := r.persist(ctx, func() error { return r.remove(conn) }); err != nil {
			r.result = fmt.Errorf("zookeeper: withdraw %q: %w", r.service, err)
		}
		r.c.mu.Lock()
		if r.c.owners[r.path] == r {
			delete(r.c.owners, r.path)
		}
		r.c.mu.Unlock()
	})
	return r.result
}

// rejected reports whether the servers do not want a request, so that there is
// no use in repeating it.
func rejected(err error) bool {
	for _, e := range []error{zk.ErrNoAuth, zk.ErrAuthFailed, zk.ErrInvalidACL, zk.ErrNoChildrenForEphemerals, zk.ErrInvalidPath, ErrClosed} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
