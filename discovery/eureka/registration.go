package eureka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// A Registration is one announced copy. [Client.Register] returns it as a
// [discovery.Registration]. Its methods may be called concurrently.
//
// Everything that is said of the copy, heartbeats included, is said one after
// the other, and nothing after Close.
type Registration struct {
	c       *Client
	service string
	key     copyKey
	line    *line

	ctx    context.Context // done when the registration has ended
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when the heartbeats have ended

	// What is wanted, and what is known of it:
	want    atomic.Pointer[Status]
	data    atomic.Pointer[wire.Instance] // without status and timestamp
	ill     atomic.Bool                   // the health check says so
	renewed atomic.Pointer[time.Time]

	once   sync.Once
	result error // of Close

	// Of whoever has the turn:
	in    wire.Instance  // as last announced, or to be
	from  *wire.Instance // what in was made of
	said  Status         // what the servers have been told; empty if that is unclear
	held  bool           // they may hold an override that says OUT_OF_SERVICE
	dirty bool           // they do not know in, or not know it any more
	told  []*server      // who has been sent an announcement and may have accepted it
	over  bool
}

var _ discovery.Registration = (*Registration)(nil)

// Close withdraws the copy, and retries until a server has confirmed it, ctx
// is done, or the lease must have run out. A request under way is waited for,
// for half of the time that ctx leaves. A copy whose place another
// registration has taken is not withdrawn. See [discovery.Registration] for
// the contract.
func (r *Registration) Close(ctx context.Context) error {
	r.once.Do(func() {
		if err := r.withdraw(ctx); err != nil {
			r.result = fmt.Errorf("eureka: withdraw %q: %w", r.service, err)
		}
	})
	return r.result
}

func (r *Registration) withdraw(ctx context.Context) error {
	if err := r.line.EnterLast(ctx, func() { r.cancel(ErrClosed) }); err != nil {
		r.cancel(ErrClosed)
		<-r.done
		return err
	}
	defer r.line.Exit()
	if r.over {
		return nil
	}
	// Who comes next must find the line while the withdrawal is under way.
	defer r.line.Leave()
	r.end()
	<-r.done
	r.line.Owner = nil
	ctx, cancel := context.WithTimeoutCause(ctx, r.c.lease, errors.New("its lease must have run out"))
	defer cancel()
	err := r.persist(ctx, r.cancelLease)
	if r.c.closed() {
		r.c.closeIdle()
	}
	return err
}

// end makes the heartbeats stop. Called with the turn, it makes sure that
// nothing more is said of the copy by this registration.
func (r *Registration) end() {
	r.over = true
	r.cancel(ErrClosed)
}

// beat renews the lease at every interval, until the registration ends.
func (r *Registration) beat() {
	defer close(r.done)
	log := r.c.log.With("service", r.service, "id", r.key.id)
	ticker := time.NewTicker(r.c.renewal)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ticker.C:
		case <-r.ctx.Done():
			return
		}
		ctx, cancel := context.WithTimeout(r.ctx, r.c.renewal)
		r.examine(ctx)
		err := r.speak(ctx)
		cancel()
		if r.ctx.Err() != nil {
			return
		}
		switch {
		case err != nil && !failing:
			log.Warn("heartbeat fails", "error", err)
		case err == nil && failing:
			log.Info("heartbeat works again")
		}
		failing = err != nil
	}
}

// speak waits for the turn and tells a server what there is to tell.
func (r *Registration) speak(ctx context.Context) error {
	if err := r.line.Enter(ctx); err != nil {
		return err
	}
	defer r.line.Exit()
	if r.over {
		return ErrClosed
	}
	return r.tell(ctx)
}

// Renewed returns when a server last accepted an announcement or a heartbeat
// of the copy: for a metric, and for an alarm when it is longer ago than the
// lease lasts.
func (r *Registration) Renewed() time.Time { return *r.renewed.Load() }
