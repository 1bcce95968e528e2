package resilience

import (
	"context"
	"math"
	"time"
)

const defaultMaxWait = 100 * time.Millisecond

// A RateLimitConfig says how many calls a [RateLimit] lets through.
type RateLimitConfig struct {
	// PerSecond is the number of calls per second, in the long run. There is
	// no default: 0, or a negative number, means any number. At most
	// 1 million.
	PerSecond float64

	// Burst is the number of calls that may be made at once after a silence.
	// Default: as many as a tenth of a second earns, rounded up; at least 1.
	Burst int

	// MaxWait is the longest that a call waits for its turn. Hence no more
	// than PerSecond · MaxWait calls wait at a time. Default 100 ms. Negative:
	// no call waits.
	MaxWait time.Duration
}

func (c RateLimitConfig) normal() RateLimitConfig {
	c.PerSecond = normalRate(c.PerSecond, 0, 1e6)
	if c.Burst <= 0 {
		c.Burst = int(math.Ceil(c.PerSecond / 10))
	}
	c.Burst = max(c.Burst, 1)
	c.MaxWait = normalDelay(c.MaxWait, defaultMaxWait)
	return c
}

// A RateLimit bounds the number of calls per second, where a contract or a
// quota says so: a token bucket that lets calls through at an even pace after
// a first burst, in the order in which they come. Against overload a [Limit]
// is better: how many calls a second a service can take depends on the calls
// and on its day, how many at a time hardly does.
//
// In any stretch of time there are at most Burst + PerSecond · time calls.
//
// It counts the calls of this process only; where several share a quota, each
// gets its part. All methods may be called concurrently, and take no lock.
// They allocate nothing unless a call has to wait.
type RateLimit struct {
	perCall int64 // ns; 0: no limit
	maxWait int64 // ns
	started time.Time
	bucket  bucket
}

// NewRateLimit returns a rate limit with a full burst.
func NewRateLimit(cfg RateLimitConfig) *RateLimit {
	cfg = cfg.normal()
	r := &RateLimit{maxWait: int64(cfg.MaxWait), started: time.Now()}
	if cfg.PerSecond > 0 {
		// Rounded up, so that there are never more; and beyond a century per
		// call, one is enough.
		const century = 100 * 365 * 24 * float64(time.Hour)
		r.perCall = int64(math.Ceil(min(float64(time.Second)/cfg.PerSecond, century)))
		r.bucket.depth = r.perCall * min(int64(cfg.Burst), math.MaxInt64/4/r.perCall)
		r.bucket.fill(0)
	}
	return r
}

// Wait returns nil when it is the call's turn. It returns [ErrRateLimited], at
// once, if that would take longer than MaxWait or until the context's deadline
// or beyond; and the context's error if that ends while it waits. A call whose
// turn has come does not look at the context.
func (r *RateLimit) Wait(ctx context.Context) error {
	if r.perCall == 0 {
		return nil
	}
	now := int64(time.Since(r.started))
	if _, ok := r.bucket.take(now, r.perCall, 0); ok {
		return nil
	}
	patience := r.maxWait
	if deadline, ok := ctx.Deadline(); ok {
		patience = min(patience, int64(time.Until(deadline))-1)
	}
	wait, ok := r.bucket.take(now, r.perCall, max(patience, 0))
	if !ok {
		return ErrRateLimited
	}
	timer := time.NewTimer(time.Duration(wait))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		r.bucket.giveBack(now+wait, r.perCall)
		return ctx.Err()
	}
}
