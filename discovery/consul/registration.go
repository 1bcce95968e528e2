package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/retry"
	"github.com/namesake-go/namesake/discovery/internal/turn"
)

// A registration is one announced copy. Everything that is said of it is said
// one after the other, and nothing after Close.
type registration struct {
	c       *Client
	service string
	id      string
	body    []byte // the definition
	line    *turn.Line[string, registration]

	ctx    context.Context // done when the registration has ended
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when it is not kept announced any more

	once   sync.Once
	result error // of Close

	// Of whoever has the turn:
	told     bool // the agent may have heard of it
	replaced bool // the agent may have been told of another in its place, in vain
	over     bool
}

var _ discovery.Registration = (*registration)(nil)

// Close implements [discovery.Registration]. A copy whose place another
// registration has taken is not withdrawn.
func (r *registration) Close(ctx context.Context) error {
	r.once.Do(func() {
		if err := r.withdraw(ctx); err != nil {
			r.result = fmt.Errorf("consul: withdraw %q: %w", r.service, err)
		}
	})
	return r.result
}

func (r *registration) withdraw(ctx context.Context) error {
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
	ctx, cancel := context.WithTimeoutCause(ctx, r.c.ttl+2*removeAfter, errors.New("the agent must have removed it"))
	defer cancel()
	err := r.persist(ctx, r.deregister)
	if r.c.closed() {
		r.c.closeIdle()
	}
	return err
}

// end makes sure, when called with the turn, that nothing more is said of the
// copy by this registration.
func (r *registration) end() {
	r.over = true
	r.cancel(ErrClosed)
}

// keep gives signs of life until the registration ends.
func (r *registration) keep() {
	defer close(r.done)
	log := r.c.log.With("service", r.service, "id", r.id)
	failing := false
	for retry.Sleep(r.ctx, retry.Jitter(r.c.beat())) {
		ctx, cancel := context.WithTimeout(r.ctx, r.c.ttl)
		err := r.speak(ctx)
		cancel()
		if r.ctx.Err() != nil {
			return
		}
		switch {
		case err != nil && !failing:
			log.Warn("copy cannot be kept announced", "error", err)
		case err == nil && failing:
			log.Info("copy is kept announced again")
		}
		failing = err != nil
	}
}

// speak waits for the turn, and tells the agent that the copy lives, or
// everything if it has forgotten the copy.
func (r *registration) speak(ctx context.Context) error {
	if err := r.line.Enter(ctx); err != nil {
		return err
	}
	defer r.line.Exit()
	if r.over {
		return ErrClosed
	}
	if r.replaced {
		err := r.announce(ctx)
		r.replaced = err != nil
		return err
	}
	err := r.pass(ctx)
	if !forgotten(err) {
		return err
	}
	r.c.log.Info("copy was forgotten, and is announced again", "service", r.service, "id", r.id)
	return r.announce(ctx)
}

// pass gives a sign of life. Where the agent makes the check, it only looks
// whether the agent knows the copy.
func (r *registration) pass(ctx context.Context) error {
	req := request{method: http.MethodPut, path: "/v1/agent/check/pass/" + url.PathEscape("service:"+r.id), query: r.place()}
	if r.c.check != "" {
		req = request{method: http.MethodGet, path: "/v1/agent/service/" + url.PathEscape(r.id), query: r.place()}
	}
	_, err := r.c.exchange(ctx, r.c.agents[0], req)
	return err
}

// forgotten reports whether an agent does not know the copy. Those before
// version 1.11 say so with a 500.
func forgotten(err error) bool {
	e, ok := errors.AsType[*StatusError](err)
	return ok && (e.Code == http.StatusNotFound || e.Code == http.StatusInternalServerError && strings.Contains(e.Text, "TTL"))
}

func (r *registration) deregister(ctx context.Context) error {
	_, err := r.c.exchange(ctx, r.c.agents[0], request{
		method: http.MethodPut, path: "/v1/agent/service/deregister/" + url.PathEscape(r.id), query: r.place(),
	})
	if forgotten(err) {
		return nil
	}
	return err
}
