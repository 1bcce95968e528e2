package resilience

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The buckets follow one another without a gap, and none is wider than a
// sixteenth of what is in it, or a microsecond.
func TestHistogramBuckets(t *testing.T) {
	begin := time.Duration(0)
	for i := range histogramBuckets {
		end := bucketEnd(i)
		require.Equal(t, i, bucketOf(begin), "its first")
		require.Equal(t, i, bucketOf(end-1), "its last")
		require.LessOrEqual(t, end-begin, max(begin/16, time.Microsecond), "bucket %d", i)
		begin = end
	}
	assert.Equal(t, 67108864*time.Microsecond, begin)
	assert.Equal(t, histogramBuckets-1, bucketOf(math.MaxInt64))
	assert.Zero(t, bucketOf(0))
	assert.Zero(t, bucketOf(-time.Hour))
}

// What it says is at least the exact quantile, and at most a sixteenth more.
func TestHistogramQuantile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // reproducible
	var a, b histogram
	var all []time.Duration
	for i := range 10_000 {
		d := time.Duration(20*float64(time.Millisecond)*r.ExpFloat64()) + time.Millisecond
		all = append(all, d)
		if i%3 == 0 {
			a.add(d)
		} else {
			b.add(d)
		}
	}
	slices.Sort(all)
	for _, q := range []float64{0.001, 0.5, 0.9, 0.95, 0.99, 0.999} {
		d, total := quantile(q, &a, &b)
		exact := all[int(math.Ceil(q*10_000))-1]
		assert.Equal(t, uint64(10_000), total)
		assert.GreaterOrEqual(t, d, exact)
		assert.LessOrEqual(t, d, exact+exact/16)
	}
	a.clear()
	_, total := quantile(0.5, &a)
	assert.Zero(t, total)
}

func BenchmarkQuantile(b *testing.B) {
	var h histogram
	h.add(time.Second)
	b.ReportAllocs()
	for b.Loop() {
		quantile(0.95, &h, &h)
	}
}
