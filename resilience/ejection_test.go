package resilience_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/resilience"
)

const interval = 10 * time.Second

// tickUntilBack lets intervals pass until the endpoint returns.
func tickUntilBack(t *testing.T, e *resilience.Ejection, at time.Time) time.Time {
	for range 1000 {
		at = at.Add(interval)
		if e.Tick(at) {
			return at
		}
	}
	require.Fail(t, "it never returned")
	return at
}

// The k-th ejection in a row lasts 30 s · k, up to 300 s, give or take a tenth.
func TestEjectionGrows(t *testing.T) {
	var e resilience.Ejection
	at := now
	for k := 1; k <= 15; k++ {
		e.Eject(resilience.EjectionConfig{}, resilience.ErrEjectedSuccessRate, at)
		want := min(time.Duration(k)*30*time.Second, 300*time.Second)
		assert.True(t, e.Ejected())
		assert.Equal(t, resilience.ErrEjectedSuccessRate, e.Reason())
		assert.Equal(t, k, e.Times())
		assert.InDelta(t, want.Seconds(), e.Until().Sub(at).Seconds(), want.Seconds()/10+1e-6)

		until := e.Until()
		e.Eject(resilience.EjectionConfig{}, resilience.ErrEjectedFailureRatio, at.Add(time.Second))
		assert.Equal(t, until, e.Until(), "once is enough")

		at = tickUntilBack(t, &e, at)
		assert.False(t, at.Before(until))
		assert.True(t, at.Before(until.Add(interval)), "the first interval that ends after it")
		assert.False(t, e.Ejected())
		assert.Zero(t, e.Reason())
	}
}

// Each interval in which it was not ejected takes one from k.
func TestEjectionForgets(t *testing.T) {
	var e resilience.Ejection
	at := now
	for range 3 {
		e.Eject(resilience.EjectionConfig{}, resilience.ErrEjectedFailures, at)
		at = tickUntilBack(t, &e, at)
	}
	for _, want := range []int{3, 2, 1, 0, 0} {
		assert.Equal(t, want, e.Times())
		at = at.Add(interval)
		assert.False(t, e.Tick(at))
	}
	e.Eject(resilience.EjectionConfig{}, resilience.ErrEjectedFailures, at)
	assert.LessOrEqual(t, e.Until().Sub(at), 33*time.Second, "as if for the first time")
}

// The time varies evenly by a tenth up or down. Of 10,000 times a hundredth of
// the range is missed with a chance of 0.99^10000, about 10^-44.
func TestEjectionJitter(t *testing.T) {
	lowest, highest := time.Hour, time.Duration(0)
	for range 10_000 {
		var e resilience.Ejection
		e.Eject(resilience.EjectionConfig{}, resilience.ErrEjectedFailures, now)
		d := e.Until().Sub(now)
		lowest, highest = min(lowest, d), max(highest, d)
	}
	assert.GreaterOrEqual(t, lowest, 27*time.Second)
	assert.Less(t, lowest, 27060*ms)
	assert.Greater(t, highest, 32940*ms)
	assert.LessOrEqual(t, highest, 33*time.Second)
}

func TestEjectionConfigBounds(t *testing.T) {
	for _, c := range []struct {
		cfg        resilience.EjectionConfig
		once, ever time.Duration
	}{
		{resilience.EjectionConfig{}, 30 * time.Second, 300 * time.Second},
		{resilience.EjectionConfig{Base: -1, Max: -1}, 30 * time.Second, 300 * time.Second},
		{resilience.EjectionConfig{Base: time.Minute, Max: time.Second}, time.Minute, time.Minute},
		{resilience.EjectionConfig{Base: 1, Max: 1}, ms, ms},
		{resilience.EjectionConfig{Base: math.MaxInt64, Max: math.MaxInt64}, 24 * time.Hour, 24 * time.Hour},
		{resilience.EjectionConfig{Base: 20 * time.Second, Max: 50 * time.Second}, 20 * time.Second, 50 * time.Second},
	} {
		var e resilience.Ejection
		e.Eject(c.cfg, resilience.ErrEjectedFailures, now)
		assert.InDelta(t, 1, float64(e.Until().Sub(now))/float64(c.once), 0.1001, "%+v", c.cfg)
		for range 30 {
			e.Tick(e.Until())
			e.Eject(c.cfg, resilience.ErrEjectedFailures, now)
		}
		assert.InDelta(t, 1, float64(e.Until().Sub(now))/float64(c.ever), 0.1001, "%+v", c.cfg)
	}
}
