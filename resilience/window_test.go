package resilience

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newWindow(length time.Duration) *window {
	w := new(window)
	w.init(length)
	return w
}

func TestWindowForgetsInSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10 * time.Second)
		for i := range 10 { // 1 success in the first second, 2 in the next ...
			for range i + 1 {
				w.success(Now())
			}
			w.failure()
			time.Sleep(time.Second)
		}
		// The eleventh second has begun, the first is forgotten.
		for i, want := range []uint64{54, 52, 49, 45, 40, 34, 27, 19, 10, 0, 0} {
			successes, failures := w.counts()
			require.Equal(t, want, successes, "second %d", 11+i)
			require.Equal(t, uint64(max(0, 9-i)), failures, "second %d", 11+i)
			time.Sleep(time.Second)
		}
	})
}

func TestWindowAfterALongSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10 * time.Second)
		w.failure()
		for _, silence := range []time.Duration{9*time.Second + 999*time.Millisecond, time.Millisecond, time.Hour, 30 * 24 * time.Hour} {
			time.Sleep(silence)
			_, failures := w.counts()
			want := uint64(0)
			if silence == 9*time.Second+999*time.Millisecond {
				want = 1
			}
			require.Equal(t, want, failures)
		}
		w.success(Now())
		successes, failures := w.counts()
		assert.Equal(t, []uint64{1, 0}, []uint64{successes, failures})
		w.clear()
		successes, failures = w.counts()
		assert.Equal(t, []uint64{0, 0}, []uint64{successes, failures})
	})
}

// It agrees with a list of all that happened.
func TestWindowAgainstAModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(time.Second)
		type event struct {
			slot    time.Duration
			success bool
		}
		var events []event
		start := time.Now()
		for range 2000 {
			time.Sleep(rand.N(200 * time.Millisecond))
			slot := time.Since(start) / (100 * time.Millisecond)
			success := rand.N(3) > 0
			events = append(events, event{slot, success})
			if success {
				w.success(Now())
			} else {
				w.failure()
			}
			var wantSuccesses, wantFailures uint64
			for _, e := range events {
				if e.slot > slot-10 && e.success {
					wantSuccesses++
				} else if e.slot > slot-10 {
					wantFailures++
				}
			}
			successes, failures := w.counts()
			require.Equal(t, wantSuccesses, successes)
			require.Equal(t, wantFailures, failures)
		}
	})
}

func TestWindowLosesNoCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10 * time.Second)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 10_000 {
					w.success(Now())
					w.failure()
				}
			})
		}
		wg.Wait()
		successes, failures := w.counts()
		assert.Equal(t, uint64(80_000), successes)
		assert.Equal(t, uint64(80_000), failures)
	})
}

// The counts of a bucket stand still before one runs over into the next field.
func TestWindowSaturates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10 * time.Second)
		w.failure()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for range countMask {
					w.success(Now())
				}
			})
		}
		wg.Wait()
		successes, failures := w.counts()
		assert.InDelta(t, countLimit, successes, 2)
		assert.Equal(t, uint64(1), failures)
		time.Sleep(10 * time.Second)
		successes, _ = w.counts()
		assert.Zero(t, successes)
	})
}
