package resilience

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"
)

const (
	defaultAttempts      = 3
	defaultBaseDelay     = 25 * time.Millisecond
	defaultMaxDelay      = 250 * time.Millisecond
	defaultMaxRetryAfter = 10 * time.Second
)

// A RetryConfig says how often and when a call is tried again.
type RetryConfig struct {
	// Attempts is the number of attempts of a call, the first included.
	// Default 3. With 1, or a negative number, nothing is retried.
	Attempts int

	// BaseDelay bounds the first wait: it is random between 0 and BaseDelay,
	// and the bound doubles with each wait. Default 25 ms. Negative: no waits
	// but those that a server asks for.
	BaseDelay time.Duration

	// MaxDelay is what the bound grows to. Default 250 ms. Negative: as for
	// BaseDelay.
	MaxDelay time.Duration

	// MaxRetryAfter is the longest wait that a server may ask for. If it asks
	// for more, the call ends, because coming back sooner than asked would
	// only add to the server's trouble. Default 10 s. Negative: a server that
	// asks for any wait gets no further attempt.
	MaxRetryAfter time.Duration
}

func (c RetryConfig) normal() RetryConfig {
	if c.Attempts == 0 {
		c.Attempts = defaultAttempts
	}
	c.BaseDelay = normalDelay(c.BaseDelay, defaultBaseDelay)
	c.MaxDelay = normalDelay(c.MaxDelay, defaultMaxDelay)
	c.MaxRetryAfter = normalDelay(c.MaxRetryAfter, defaultMaxRetryAfter)
	return c
}

// normalDelay replaces 0 by the default, a negative duration by 0, and keeps
// clear of what would overflow with jitter.
func normalDelay(d, byDefault time.Duration) time.Duration {
	if d == 0 {
		return byDefault
	}
	return min(max(d, 0), math.MaxInt64/2)
}

// A Retry decides whether and when the calls of a service are tried again. It
// is immutable and may be used concurrently.
type Retry struct {
	cfg     RetryConfig
	budgets []*Budget
}

// NewRetry returns a Retry that pays with a token of each budget, which others
// may share. Without a budget, or with nil, only the number of attempts limits
// retries; read the package's documentation before doing that.
func NewRetry(cfg RetryConfig, budgets ...*Budget) *Retry {
	budgets = slices.DeleteFunc(slices.Clone(budgets), func(b *Budget) bool { return b == nil })
	return &Retry{cfg: cfg.normal(), budgets: budgets}
}

// Start begins a call with its first attempt, and deposits for it in the
// budget. It does not allocate.
func (r *Retry) Start() Attempts { return r.StartAt(Now()) }

// StartAt is Start for who knows what [Now] has just said.
func (r *Retry) StartAt(now time.Duration) Attempts {
	for _, b := range r.budgets {
		b.depositAt(now)
	}
	return Attempts{retry: r, number: 1}
}

// withdraw takes a token from each budget, or from none.
func (r *Retry) withdraw() bool {
	for i, b := range r.budgets {
		if b.Withdraw() {
			continue
		}
		for _, paid := range r.budgets[:i] {
			paid.giveBack()
		}
		return false
	}
	return true
}

// Attempts counts the attempts of one call. It is made by [Retry.Start], and
// not for concurrent use.
type Attempts struct {
	retry    *Retry
	schedule *backoff.ExponentialBackOff // made when the first wait is drawn
	number   int
}

// Number returns the number of attempts so far, 1 from the start.
func (a *Attempts) Number() int { return a.number }

// Next asks for another attempt, and returns how long to wait before it.
//
// Fresh says that the attempt would go to an endpoint which this call has not
// tried yet. If so, the first retry needs no wait: backing off is for the sake
// of a server that was asked before. All other waits are drawn evenly between
// 0 and a bound that doubles from BaseDelay to MaxDelay ("full jitter").
//
// A retryAfter greater than zero is the wait that the server asked for. The
// call waits that long and up to a fifth longer, lest all clients come back
// together.
//
// A wait that would last until the deadline or beyond is not begun; a zero
// deadline means none. The error is [ErrAttemptsExhausted],
// [ErrRetryAfterTooLong], [ErrDeadlineTooNear] or [ErrBudgetExhausted], and
// costs no token.
func (a *Attempts) Next(now, deadline time.Time, fresh bool, retryAfter time.Duration) (wait time.Duration, err error) {
	r := a.retry
	if a.number >= r.cfg.Attempts {
		return 0, ErrAttemptsExhausted
	}
	if retryAfter > r.cfg.MaxRetryAfter {
		return 0, ErrRetryAfterTooLong
	}
	if !fresh || a.number > 1 {
		wait = a.backOff()
	}
	if retryAfter > 0 {
		wait = max(wait, retryAfter+rand.N(retryAfter/5+1))
	}
	if !deadline.IsZero() && deadline.Sub(now) <= wait {
		return 0, ErrDeadlineTooNear
	}
	if !r.withdraw() {
		return 0, ErrBudgetExhausted
	}
	a.number++
	return wait, nil
}

// Hedge asks for a second attempt beside one that is late. Unlike one after a
// failure it waits for nothing. The error is [ErrAttemptsExhausted] or
// [ErrBudgetExhausted], and costs no token.
func (a *Attempts) Hedge() error {
	if a.number >= a.retry.cfg.Attempts {
		return ErrAttemptsExhausted
	}
	if !a.retry.withdraw() {
		return ErrBudgetExhausted
	}
	a.number++
	return nil
}

// backOff draws the next wait. Most calls never get here, so the schedule is
// not made before.
func (a *Attempts) backOff() time.Duration {
	base, limit := a.retry.cfg.BaseDelay, a.retry.cfg.MaxDelay
	if base == 0 || limit == 0 {
		return 0
	}
	if a.schedule == nil {
		// The library spreads each interval by a factor around itself. With
		// factor 1 that is 0 to twice the interval: hence the halves.
		a.schedule = backoff.NewExponentialBackOff(
			backoff.WithInitialInterval(min(base, limit)/2),
			backoff.WithMaxInterval(limit/2),
			backoff.WithMultiplier(2),
			backoff.WithRandomizationFactor(1),
			backoff.WithMaxElapsedTime(0),
		)
	}
	wait := a.schedule.NextBackOff()
	if wait == backoff.Stop { // a negative wait would spin
		return limit
	}
	return wait
}
