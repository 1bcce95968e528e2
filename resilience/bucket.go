package resilience

import "sync/atomic"

// A bucket holds time: it fills as time passes, up to a depth, and a token
// costs the time in which one is earned. All of it is one word, the time at
// which the bucket would have been empty had it only ever filled. That may lie
// ahead: then what was taken is still to come.
type bucket struct {
	depth   int64 // ns
	drained atomic.Int64
}

// fill fills the bucket to the brim.
func (b *bucket) fill(now int64) { b.drained.Store(now - b.depth) }

// filled returns for how long the bucket has been filling, up to its depth.
func (b *bucket) filled(now int64) int64 { return b.filledSince(b.drained.Load(), now) }

func (b *bucket) filledSince(drained, now int64) int64 { return min(now-drained, b.depth) }

// take takes the price and returns how long it takes until that much is there.
// If it is longer than the patience, it takes nothing and reports false.
func (b *bucket) take(now, price, patience int64) (wait int64, ok bool) {
	for {
		old := b.drained.Load()
		filled := b.filledSince(old, now)
		wait := max(price-filled, 0)
		if wait > patience {
			return 0, false
		}
		if b.drained.CompareAndSwap(old, now-filled+price) {
			return wait, true
		}
	}
}

// giveBack undoes a take that had to wait until due, if nobody has taken
// anything since. Those behind have been told when their turn is, so an earlier
// one is of no use to them, and saved up it would let two through at once.
func (b *bucket) giveBack(due, price int64) { b.drained.CompareAndSwap(due, due-price) }
