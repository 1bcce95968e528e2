package dns

import (
	"math/rand/v2"
	"time"
)

// maxRetry is the limit of the waits after failures.
const maxRetry = 30 * time.Second

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
