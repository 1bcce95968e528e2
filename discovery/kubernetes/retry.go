package kubernetes

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// firstRetry is the limit of the first delay after a failure.
const firstRetry = time.Second

// A retry is the schedule of delays after failures: random between zero and a
// limit that doubles from 1 s up to a ceiling, which is known as full jitter
// (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
type retry struct {
	schedule *backoff.ExponentialBackOff
	ceiling  time.Duration
}

// newRetry returns a schedule. A randomization factor of 1 draws from zero to
// twice the current interval, so that the intervals are half the limits.
func newRetry(ceiling time.Duration) retry {
	return retry{ceiling: ceiling, schedule: backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(min(firstRetry, ceiling)/2),
		backoff.WithMaxInterval(ceiling/2),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(1),
		backoff.WithMaxElapsedTime(0),
	)}
}

// delay returns the next delay.
func (r retry) delay() time.Duration {
	d := r.schedule.NextBackOff()
	if d == backoff.Stop { // which must not become a tight loop
		return r.ceiling
	}
	return d
}

// reset begins the schedule anew.
func (r retry) reset() { r.schedule.Reset() }

// sleep waits for d, and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
