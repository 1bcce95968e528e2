// Package retry paces attempts at something that fails, and waits.
package retry

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// first is the limit of the first delay.
const first = time.Second

// A Schedule draws delays after failures: random between zero and a limit that
// doubles from 1 s up to a ceiling, which is known as full jitter
// (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
// It is for one goroutine.
type Schedule struct {
	ceiling time.Duration
	draw    *backoff.ExponentialBackOff
}

// New returns a schedule with a ceiling, which may be below 1 s.
func New(ceiling time.Duration) *Schedule {
	// A randomization factor of 1 draws from zero to twice the current
	// interval, so that the intervals are half the limits.
	return &Schedule{ceiling: ceiling, draw: backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(min(first, ceiling)/2),
		backoff.WithMaxInterval(ceiling/2),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(1),
		backoff.WithMaxElapsedTime(0),
	)}
}

// Delay returns the next delay.
func (s *Schedule) Delay() time.Duration {
	d := s.draw.NextBackOff()
	if d == backoff.Stop { // which must not become a tight loop
		return s.ceiling
	}
	return d
}

// Reset begins the schedule anew.
func (s *Schedule) Reset() { s.draw.Reset() }

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
