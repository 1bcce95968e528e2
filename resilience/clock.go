package resilience

import "time"

var base = time.Now()

// Now reads the clock by which the guards go: a monotonic one, of which only
// differences mean anything. Who has just read it, and asks several guards, can
// spare them the reading: see [Retry.StartAt] and [Breaker.SuccessAt].
func Now() time.Duration { return time.Since(base) }
