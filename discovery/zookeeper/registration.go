package zookeeper

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/retry"
	"github.com/namesake-go/namesake/discovery/internal/turn"
)

// A registration is one announced copy. What is said of the copies of one node
// is said one after the other.
type registration struct {
	c       *Client
	service string
	parent  string
	path    string
	data    []byte
	line    *turn.Line[string, registration]

	ctx     context.Context // done when it is to be kept announced no more
	cancel  context.CancelCauseFunc
	started chan error            // how the announcement went
	trouble atomic.Pointer[error] // why it takes so long
	done    chan struct{}         // closed when all is over, be it taken back or withdrawn
	failure error                 // of withdrawing it; to be read when done

	once   sync.Once
	result error // of Close

	// Of whoever has the turn:
	session int64 // that the node belongs to; 0: none yet
	told    bool  // the servers may have made the node
	over    bool  // another has taken its place
}

var _ discovery.Registration = (*registration)(nil)

// run is the life of a registration: it announces the copy, keeps it announced,
// and withdraws it.
func (r *registration) run() {
	defer close(r.done)
	defer r.line.Leave()
	err := r.begin()
	r.started <- err
	if err != nil {
		return
	}
	r.keep()
	r.failure = r.withdraw()
}

// begin announces the copy.
func (r *registration) begin() error {
	if err := r.line.Enter(r.ctx); err != nil {
		return err
	}
	defer r.line.Exit()
	err := r.persist(r.ctx, func() error { return r.announce(true) })
	if err == nil && r.ctx.Err() != nil {
		err = context.Cause(r.ctx)
	}
	if err != nil {
		r.takeBack()
		return err
	}
	if old := r.line.Owner; old != nil { // it must not take its place back
		old.over = true
		old.cancel(ErrClosed)
	}
	r.line.Owner = r
	return nil
}

// takeBack deletes what may have been made without our knowing, as long as that
// takes, since the session goes on. If the copy was announced before, it is
// announced again as it was.
func (r *registration) takeBack() {
	if !r.told {
		return
	}
	do := r.remove
	if old := r.line.Owner; old != nil {
		do = func() error { return old.announce(true) }
	}
	if err := r.persist(r.c.ctx, do); err != nil && !r.c.closed() {
		r.c.log.Warn("copy cannot be taken back", "service", r.service, "path", r.path, "error", err)
	}
}

// persist repeats do until it succeeds, the servers reject it, or ctx is done.
// Do must return when the client is closed.
func (r *registration) persist(ctx context.Context, do func() error) error {
	delays := retry.New(r.c.session)
	for ctx.Err() == nil {
		before := r.c.now()
		err := do()
		if err == nil || rejected(err) {
			return err
		}
		r.trouble.Store(&err)
		if !r.c.ready(ctx, before, delays.Delay()) {
			return fmt.Errorf("%w; %v", context.Cause(ctx), err)
		}
	}
	return context.Cause(ctx)
}

// keep looks after the node until the registration ends: whenever there is a
// connection again, and every now and then.
func (r *registration) keep() {
	log := r.c.log.With("service", r.service, "path", r.path)
	delays := retry.New(checkInterval)
	failing := false
	for {
		st := r.c.now()
		pause := retry.Jitter(checkInterval)
		if st.connected {
			again, err := r.look()
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
			if failing = err != nil; failing {
				pause = delays.Delay()
			} else {
				delays.Reset()
			}
		}
		timer := time.NewTimer(pause)
		select {
		case <-st.changed:
		case <-timer.C:
		case <-r.ctx.Done():
		}
		timer.Stop()
		if r.ctx.Err() != nil {
			return
		}
	}
}

// look waits for the turn, and checks the node.
func (r *registration) look() (again bool, err error) {
	if err := r.line.Enter(r.ctx); err != nil {
		return false, err
	}
	defer r.line.Exit()
	if r.ctx.Err() != nil {
		return false, context.Cause(r.ctx)
	}
	return r.check()
}

// withdraw deletes the node, unless another has taken its place. It does so for
// as long as it takes, since the session goes on; with the client, the session
// ends.
func (r *registration) withdraw() error {
	if r.line.Enter(r.c.ctx) != nil {
		return nil
	}
	defer r.line.Exit()
	if r.over {
		return nil
	}
	r.line.Owner = nil
	err := r.persist(r.c.ctx, r.remove)
	if r.c.closed() {
		return nil
	}
	return err
}

// Close implements [discovery.Registration]: it has the node deleted, unless it
// belongs to another session or another registration by now. What could not be
// done until ctx was done goes on until the client is closed.
func (r *registration) Close(ctx context.Context) error {
	r.once.Do(func() {
		r.cancel(ErrClosed)
		var err error
		select {
		case <-r.done:
			err = r.failure
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err != nil {
			r.result = fmt.Errorf("zookeeper: withdraw %q: %w", r.service, err)
		}
	})
	return r.result
}
