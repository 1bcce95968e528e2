package resilience

import "fmt"

// A Reason says why a guard stepped in. It is an error, as a syscall.Errno is,
// so that there is one name for each: [errors.Is] finds it in what a failed
// call returns, [errors.AsType] gets it out, and String is short and steady
// enough for the label of a metric.
//
// The zero Reason means that there was none, and is never returned as an
// error. The numbers may change from version to version.
type Reason uint8

const noReason Reason = 0

// Why there is no further attempt.
const (
	// ErrAttemptsExhausted: the call has had all its attempts.
	ErrAttemptsExhausted Reason = iota + 1

	// ErrBudgetExhausted: the service's calls have caused as many retries as
	// they may.
	ErrBudgetExhausted

	// ErrDeadlineTooNear: the deadline would pass before the next attempt.
	ErrDeadlineTooNear

	// ErrRetryAfterTooLong: the server asks for more patience than
	// [RetryConfig].MaxRetryAfter.
	ErrRetryAfterTooLong
)

// Why a call is not sent.
const (
	// ErrThrottled: the service refuses so many calls that some are spared
	// it. See [Throttle].
	ErrThrottled Reason = iota + ErrRetryAfterTooLong + 1

	// ErrLimitReached: as many calls are in flight as may be, and none may
	// wait. See [Limit].
	ErrLimitReached

	// ErrQueueFull: as many calls wait for one in flight to end as may wait.
	// See [Limit].
	ErrQueueFull

	// ErrQueueTimeout: the call has waited as long as it may for one in
	// flight to end. See [Limit].
	ErrQueueTimeout

	// ErrRateLimited: the call would have had to wait for longer than it may,
	// or can. See [RateLimit].
	ErrRateLimited
)

// Why an endpoint is left out. These are for owners of breakers and ejections
// to name what they did, in hooks and in the errors of calls that had no other
// endpoint.
const (
	// ErrBreakerOpen: its [Breaker] is not closed.
	ErrBreakerOpen Reason = iota + ErrRateLimited + 1

	// ErrEjectedFailures: it failed several times in a row.
	ErrEjectedFailures

	// ErrEjectedSuccessRate: far fewer of its attempts succeed than of the
	// others'. See [Outliers].
	ErrEjectedSuccessRate

	// ErrEjectedFailureRatio: too many of its attempts fail, whatever those
	// of the others do. See [Outliers].
	ErrEjectedFailureRatio
)

var reasons = [...]string{
	noReason:               "none",
	ErrAttemptsExhausted:   "attempts exhausted",
	ErrBudgetExhausted:     "retry budget exhausted",
	ErrDeadlineTooNear:     "deadline too near for a retry",
	ErrRetryAfterTooLong:   "server asks to retry too late",
	ErrThrottled:           "throttled",
	ErrLimitReached:        "limit reached",
	ErrQueueFull:           "queue full",
	ErrQueueTimeout:        "queue timeout",
	ErrRateLimited:         "rate limited",
	ErrBreakerOpen:         "breaker open",
	ErrEjectedFailures:     "ejected: consecutive failures",
	ErrEjectedSuccessRate:  "ejected: success rate",
	ErrEjectedFailureRatio: "ejected: failure ratio",
}

// String returns the reason in a few words, "throttled" for example.
func (r Reason) String() string {
	if int(r) < len(reasons) {
		return reasons[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// Error returns the same, with the package in front.
func (r Reason) Error() string { return "resilience: " + r.String() }
