package resilience

import (
	"container/list"
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultMaxInFlight = 1024

	// While the queue has been empty within the last MaxWait, a call may wait
	// for MaxWait, else for this fraction of it.
	standingQueueFraction = 20

	// A limit's state is one word: the calls that wait, and those in flight.
	oneWaiting   = 1 << 32
	oneInFlight  = 1
	inFlightMask = oneWaiting - 1
)

// A LimitConfig says how many calls a [Limit] lets through at a time.
type LimitConfig struct {
	// MaxInFlight is the number of calls that may be in flight. Default 1024;
	// a negative number means 1.
	MaxInFlight int

	// Queue is the number of calls that may wait for one in flight to end.
	// Default 0, as for a negative number: none.
	Queue int

	// MaxWait is the longest that a call waits. When calls have been waiting
	// for that long without a break, it is a twentieth of it, until there is
	// a moment in which none waits. Default 100 ms, as for a negative number.
	MaxWait time.Duration
}

func (c LimitConfig) normal() LimitConfig {
	if c.MaxInFlight == 0 {
		c.MaxInFlight = defaultMaxInFlight
	}
	c.MaxInFlight = normalMaxInFlight(c.MaxInFlight)
	c.Queue = min(max(c.Queue, 0), math.MaxInt32)
	if c.MaxWait <= 0 {
		c.MaxWait = defaultMaxWait
	}
	return c
}

func normalMaxInFlight(n int) int { return min(max(n, 1), math.MaxInt32) }

// A Limit bounds the number of calls in flight ("bulkhead"). It keeps a service
// that has become slow from taking all of its callers' memory and connections
// with it, and a slow service from being sent ever more. It may belong to a
// service, and refuse calls, or to an endpoint, and have calls sent elsewhere.
//
// By Little's law, R calls a second of latency L need R·L in flight, on the
// average; twice that leaves room for chance.
//
// Those that cannot be let through wait in a queue, if there is one, first come
// first served. A queue absorbs a burst. Against lasting overload it is
// worthless: it only makes every call late. Therefore a call does not wait
// long, and hardly at all once the queue stands (after Maurer, "Fail at Scale",
// ACM Queue 2015, which has 100 ms and 5 ms from CoDel, RFC 8289). Since then
// all that wait have come within the last few milliseconds, it would gain
// nothing to serve the last first, as is done there.
//
// All methods may be called concurrently. While there is room, they take no
// lock and allocate nothing.
type Limit struct {
	maxQueue uint64
	maxWait  time.Duration

	max  atomic.Uint64 // written with mu held
	word atomic.Uint64 // waiting calls are added and removed with mu held

	mu      sync.Mutex
	queue   list.List // of chan struct{}, closed when it is the call's turn
	emptyAt time.Time // when a call last found the queue empty
}

// NewLimit returns a limit with nothing in flight.
func NewLimit(cfg LimitConfig) *Limit {
	cfg = cfg.normal()
	l := &Limit{maxQueue: uint64(cfg.Queue), maxWait: cfg.MaxWait}
	l.max.Store(uint64(cfg.MaxInFlight))
	return l
}

// TryAcquire lets a call through and reports true, if there is room and none
// waits. Then [Limit.Release] must follow.
func (l *Limit) TryAcquire() bool {
	for {
		word := l.word.Load()
		if word >= l.max.Load() { // also if any wait, which is the upper half
			return false
		}
		if l.word.CompareAndSwap(word, word+oneInFlight) {
			return true
		}
	}
}

// Acquire lets a call through, waiting if it may, and returns nil. Then
// [Limit.Release] must follow. Otherwise it returns [ErrLimitReached],
// [ErrQueueFull], [ErrQueueTimeout], or the context's error if that ends while
// it waits. If there is room it does not look at the context.
func (l *Limit) Acquire(ctx context.Context) error {
	if l.TryAcquire() {
		return nil
	}
	if l.maxQueue == 0 {
		return ErrLimitReached
	}
	return l.wait(ctx)
}

// Release ends a call that was let through, which makes room for another. Each
// call must be released once.
func (l *Limit) Release() {
	for {
		word := l.word.Load()
		if word&inFlightMask == 0 {
			return // a call too many; it must not borrow from those that wait
		}
		if l.word.CompareAndSwap(word, word-oneInFlight) {
			if word >= oneWaiting {
				l.mu.Lock()
				l.grant()
				l.mu.Unlock()
			}
			return
		}
	}
}

// SetLimit changes the number of calls that may be in flight. Less than 1
// means 1. If more are in flight already, they go on, and none is let through
// until enough have ended.
func (l *Limit) SetLimit(maxInFlight int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.max.Store(uint64(normalMaxInFlight(maxInFlight)))
	l.grant()
}

// MaxInFlight returns the number of calls that may be in flight.
func (l *Limit) MaxInFlight() int { return int(l.max.Load()) }

// InFlight returns the number of calls in flight.
func (l *Limit) InFlight() int { return int(l.word.Load() & inFlightMask) }

// Waiting returns the number of calls that wait.
func (l *Limit) Waiting() int { return int(l.word.Load() / oneWaiting) }

func (l *Limit) wait(ctx context.Context) error {
	place, patience, err := l.enqueue()
	if place == nil {
		return err
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-place.Value.(chan struct{}):
		return nil
	case <-timer.C:
		if l.leave(place) {
			return ErrQueueTimeout
		}
		return nil // its turn came at the last moment
	case <-ctx.Done():
		if !l.leave(place) {
			l.Release() // its turn is for the next
		}
		return ctx.Err()
	}
}

// enqueue returns a place in the queue and how long to stay, or an error, or
// none of these if the call is let through after all.
func (l *Limit) enqueue() (place *list.Element, patience time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		word := l.word.Load()
		if word < l.max.Load() {
			if l.word.CompareAndSwap(word, word+oneInFlight) {
				return nil, 0, nil
			}
			continue
		}
		if word/oneWaiting >= l.maxQueue {
			return nil, 0, ErrQueueFull
		}
		// From here on whoever makes room sees that someone waits.
		if l.word.CompareAndSwap(word, word+oneWaiting) {
			break
		}
	}
	now := time.Now()
	if l.queue.Len() == 0 {
		l.emptyAt = now
	}
	patience = l.maxWait
	if now.Sub(l.emptyAt) >= l.maxWait {
		patience /= standingQueueFraction
	}
	return l.queue.PushBack(make(chan struct{})), patience, nil
}

// leave gives up a place in the queue. It reports false if the call's turn has
// come.
func (l *Limit) leave(place *list.Element) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-place.Value.(chan struct{}):
		return false
	default:
	}
	l.queue.Remove(place)
	l.subtract(oneWaiting)
	return true
}

// grant lets those through that wait and for whom there is room, with mu held.
// While any wait, nobody else is.
func (l *Limit) grant() {
	for {
		word := l.word.Load()
		first := l.queue.Front()
		if first == nil || word&inFlightMask >= l.max.Load() {
			return
		}
		l.subtract(oneWaiting - oneInFlight)
		l.queue.Remove(first)
		close(first.Value.(chan struct{}))
	}
}

func (l *Limit) subtract(n uint64) { l.word.Add(-n) }
