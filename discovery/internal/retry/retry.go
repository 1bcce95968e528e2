// Package retry paces what asks a registry again: after failures, and
// regularly.
package retry

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// first is the limit of the first delay after a failure.
const first = time.Second

// A Schedule is the delays after failures: random between zero and a limit
// that doubles from 1 s up to a ceiling, which is known as full jitter
// (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
// It is for one goroutine.
type Schedule struct {
	limits  *backoff.ExponentialBackOff
	ceiling time.Duration
}

// New returns a schedule. A randomization factor of 1 draws from zero to twice
// the current interval, so that the intervals are half the limits.
func New(ceiling time.Duration) *Schedule {
	return &Schedule{ceiling: ceiling, limits: backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(min(first, ceiling)/2),
		backoff.WithMaxInterval(ceiling/2),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(1),
		backoff.WithMaxElapsedTime(0),
	)}
}

// Delay returns the next delay.
func (s *Schedule) Delay() time.Duration {
	d := s.limits.NextBackOff()
	if d == backoff.Stop { // which must not become a tight loop
		return s.ceiling
	}
	return d
}

// Reset begins the schedule anew.
func (s *Schedule) Reset() { s.limits.Reset() }

// Jitter returns a random duration within a tenth of d, so that many processes
// do not ask in step.
func Jitter(d time.Duration) time.Duration { return d - d/10 + rand.N(d/5+1) }

// Sleep waits for d, and reports whether ctx is still alive.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// Spread returns a random duration within half of d, so that what has begun at
// once does not go on so.
func Spread(d time.Duration) time.Duration { return d/2 + rand.N(d+1) }
