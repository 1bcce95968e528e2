package eureka

import (
	"context"
	"fmt"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/life"
)

// Update changes what is announced of the copy, such as its weight or its
// metadata, to in, and waits until a server has accepted that or ctx is done.
// In has to be complete; its ID is the copy's or empty. The status stays.
//
// Like [Registration.SetStatus], Update retries while no server can be reached,
// and after an error heartbeats keep trying, except after a rejection: then
// what was announced before stands. After Close, Update returns [ErrClosed].
func (r *Registration) Update(ctx context.Context, in discovery.Instance) error {
	if in.ID == "" {
		in.ID = r.key.id
	}
	w, err := r.c.describe(r.service, in)
	if err == nil && in.ID != r.key.id {
		err = fmt.Errorf("an id cannot change, from %q to %q", r.key.id, in.ID)
	}
	if err != nil {
		return fmt.Errorf("eureka: update %q: %w", r.service, err)
	}
	if r.ctx.Err() != nil {
		return ErrClosed
	}
	before := r.data.Swap(&w)
	bound, cancel := life.Within(ctx, r.ctx)
	defer cancel()
	err = r.persist(bound, r.speak)
	if rejected(err) {
		r.data.CompareAndSwap(&w, before)
	}
	return r.settled(err, "update")
}
