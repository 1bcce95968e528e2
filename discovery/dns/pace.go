package dns

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v4"
)

const (
	firstRetry = time.Second
	maxRetry   = 30 * time.Second
)

// delay returns how long to wait for the next lookup: until an answer has
// expired, and up to a tenth longer, so that many processes do not ask in
// step, and none asks a cache that still holds the old answer.
func (c *config) delay(until time.Time) time.Duration {
	d := min(max(time.Until(until), c.minInterval), c.maxInterval)
	return d + rand.N(d/10+1)
}

// lifetime returns how long an answer is used that may be used for ttl.
func (c *config) lifetime(ttl uint32) time.Duration {
	if ttl > 1<<31-1 { // RFC 2181, 8: the sign counts as zero
		ttl = 0
	}
	return min(max(time.Duration(ttl)*time.Second, c.minInterval), c.maxInterval)
}

// A retry draws the waits after failures: at random between zero and a limit
// that doubles from 1 s to 30 s.
type retry struct{ schedule *backoff.ExponentialBackOff }

// newRetry returns one whose limit does not pass longest either. A
// randomization factor of 1 draws from zero to twice the current interval, so
// that the intervals are half the limits.
func newRetry(longest time.Duration) retry {
	return retry{backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(min(firstRetry, longest)/2),
		backoff.WithMaxInterval(min(maxRetry, longest)/2),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(1),
		backoff.WithMaxElapsedTime(0),
	)}
}

func (r retry) next() time.Duration {
	d := r.schedule.NextBackOff()
	if d == backoff.Stop { // which must not become a tight loop
		return maxRetry
	}
	return d
}

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
