package resilience_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/resilience"
)

func TestReasonTexts(t *testing.T) {
	seen := make(map[string]bool)
	for r := resilience.Reason(0); r <= resilience.ErrEjectedFailureRatio; r++ {
		assert.NotContains(t, r.String(), "reason", "number %d has no text", r)
		assert.NotEmpty(t, r.String())
		assert.Equal(t, "resilience: "+r.String(), r.Error())
		assert.False(t, seen[r.String()], "%v is there twice", r)
		seen[r.String()] = true
	}
	assert.Equal(t, "none", resilience.Reason(0).String())
	assert.Equal(t, "reason 200", resilience.Reason(200).String())
}

func TestReasonIsAnError(t *testing.T) {
	err := fmt.Errorf("call: %w", resilience.ErrThrottled)
	assert.ErrorIs(t, err, resilience.ErrThrottled)
	assert.NotErrorIs(t, err, resilience.ErrRateLimited)
	reason, ok := errors.AsType[resilience.Reason](err)
	assert.True(t, ok)
	assert.Equal(t, resilience.ErrThrottled, reason)
}

func TestReasonAllocatesNothing(t *testing.T) {
	var err error
	reasons := []resilience.Reason{resilience.ErrThrottled, resilience.ErrEjectedFailureRatio}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		for _, r := range reasons {
			err = r
		}
	}))
	assert.Error(t, err)
}
