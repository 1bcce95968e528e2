package resilience

import "time"

// A Trial is the right to make one attempt on an endpoint whose breaker is
// half-open, and the duty to say how it went: one of Success, Failure and
// Release must be called. Only the first of these calls counts, and none does
// after the breaker has changed its state otherwise. The methods may be
// called concurrently; those of the zero Trial do nothing.
type Trial struct {
	breaker *Breaker
	number  uint64
}

// Trial asks for a trial. It reports false unless the breaker is half-open
// and no other trial is under way. A trial that has not ended after
// MaxOpenFor is taken for lost, and its place given away.
func (b *Breaker) Trial() (Trial, bool) {
	if b.State() != HalfOpen {
		return Trial{}, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.State() != HalfOpen || b.closed {
		return Trial{}, false
	}
	now := time.Now()
	if b.trialEnd != nil {
		if now.Sub(b.trialFrom) < b.cfg.MaxOpenFor {
			return Trial{}, false
		}
		b.trialEnd(errReleased)
	}
	end, err := b.machine.Allow()
	if err != nil {
		return Trial{}, false
	}
	b.trial++
	b.trialEnd, b.trialFrom = end, now
	return Trial{breaker: b, number: b.trial}, true
}

// Success closes the breaker.
func (t Trial) Success() { t.end(nil) }

// Failure opens the breaker again.
func (t Trial) Failure() { t.end(errFailure) }

// Release says that the attempt was not made, or that its outcome tells
// nothing of the endpoint. The breaker stays half-open, for another trial.
func (t Trial) Release() { t.end(errReleased) }

func (t Trial) end(outcome error) {
	b := t.breaker
	if b == nil {
		return
	}
	b.mu.Lock()
	if b.trialEnd != nil && b.trial == t.number && !b.closed {
		end := b.trialEnd
		b.trialEnd = nil
		end(outcome)
	}
	b.unlockAndTell()
}
