package resilience

import (
	"sync/atomic"
	"time"
)

const (
	buckets = 10

	// A bucket is one word, so that it is emptied and counted in one step:
	// the number of its time slot, the successes and the failures in it. The
	// slot's number repeats after 2^24 slots, 194 days for slots of a second.
	countBits = 20
	countMask = 1<<countBits - 1
	slotMask  = 1<<(64-2*countBits) - 1

	oneSuccess = 1 << countBits
	oneFailure = 1

	// countLimit is where a count stands still, far enough from the next
	// field for all the goroutines that are between reading and adding.
	countLimit = countMask - 1<<16
)

// A window counts successes and failures of the last while, in ten slots of
// time: the current one and the nine before. It takes no lock; adding to a
// bucket while its slot ends may put a count into the slot that follows ten
// later, which is one call misfiled.
type window struct {
	started time.Duration
	slot    time.Duration
	buckets [buckets]atomic.Uint64
}

func (w *window) init(length time.Duration) {
	w.started = Now()
	w.slot = max(length/buckets, 1)
}

func (w *window) now() uint64 { return w.at(Now()) }

// at returns the number of the slot of a time.
func (w *window) at(now time.Duration) uint64 { return uint64(max(now-w.started, 0) / w.slot) }

func (w *window) success(now time.Duration) { w.add(w.at(now), oneSuccess) }

func (w *window) failure() { w.add(w.now(), oneFailure) }

func (w *window) add(slot, one uint64) {
	b := &w.buckets[slot%buckets]
	for {
		word := b.Load()
		if slotOf(word) == slot&slotMask {
			if successes, failures := countsOf(word); max(successes, failures) < countLimit {
				b.Add(one)
			}
			return
		}
		if b.CompareAndSwap(word, (slot&slotMask)<<(2*countBits)|one) {
			return
		}
	}
}

// counts returns what was counted in the current slot and the nine before.
func (w *window) counts() (successes, failures uint64) { return w.countsAt(w.now()) }

func (w *window) countsAt(now uint64) (successes, failures uint64) {
	for i := range w.buckets {
		word := w.buckets[i].Load()
		if (now-slotOf(word))&slotMask >= buckets {
			continue
		}
		s, f := countsOf(word)
		successes += s
		failures += f
	}
	return successes, failures
}

func (w *window) clear() {
	for i := range w.buckets {
		w.buckets[i].Store(0)
	}
}

func slotOf(word uint64) uint64 { return word >> (2 * countBits) }

func countsOf(word uint64) (successes, failures uint64) {
	return word >> countBits & countMask, word & countMask
}
