package eurekaserver

import (
	"container/list"
	"sync"
	"time"
)

// maxBuckets is how many clients a rate limit remembers. The one that has been
// quiet for longest is forgotten first.
const maxBuckets = 10_000

// buckets limits the rate of each client with a bucket of tokens.
type buckets struct {
	rate Rate

	mu     sync.Mutex
	recent *list.List // of *bucket, the latest first
	byName map[string]*list.Element
}

// A bucket holds tokens, of which each permission takes one. It fills up
// again with the time.
type bucket struct {
	name   string
	tokens float64
	at     time.Time
}

// newBuckets returns nil for a rate without a limit.
func newBuckets(r Rate) *buckets {
	if !(r.PerSecond > 0) { // nor NaN
		return nil
	}
	r.Burst = max(r.Burst, 1)
	return &buckets{rate: r, recent: list.New(), byName: make(map[string]*list.Element)}
}

// take takes a token of a client and returns 0, or if there is none the time
// after which there will be one.
func (b *buckets) take(client string, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.byName[client]
	if e == nil {
		e = b.recent.PushFront(&bucket{client, float64(b.rate.Burst), now})
		b.byName[client] = e
		if b.recent.Len() > maxBuckets {
			delete(b.byName, b.recent.Remove(b.recent.Back()).(*bucket).name)
		}
	} else {
		b.recent.MoveToFront(e)
	}
	c := e.Value.(*bucket)
	c.tokens = min(c.tokens+now.Sub(c.at).Seconds()*b.rate.PerSecond, float64(b.rate.Burst))
	c.at = now
	if c.tokens < 1 {
		return time.Duration(min((1-c.tokens)/b.rate.PerSecond, 3600) * float64(time.Second))
	}
	c.tokens--
	return 0
}
