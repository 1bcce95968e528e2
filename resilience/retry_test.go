package resilience_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/resilience"
)

var (
	now   = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	never time.Time
)

func TestRetryAttempts(t *testing.T) {
	for _, c := range []struct{ configured, want int }{{0, 3}, {1, 1}, {-1, 1}, {2, 2}, {5, 5}} {
		call := resilience.NewRetry(resilience.RetryConfig{Attempts: c.configured}, nil).Start()
		require.Equal(t, 1, call.Number())
		for n := 2; n <= c.want; n++ {
			_, err := call.Next(now, never, true, 0)
			require.NoError(t, err)
			require.Equal(t, n, call.Number())
		}
		_, err := call.Next(now, never, true, 0)
		require.ErrorIs(t, err, resilience.ErrAttemptsExhausted)
		require.Equal(t, c.want, call.Number())
	}
}

// Waits are spread evenly from 0 to 25, 50, 100, 200, 250, 250 ms. Of 4000
// draws each quarter of the range gets 1000, give or take 27 (the standard
// deviation); six times that is never seen.
func TestRetryBacksOffWithFullJitter(t *testing.T) {
	for _, c := range []struct {
		name  string
		fresh bool
		bound []time.Duration // in ms
	}{
		{"first retry elsewhere is free", true, []time.Duration{0, 25, 50, 100, 200, 250, 250}},
		{"same endpoint", false, []time.Duration{25, 50, 100, 200, 250, 250, 250}},
	} {
		t.Run(c.name, func(t *testing.T) {
			retry := resilience.NewRetry(resilience.RetryConfig{Attempts: len(c.bound) + 1}, nil)
			quarters := make([][4]int, len(c.bound))
			for range 4000 {
				call := retry.Start()
				for i, bound := range c.bound {
					wait, err := call.Next(now, never, c.fresh, 0)
					require.NoError(t, err)
					bound *= time.Millisecond
					require.LessOrEqual(t, wait, bound)
					if bound > 0 {
						quarters[i][min(3, 4*wait/bound)]++
					}
				}
			}
			for i, bound := range c.bound {
				for q, n := range quarters[i] {
					if bound > 0 {
						assert.InDelta(t, 1000, n, 165, "retry %d, quarter %d", i+1, q+1)
					}
				}
			}
		})
	}
}

func TestRetryDelaysOff(t *testing.T) {
	for _, cfg := range []resilience.RetryConfig{
		{Attempts: 100, BaseDelay: -1},
		{Attempts: 100, MaxDelay: -1},
	} {
		call := resilience.NewRetry(cfg, nil).Start()
		for range 99 {
			wait, err := call.Next(now, never, false, 0)
			require.NoError(t, err)
			require.Zero(t, wait)
		}
	}
}

// A bound that is doubled a thousand times stays what it may grow to.
func TestRetryBackoffDoesNotOverflow(t *testing.T) {
	for _, cfg := range []resilience.RetryConfig{
		{Attempts: 1000, BaseDelay: time.Nanosecond, MaxDelay: math.MaxInt64},
		{Attempts: 1000, BaseDelay: math.MaxInt64, MaxDelay: math.MaxInt64},
		{Attempts: 1000, BaseDelay: time.Hour, MaxDelay: time.Nanosecond},
	} {
		call := resilience.NewRetry(cfg, nil).Start()
		for range 999 {
			wait, err := call.Next(now, never, false, 0)
			require.NoError(t, err)
			require.GreaterOrEqual(t, wait, time.Duration(0))
			require.LessOrEqual(t, wait, cfg.MaxDelay)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	retry := resilience.NewRetry(resilience.RetryConfig{}, nil)
	lowest, highest := time.Hour, time.Duration(0)
	for range 1000 {
		call := retry.Start()
		wait, err := call.Next(now, never, true, 10*time.Second)
		require.NoError(t, err)
		lowest, highest = min(lowest, wait), max(highest, wait)
	}
	assert.GreaterOrEqual(t, lowest, 10*time.Second)
	assert.Less(t, lowest, 10100*time.Millisecond)
	assert.Greater(t, highest, 11900*time.Millisecond)
	assert.LessOrEqual(t, highest, 12*time.Second)

	call := retry.Start()
	_, err := call.Next(now, never, true, 10*time.Second+1)
	assert.ErrorIs(t, err, resilience.ErrRetryAfterTooLong)
	_, err = call.Next(now, never, true, math.MaxInt64)
	assert.ErrorIs(t, err, resilience.ErrRetryAfterTooLong)
	wait, err := call.Next(now, never, true, -time.Second)
	assert.NoError(t, err)
	assert.Zero(t, wait, "a time that has passed is no wait")

	impatient := resilience.NewRetry(resilience.RetryConfig{MaxRetryAfter: -1}, nil).Start()
	_, err = impatient.Next(now, never, true, 1)
	assert.ErrorIs(t, err, resilience.ErrRetryAfterTooLong)

	patient := resilience.NewRetry(resilience.RetryConfig{MaxRetryAfter: math.MaxInt64}, nil).Start()
	wait, err = patient.Next(now, never, true, math.MaxInt64/2)
	assert.NoError(t, err)
	assert.GreaterOrEqual(t, wait, time.Duration(math.MaxInt64/2), "no overflow")
}

func TestRetryAfterIsALowerBoundOfTheBackoff(t *testing.T) {
	retry := resilience.NewRetry(resilience.RetryConfig{BaseDelay: time.Hour, MaxDelay: time.Hour}, nil)
	longer := 0
	for range 100 {
		call := retry.Start()
		wait, err := call.Next(now, never, false, time.Second)
		require.NoError(t, err)
		require.GreaterOrEqual(t, wait, time.Second)
		if wait > time.Minute {
			longer++
		}
	}
	assert.Greater(t, longer, 80)
}

func TestRetryHeedsTheDeadline(t *testing.T) {
	retry := resilience.NewRetry(resilience.RetryConfig{}, nil)
	call := retry.Start()
	_, err := call.Next(now, now, true, 0)
	assert.ErrorIs(t, err, resilience.ErrDeadlineTooNear, "no time at all")
	_, err = call.Next(now, now.Add(-time.Second), true, 0)
	assert.ErrorIs(t, err, resilience.ErrDeadlineTooNear)
	_, err = call.Next(now, now.Add(time.Second), true, time.Second)
	assert.ErrorIs(t, err, resilience.ErrDeadlineTooNear, "it would be reached while waiting")
	assert.Equal(t, 1, call.Number())
	wait, err := call.Next(now, now.Add(1201*time.Millisecond), true, time.Second)
	assert.NoError(t, err)
	assert.GreaterOrEqual(t, wait, time.Second)
}

func TestRetryPaysFromTheBudget(t *testing.T) {
	budget := resilience.NewBudget(resilience.BudgetConfig{Ratio: 0.5, MinPerSecond: none})
	retry := resilience.NewRetry(resilience.RetryConfig{}, budget)
	call := retry.Start()
	_, err := call.Next(now, never, true, 0)
	assert.ErrorIs(t, err, resilience.ErrBudgetExhausted, "one call has earned half a retry")
	assert.Equal(t, 1, call.Number())

	call = retry.Start()
	_, err = call.Next(now, now, true, 0)
	assert.ErrorIs(t, err, resilience.ErrDeadlineTooNear)
	_, err = call.Next(now, never, true, time.Hour)
	assert.ErrorIs(t, err, resilience.ErrRetryAfterTooLong)
	assert.InDelta(t, 1, budget.Balance(), 0.01, "a refusal costs nothing")
	retry.Start() // real time passes here, and deposits fade
	_, err = call.Next(now, never, true, 0)
	assert.NoError(t, err)
	assert.InDelta(t, 0.5, budget.Balance(), 0.02)
}

func TestRetryStartAllocatesNothing(t *testing.T) {
	retry := resilience.NewRetry(resilience.RetryConfig{}, resilience.NewBudget(resilience.BudgetConfig{}))
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		call := retry.Start()
		if call.Number() != 1 {
			t.Fail()
		}
	}))
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		call := retry.Start()
		_, _ = call.Next(now, never, true, 0)
	}), "nor does a first retry elsewhere")
}
