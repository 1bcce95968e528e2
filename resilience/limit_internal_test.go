package resilience

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Between the moment in which there is room and that in which it is given to
// who waits, nobody takes it.
func TestLimitNobodyOvertakes(t *testing.T) {
	l := NewLimit(LimitConfig{MaxInFlight: 1, Queue: 1, MaxWait: 1 << 40})
	require.True(t, l.TryAcquire())
	done := make(chan error, 1)
	go func() { done <- l.Acquire(t.Context()) }()
	for l.Waiting() == 0 {
		runtime.Gosched()
	}
	l.mu.Lock()
	go l.Release()
	for l.InFlight() == 1 {
		runtime.Gosched()
	}
	require.False(t, l.TryAcquire())
	l.mu.Unlock()
	assert.NoError(t, <-done)
	assert.Equal(t, 1, l.InFlight())
}
