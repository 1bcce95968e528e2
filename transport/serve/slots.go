package serve

import (
	"context"
	"errors"
	"sync/atomic"
)

// errNoPlace is what acquire fails with when too many wait already.
var errNoPlace = errors.New("serve: the queue is full")

// slots is a limit on how many may work at the same time, and on how many may
// wait for that. They get their turn in the order in which they came.
type slots struct {
	taken    chan struct{}
	waiting  atomic.Int64
	maxQueue int64
}

func newSlots(limit, maxQueue int) *slots {
	return &slots{taken: make(chan struct{}, limit), maxQueue: int64(maxQueue)}
}

// tryAcquire takes a slot if one is free.
func (s *slots) tryAcquire() bool {
	select {
	case s.taken <- struct{}{}:
		return true
	default:
		return false
	}
}

// acquire waits for a slot until ctx is done, if there is a place to wait in.
func (s *slots) acquire(ctx context.Context) error {
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > s.maxQueue {
		return errNoPlace
	}
	select {
	case s.taken <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// release gives a slot back.
func (s *slots) release() { <-s.taken }
