package resilience

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram counts latencies in buckets whose width is 1/16 to 1/32 of the
// values in them, 3 to 6 %: the first bits of the number of microseconds after
// the leading one choose the bucket within its power of two. It covers a bit
// more than a minute; what is longer counts as that long.
const (
	subBits          = 4
	subBuckets       = 1 << subBits
	maxLatencyBits   = 26 // 67 s in µs
	histogramBuckets = (maxLatencyBits - subBits + 1) * subBuckets
)

type histogram [histogramBuckets]atomic.Uint32

func (h *histogram) add(d time.Duration) { h[bucketOf(d)].Add(1) }

func (h *histogram) clear() {
	for i := range h {
		h[i].Store(0)
	}
}

// bucketOf returns the number of a latency's bucket. Below 16 µs each
// microsecond has one.
func bucketOf(d time.Duration) int {
	us := min(uint64(max(d, 0)/time.Microsecond), 1<<maxLatencyBits-1)
	shift := max(bits.Len64(us)-subBits-1, 0)
	return shift*subBuckets + int(us>>shift)
}

// bucketEnd returns the least latency that is longer than all in a bucket.
func bucketEnd(i int) time.Duration {
	shift := max(i/subBuckets-1, 0)
	return time.Duration((i-shift*subBuckets+1)<<shift) * time.Microsecond
}

// quantile returns the end of the bucket in which the share q of all that the
// histograms have counted is reached, and how much that is. A histogram may be
// added to meanwhile.
func quantile(q float64, histograms ...*histogram) (d time.Duration, total uint64) {
	var counts [histogramBuckets]uint64
	for _, h := range histograms {
		for i := range h {
			n := uint64(h[i].Load())
			counts[i] += n
			total += n
		}
	}
	rank := uint64(math.Ceil(q * float64(total)))
	for i, n := range counts {
		if n >= rank {
			return bucketEnd(i), total
		}
		rank -= n
	}
	return bucketEnd(histogramBuckets - 1), total
}
