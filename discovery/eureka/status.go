package eureka

import (
	"context"
	"fmt"
	"net/http"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
	"github.com/namesake-go/namesake/discovery/internal/life"
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

// settable reports why a copy cannot be given a status.
func settable(status Status) error {
	switch status {
	case Up, Down, Starting, OutOfService:
		return nil
	default:
		return fmt.Errorf("%q is no status that can be set", string(status))
	}
}

// SetStatus changes the status of the copy, and waits until a server has
// accepted that or ctx is done. It retries while none can be reached; a
// rejection is an error at once. Whatever it returns, the status is wanted
// from now on: heartbeats keep trying, and a server that has forgotten the copy
// is told its last wanted status. After Close, SetStatus returns [ErrClosed].
//
// Up, Down and Starting are announced like a new registration. OutOfService
// is set in the way in which operators override a status, because servers
// ignore it in registrations, and the override is removed when the copy leaves
// OutOfService. An override by somebody else stands: see
// [Registration.RemoteStatus].
//
// With a [WithHealthCheck], a copy that is wanted Up is announced as Up or Down
// as the check says.
func (r *Registration) SetStatus(ctx context.Context, status Status) error {
	if err := settable(status); err != nil {
		return fmt.Errorf("eureka: %w", err)
	}
	if r.ctx.Err() != nil {
		return ErrClosed
	}
	r.want.Store(&status)
	bound, cancel := life.Within(ctx, r.ctx)
	defer cancel()
	r.examine(bound)
	return r.settled(r.persist(bound, r.speak), "status of")
}

// settled returns what to say of a change that ended with err.
func (r *Registration) settled(err error, what string) error {
	switch {
	case err == nil:
		return nil
	case r.ctx.Err() != nil:
		return ErrClosed
	default:
		return fmt.Errorf("eureka: %s %q: %w", what, r.service, err)
	}
}

// RemoteStatus asks the servers which status the copy has: what others see.
// It differs from the status that has been set when an operator has overridden
// it, and for as long as servers have not told each other. It is empty if the
// server that answers does not know the copy. RemoteStatus does not repeat
// what fails, and works after Close as well.
func (r *Registration) RemoteStatus(ctx context.Context) (Status, error) {
	var status Status
	err := r.c.usable()
	if err != nil {
		return "", err
	}
	bound, cancel := life.Within(ctx, r.c.ctx)
	defer cancel()
	err = r.c.reads.try(bound, func(ctx context.Context, s *server) error {
		status = ""
		a, err := r.c.exchange(ctx, s, request{method: http.MethodGet, path: r.path(), read: true})
		if err != nil {
			return err
		}
		switch a.code {
		case http.StatusOK:
			in, err := wire.UnmarshalInstance(a.body, wire.JSON)
			if err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
			status = Status(in.Status)
			return nil
		case http.StatusNotFound:
			return nil
		default:
			return statusError(s, a)
		}
	})
	if err != nil {
		return "", fmt.Errorf("eureka: remote status of %q: %w", r.service, err)
	}
	return status, nil
}
