package eureka

import (
	"context"
	"fmt"
)

// A Status is what a copy is announced as. Only copies that are Up get calls.
type Status string

// The statuses that a copy can be given.
const (
	Up           Status = "UP"             // takes calls
	Down         Status = "DOWN"           // is not well
	Starting     Status = "STARTING"       // will take calls soon
	OutOfService Status = "OUT_OF_SERVICE" // is well, and wants no calls
)

// SetStatus changes the status of the copy, and waits until a server has
// accepted that or ctx is done. It retries while none can be reached; a
// rejection is an error at once. Whatever it returns, the status is wanted
// from now on: heartbeats keep trying, and a server that has forgotten the copy
// is told its last wanted status. After Close, SetStatus returns [ErrClosed].
//
// Up, Down and Starting are announced like a new registration. OutOfService
// is set in the way in which operators override a status, because servers
// ignore it in registrations, and the override is removed when the copy leaves
// OutOfService.
func (r *Registration) SetStatus(ctx context.Context, status Status) error {
	switch status {
	case Up, Down, Starting, OutOfService:
	default:
		return fmt.Errorf("eureka: %q is no status that can be set", string(status))
	}
	if r.ctx.Err() != nil {
		return ErrClosed
	}
	r.want.Store(&status)
	bound, cancel := within(ctx, r.ctx)
	defer cancel()
	err := r.persist(bound, r.speak)
	if err != nil && r.ctx.Err() != nil {
		return ErrClosed
	}
	if err != nil {
		return fmt.Errorf("eureka: status of %q: %w", r.service, err)
	}
	return nil
}
