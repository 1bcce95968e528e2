package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/namesake-go/namesake/discovery"
)

const (
	// checkInterval is how often it is looked whether a copy is still there.
	checkInterval = 10 * time.Second

	// takeBackTime is how long Register waits beyond its context for what has
	// been made to be deleted.
	takeBackTime = time.Second
)

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
	r := &registration{
		c: c, service: service, parent: parent, path: parent + "/" + c.layout.name(in.Key()), data: data,
		started: make(chan error, 1), done: make(chan struct{}),
	}
	r.ctx, r.cancel = context.WithCancelCause(c.ctx)
	return r, nil
}

// start announces the copy, and returns when it is announced or ctx is done.
// Requests know no context: what is under way then goes on by itself, and is
// taken back.
func (r *registration) start(ctx context.Context) error {
	if ctx.Err() != nil {
		r.cancel(nil)
		return context.Cause(ctx)
	}
	r.line = r.c.lines.Join(r.path)
	if !r.c.spawn(r.run) { // stopped by Close of it or of the client, which wait for it
		r.line.Leave()
		r.cancel(ErrClosed)
		return ErrClosed
	}
	select {
	case err := <-r.started:
		return err
	case <-ctx.Done():
	}
	r.cancel(context.Cause(ctx))
	select { // usually it is taken back at once
	case <-r.done:
	case <-time.After(takeBackTime):
	}
	if trouble := r.trouble.Load(); trouble != nil {
		return fmt.Errorf("%w; %v", context.Cause(ctx), *trouble)
	}
	return context.Cause(ctx)
}

// announce makes the node, and those above it. Where there is one already, it
// takes its place if it is to, and else leaves it.
func (r *registration) announce(replace bool) error {
	conn, err := r.c.trusted()
	if err != nil {
		return err
	}
	for {
		_, err := conn.Create(r.path, r.data, zk.FlagEphemeral, r.c.acl)
		switch {
		case errors.Is(err, zk.ErrNoNode):
			if err := r.makeParents(conn); err != nil {
				return err
			}
			continue
		case errors.Is(err, zk.ErrNodeExists) && !replace:
			return nil // another has taken the place
		case errors.Is(err, zk.ErrNodeExists):
			// One of an earlier session, which may not have ended yet; or ours,
			// of which we were not told.
			_, err = conn.Multi(
				&zk.DeleteRequest{Path: r.path, Version: -1},
				&zk.CreateRequest{Path: r.path, Data: r.data, Acl: r.c.acl, Flags: zk.FlagEphemeral},
			)
			if errors.Is(err, zk.ErrNoNode) { // it has gone by itself
				continue
			}
		}
		if !rejected(err) {
			r.told = true
		}
		if err == nil {
			r.session = conn.SessionID()
		}
		return err
	}
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

// remove deletes the node if it belongs to the session.
func (r *registration) remove() error {
	conn, err := r.c.trusted()
	if err != nil {
		return err
	}
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
	case stat.EphemeralOwner == conn.SessionID():
		r.session = stat.EphemeralOwner
	case stat.EphemeralOwner == r.session:
		return true, r.announce(true) // it will go with that session
	}
	return false, nil // there, be it another's that has taken its place
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
