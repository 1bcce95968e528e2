package resilience

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

const (
	defaultConsecutiveFailures = 5
	defaultFailureRatio        = 0.5
	defaultMinRequests         = 20
	defaultWindow              = 10 * time.Second
	defaultOpenFor             = 5 * time.Second
	defaultMaxOpenFor          = 60 * time.Second
)

// A BreakerConfig says when a [Breaker] opens and for how long.
type BreakerConfig struct {
	// ConsecutiveFailures in a row open the breaker. Default 5. Negative:
	// this rule is off.
	ConsecutiveFailures int

	// FailureRatio is the share of failures, among the attempts in the
	// window, from which on the breaker opens, provided that the window has
	// seen MinRequests attempts. Default 0.5. Negative: this rule is off.
	FailureRatio float64

	// MinRequests is the number of attempts without which a ratio says
	// nothing. Default 20; a negative number means 1.
	MinRequests int

	// Window is the time that FailureRatio looks back on, in ten steps.
	// Default 10 s.
	Window time.Duration

	// OpenFor is how long the breaker stays open the first time. Each time
	// that it opens again without having recovered, that doubles, up to
	// MaxOpenFor. All of it varies by 10 % up or down, so that clients do
	// not try an endpoint in step. Default 5 s; at least 1 ms.
	OpenFor time.Duration

	// MaxOpenFor is what the open time grows to. Default 60 s, or OpenFor if
	// that is longer.
	MaxOpenFor time.Duration
}

func (c BreakerConfig) normal() BreakerConfig {
	if c.ConsecutiveFailures == 0 {
		c.ConsecutiveFailures = defaultConsecutiveFailures
	}
	c.FailureRatio = normalRate(c.FailureRatio, defaultFailureRatio, 1)
	if c.MinRequests == 0 {
		c.MinRequests = defaultMinRequests
	}
	c.MinRequests = max(c.MinRequests, 1)
	if c.Window <= 0 {
		c.Window = defaultWindow
	}
	if c.OpenFor <= 0 {
		c.OpenFor = defaultOpenFor
	}
	if c.MaxOpenFor <= 0 {
		c.MaxOpenFor = defaultMaxOpenFor
	}
	c.OpenFor = min(max(c.OpenFor, time.Millisecond), 24*time.Hour)
	c.MaxOpenFor = min(max(c.MaxOpenFor, c.OpenFor), 24*time.Hour)
	return c
}

// What gobreaker is told of an attempt.
var (
	errFailure  = errors.New("resilience: failure")
	errReleased = errors.New("resilience: released")
)

// A Breaker watches the outcomes of the attempts on one endpoint, and says
// when to leave it alone: closed, it counts; open, it rests; half-open, it
// hands out one trial at a time, whose outcome closes or opens it.
//
// It refuses nothing by itself. Its owner learns of every change of state,
// and leaves endpoints that are not closed out of the choice, but for trials.
//
// An opening counts as repeated, and lasts twice as long, if the breaker has
// not been closed for as long as it was open before: one lucky trial is no
// recovery.
//
// All methods may be called concurrently. State, and Success while closed,
// take no lock and allocate nothing. The states and their transitions are
// those of sony/gobreaker; the window is our own, so that a success costs
// two atomic operations.
type Breaker struct {
	cfg      BreakerConfig
	onChange func(from, to State)

	state       atomic.Uint64 // number of changes, then the State in two bits
	consecutive atomic.Int64  // failures in a row
	window      window

	mu      sync.Mutex // guards all below, and all use of machine
	machine *gobreaker.TwoStepCircuitBreaker[struct{}]
	timer   *time.Timer   // runs while open
	openFor time.Duration // of the last opening, without jitter; 0: none yet
	since   time.Time     // of the last change
	closed  bool          // by Close

	trial     uint64      // the number of the last trial
	trialEnd  func(error) // of the trial that is under way, else nil
	trialFrom time.Time

	changes    []change // not yet told
	delivering bool     // someone is telling them
	delivered  sync.Cond
}

type change struct{ from, to State }

// NewBreaker returns a closed breaker. OnChange, which may be nil, is told of
// each change of state, one after the other in their order, without any lock
// held: by whoever reported the outcome that caused it, from a timer when the
// breaker becomes half-open, or by whoever is still telling an earlier change.
// It may call the breaker, except for Close.
func NewBreaker(cfg BreakerConfig, onChange func(from, to State)) *Breaker {
	b := &Breaker{cfg: cfg.normal(), onChange: onChange}
	b.delivered.L = &b.mu
	b.window.init(b.cfg.Window)
	b.since = time.Now()
	b.machine = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests: 1,
		// How long to stay open is decided by the timer here. Until it
		// fires the machine is not asked; when it is, it must be ready.
		Timeout:       1,
		ReadyToTrip:   func(gobreaker.Counts) bool { return b.readyToTrip() },
		IsExcluded:    func(err error) bool { return errors.Is(err, errReleased) },
		OnStateChange: func(_ string, from, to gobreaker.State) { b.changed(stateOf(from), stateOf(to)) },
	})
	return b
}

// State returns the state, with one atomic load.
func (b *Breaker) State() State { return State(b.state.Load() & 3) }

// Generation returns the number of changes of state so far. An owner that
// remembers it from the start of an attempt can tell that the outcome is too
// old to report: one from before the last change says nothing of the endpoint
// as it is now.
func (b *Breaker) Generation() uint64 { return b.state.Load() >> 2 }

// Success reports that an attempt, which was no trial, went well. It is
// ignored unless the breaker is closed.
func (b *Breaker) Success() { b.SuccessAt(Now()) }

// SuccessAt is Success for who knows what [Now] has just said.
func (b *Breaker) SuccessAt(now time.Duration) {
	if b.State() != Closed {
		return
	}
	if b.consecutive.Load() != 0 { // spare the usual case the write
		b.consecutive.Store(0)
	}
	if b.cfg.FailureRatio > 0 {
		b.window.success(now)
	}
}

// Failure reports that an attempt, which was no trial, went wrong by the
// endpoint's fault. It is ignored unless the breaker is closed.
func (b *Breaker) Failure() {
	if b.State() != Closed {
		return
	}
	b.mu.Lock()
	if b.State() == Closed && !b.closed {
		b.consecutive.Add(1)
		if b.cfg.FailureRatio > 0 {
			b.window.failure()
		}
		if end, err := b.machine.Allow(); err == nil {
			end(errFailure)
		}
	}
	b.unlockAndTell()
}

// readyToTrip is asked by the machine at each failure while closed.
func (b *Breaker) readyToTrip() bool {
	if limit := int64(b.cfg.ConsecutiveFailures); limit > 0 && b.consecutive.Load() >= limit {
		return true
	}
	if b.cfg.FailureRatio == 0 {
		return false
	}
	successes, failures := b.window.counts()
	requests := successes + failures
	return requests >= uint64(b.cfg.MinRequests) &&
		float64(failures) >= b.cfg.FailureRatio*float64(requests)
}

// Close stops the breaker's timer and waits for a call of onChange that is
// under way: there is none after Close returns. The state stays what it is.
// Close must not be called from onChange, nor with a lock held that onChange
// takes. Calling it again does nothing.
func (b *Breaker) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.changes = nil
	if b.timer != nil {
		b.timer.Stop()
	}
	for b.delivering {
		b.delivered.Wait()
	}
}

// changed is called by the machine, with mu held.
func (b *Breaker) changed(from, to State) {
	now := time.Now()
	if to == Open {
		b.rest(now, from)
	}
	b.since = now
	b.consecutive.Store(0)
	b.window.clear()
	b.state.Store((b.Generation()+1)<<2 | uint64(to))
	if b.onChange != nil {
		b.changes = append(b.changes, change{from, to})
	}
}

// rest decides how long the breaker stays open and starts the timer.
func (b *Breaker) rest(now time.Time, from State) {
	recovered := from == Closed && now.Sub(b.since) >= b.openFor
	if recovered {
		b.openFor = 0
	}
	b.openFor = min(max(2*b.openFor, b.cfg.OpenFor), b.cfg.MaxOpenFor)
	jittered := b.openFor - b.openFor/10 + rand.N(b.openFor/5+1)
	b.timer = time.AfterFunc(jittered, b.wake)
}

// wake ends the open state. The timer's goroutine runs it; it runs only while
// open, and is the only one to make the machine leave that state.
func (b *Breaker) wake() {
	b.mu.Lock()
	if b.State() == Open && !b.closed {
		b.machine.State() // moves on by being asked
	}
	b.unlockAndTell()
}

// unlockAndTell releases mu and tells onChange what has changed. If someone
// else is at it already, that one goes on with these, so that the order is
// kept.
func (b *Breaker) unlockAndTell() {
	if b.delivering || len(b.changes) == 0 {
		b.mu.Unlock()
		return
	}
	b.delivering = true
	defer func() { // also if onChange panics
		b.delivering = false
		b.delivered.Broadcast()
		b.mu.Unlock()
	}()
	for len(b.changes) > 0 {
		next := b.changes[0]
		b.changes = b.changes[1:]
		b.tell(next)
	}
}

// tell calls onChange with mu released.
func (b *Breaker) tell(c change) {
	b.mu.Unlock()
	defer b.mu.Lock()
	b.onChange(c.from, c.to)
}

func stateOf(s gobreaker.State) State {
	switch s {
	case gobreaker.StateOpen:
		return Open
	case gobreaker.StateHalfOpen:
		return HalfOpen
	default:
		return Closed
	}
}
