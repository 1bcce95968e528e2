package eureka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
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
	want   atomic.Pointer[Status]

	once   sync.Once
	result error // of Close

	// Of whoever has the turn:
	in    wire.Instance // as last announced, or to be
	said  Status        // what the servers have been told; empty if that is unclear
	held  bool          // they may hold an override that says OUT_OF_SERVICE
	dirty bool          // they do not know in, or not know it any more
	told  []*server     // who has been sent an announcement and may have accepted it
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
	if err := r.enterLast(ctx); err != nil {
		r.cancel(ErrClosed)
		<-r.done
		return err
	}
	defer r.line.exit()
	if r.over {
		return nil
	}
	// Who comes next must find the line while the withdrawal is under way.
	defer r.c.release(r.key)
	r.end()
	<-r.done
	r.line.owner = nil
	ctx, cancel := context.WithTimeoutCause(ctx, r.c.lease, errors.New("its lease must have run out"))
	defer cancel()
	err := r.persist(ctx, r.cancelLease)
	if r.c.closed() {
		r.c.closeIdle()
	}
	return err
}

// enterLast waits for the turn, and breaks off what is said at the moment if
// it takes too long. It could not be known otherwise what comes last.
func (r *Registration) enterLast(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok {
		half, cancel := context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
		if r.line.enter(half) == nil {
			return nil
		}
		r.cancel(ErrClosed)
	}
	return r.line.enter(ctx)
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
	if err := r.line.enter(ctx); err != nil {
		return err
	}
	defer r.line.exit()
	if r.over {
		return ErrClosed
	}
	return r.tell(ctx)
}

// tell brings the servers in line with what is wanted, or renews the lease if
// they are. Called with the turn.
func (r *Registration) tell(ctx context.Context) error {
	want := *r.want.Load()
	if !r.dirty && r.said == want {
		known, err := r.renew(ctx)
		if known || err != nil {
			return err
		}
		r.c.log.Info("copy was forgotten, and is announced again", "service", r.service, "id", r.key.id)
		r.touch()
		r.dirty = true
	}
	if want == OutOfService && !r.dirty {
		r.said, r.held = "", true
		known, err := r.override(ctx)
		if err != nil {
			return err
		}
		if known {
			r.said = want
			return nil
		}
		r.touch()
		r.dirty = true
	}
	if want != OutOfService && r.held {
		if err := r.removeOverride(ctx, want); err != nil {
			return err
		}
		r.said, r.held = "", false
	}
	if want != OutOfService && !r.dirty {
		r.touch()
		r.dirty = true
	}
	return r.announce(ctx, want)
}

// touch makes the announcement newer than all before.
func (r *Registration) touch() {
	r.in.LastDirty = max(time.Now().UnixMilli(), r.in.LastDirty+1)
}

// announce registers the copy. The status OUT_OF_SERVICE would be ignored, but
// not an override that says so.
func (r *Registration) announce(ctx context.Context, want Status) error {
	r.in.OverriddenStatus = wire.Unknown
	if want == OutOfService {
		r.in.OverriddenStatus, r.held = wire.OutOfService, true
	} else {
		r.in.Status = wire.Status(want)
	}
	body, err := wire.MarshalInstance(r.in, wire.JSON)
	if err != nil {
		return err
	}
	err = r.c.writes.try(ctx, func(ctx context.Context, s *server) error {
		a, err := r.c.exchange(ctx, s, request{method: http.MethodPost, path: "/apps/" + url.PathEscape(r.key.app), body: body})
		if err == nil && a.code/100 != 2 {
			err = statusError(s, a)
		}
		if mayHaveWorked(err) && !slices.Contains(r.told, s) {
			r.told = append(r.told, s)
		}
		return err
	})
	if err == nil {
		r.said, r.dirty = want, false
	}
	return err
}

// mayHaveWorked reports whether a request that ended with err may have been
// carried out.
func mayHaveWorked(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return false
	}
	return err == nil || !rejected(err)
}

// renew sends a heartbeat. It reports false if the server does not know the
// copy, or not as last announced.
func (r *Registration) renew(ctx context.Context) (known bool, err error) {
	query := r.dirtyQuery()
	query.Set("status", string(r.said))
	return r.change(ctx, http.MethodPut, "", query)
}

// override sets the status OUT_OF_SERVICE, which a registration cannot.
func (r *Registration) override(ctx context.Context) (known bool, err error) {
	query := r.dirtyQuery()
	query.Set("value", string(OutOfService))
	return r.change(ctx, http.MethodPut, "/status", query)
}

// removeOverride gives the copy back the status that registrations say.
func (r *Registration) removeOverride(ctx context.Context, want Status) error {
	query := r.dirtyQuery()
	query.Set("value", string(want))
	_, err := r.change(ctx, http.MethodDelete, "/status", query)
	return err
}

// cancelLease withdraws the copy.
func (r *Registration) cancelLease(ctx context.Context) error {
	_, err := r.change(ctx, http.MethodDelete, "", nil)
	return err
}

// change makes a request about the copy. It reports false if the server does
// not know it.
func (r *Registration) change(ctx context.Context, method, resource string, query url.Values) (known bool, err error) {
	err = r.c.writes.try(ctx, func(ctx context.Context, s *server) error {
		a, err := r.c.exchange(ctx, s, request{method: method, path: r.path() + resource, query: query})
		if err != nil {
			return err
		}
		known = a.code/100 == 2
		if !known && a.code != http.StatusNotFound {
			return statusError(s, a)
		}
		return nil
	})
	return known, err
}

func (r *Registration) path() string {
	return "/apps/" + url.PathEscape(r.key.app) + "/" + url.PathEscape(r.key.id)
}

func (r *Registration) dirtyQuery() url.Values {
	return url.Values{"lastDirtyTimestamp": {strconv.FormatInt(r.in.LastDirty, 10)}}
}
