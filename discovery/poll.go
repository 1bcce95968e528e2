package discovery

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// A Lookup asks a registry once for the instances of a service. It may be
// called concurrently, must return when ctx is done, and returns an error that
// wraps [ErrUnknownService] if the registry says that there is no such
// service. An empty result without an error is an empty set.
type Lookup func(ctx context.Context, service string) ([]Instance, error)

// PollConfig says how often [Poll] asks. The zero value is the default.
type PollConfig struct {
	// Interval is the mean time from the end of one lookup to the start of
	// the next. Zero or less means 30 s; more than a year counts as one.
	Interval time.Duration

	// Jitter is the share of Interval by which each wait is randomly shorter
	// or longer, so that many processes do not ask in step. Zero means 0.1;
	// negative means none; more than 1 counts as 1.
	Jitter float64

	// Timeout bounds each lookup: its context is done after that long. Zero
	// means 10 s; negative means no bound.
	Timeout time.Duration
}

const (
	defaultPollInterval = 30 * time.Second
	defaultPollJitter   = 0.1
	defaultPollTimeout  = 10 * time.Second
	firstPollRetry      = time.Second

	// maxPollInterval keeps sums of durations far from overflow.
	maxPollInterval = 365 * 24 * time.Hour
)

func (c PollConfig) withDefaults() PollConfig {
	if c.Interval <= 0 {
		c.Interval = defaultPollInterval
	}
	c.Interval = min(c.Interval, maxPollInterval)
	switch {
	case c.Jitter == 0:
		c.Jitter = defaultPollJitter
	case c.Jitter < 0:
		c.Jitter = 0
	case !(c.Jitter <= 1): // so that NaN is caught as well
		c.Jitter = 1
	}
	if c.Timeout == 0 {
		c.Timeout = defaultPollTimeout
	}
	return c
}

// Poll makes a [Watcher] of a lookup by asking again and again: the first time
// at once, and every cfg.Interval from then on.
//
// A set is yielded when it differs from the last one, or ends an error; the
// order in which the lookup returns instances does not matter.
//
// A lookup that fails, takes too long, or returns nothing but what [CleanSet]
// leaves out, yields an error that names the service and wraps the cause, and
// the last set stands. Every such error is yielded, not only the first of a
// row: how long a registry has been failing is news too.
//
// Where CleanSet leaves out some instances, the set of the others counts, and
// an error that names those left out is yielded after it. This is no failure,
// and the same error is yielded again only after another set.
//
// After a failure the wait is random between zero and a limit that doubles from
// 1 s up to the interval, until a lookup succeeds. This is what AWS calls full
// jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
//
// The lookup runs on the goroutine that ranges over the watch, and a panic in
// it is the caller's.
func Poll(lookup Lookup, cfg PollConfig) Watcher {
	if lookup == nil {
		panic("discovery: Poll with a nil Lookup")
	}
	return &poller{lookup: lookup, cfg: cfg.withDefaults()}
}

type poller struct {
	lookup Lookup
	cfg    PollConfig
}

// Watch implements [Watcher].
func (p *poller) Watch(ctx context.Context, service string) iter.Seq2[[]Instance, error] {
	return func(yield func([]Instance, error) bool) {
		retry := p.newRetry()
		var last []Instance
		var standing string // the error since the last set, if any
		for first := true; ctx.Err() == nil; {
			set, err := p.ask(ctx, service)
			if ctx.Err() != nil {
				return
			}
			if err != nil && len(set) == 0 {
				standing = err.Error()
				if !yield(nil, err) || !sleep(ctx, p.retryDelay(retry)) {
					return
				}
				continue
			}
			retry.Reset()
			var fault string
			if err != nil {
				fault = err.Error()
			}
			over := standing != "" && standing != fault
			if first || over || !equalSets(last, set) {
				last, first, standing = set, false, ""
				if !yield(set, nil) {
					return
				}
			}
			if standing != fault {
				standing = fault
				if !yield(nil, err) {
					return
				}
			}
			if !sleep(ctx, p.delay()) {
				return
			}
		}
	}
}

// ask does one lookup. It may return a set and an error: what can be used, and
// what cannot.
func (p *poller) ask(ctx context.Context, service string) ([]Instance, error) {
	if p.cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.cfg.Timeout)
		defer cancel()
	}
	instances, err := p.lookup(ctx, service)
	if err != nil {
		return nil, fmt.Errorf("discovery: lookup of %q: %w", service, err)
	}
	set, err := CleanSet(instances)
	if err != nil {
		err = fmt.Errorf("discovery: lookup of %q: %w", service, err)
	}
	return set, err
}

func (p *poller) delay() time.Duration {
	spread := time.Duration(p.cfg.Jitter * float64(p.cfg.Interval))
	return p.cfg.Interval - spread + rand.N(2*spread+1)
}

// newRetry returns the schedule after errors. A randomization factor of 1
// draws from zero to twice the current interval, so that the intervals are
// half the limits.
func (p *poller) newRetry() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(min(firstPollRetry, p.cfg.Interval)/2),
		backoff.WithMaxInterval(p.cfg.Interval/2),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(1),
		backoff.WithMaxElapsedTime(0),
	)
}

func (p *poller) retryDelay(retry *backoff.ExponentialBackOff) time.Duration {
	d := retry.NextBackOff()
	if d == backoff.Stop { // which must not become a tight loop
		return p.cfg.Interval
	}
	return d
}

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
