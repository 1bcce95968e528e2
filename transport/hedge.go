package transport

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/namesake-go/namesake/balancer"
)

// errHedgeLost is why an attempt ends when another has been answered first.
var errHedgeLost = errors.New("transport: another attempt was answered first")

// A hedge is a second attempt at a call, beside the first and on another
// endpoint, which begins when the first is late. The first stays on the
// caller's goroutine. The hedge has one from the moment it begins.
type hedge struct {
	call  call // the hedge's own, so that the first's can stay on the stack
	first context.CancelCauseFunc

	mu     sync.Mutex // guards what follows, all of it set when the hedge begins
	phase  hedgePhase
	second context.CancelCauseFunc
	done   chan result // the hedge's, unless the first has won
}

// A hedgePhase is where the two attempts are.
type hedgePhase int

const (
	hedgeWaits hedgePhase = iota // for the first to be late
	hedgeOff                     // will not begin, or not any more
	hedgeRuns                    // both are under way, or have failed
	firstWon
	hedgeWon
)

// lateAfter returns when the call's first attempt is late, or false if that is
// not to be hedged. Only calls are that may be repeated, and whose body can be
// sent twice at a time.
func (c *call) lateAfter() (time.Duration, bool) {
	if c.hedging || c.sends > 0 || c.replay != nil || !c.replayable() || !idempotent(c.req) {
		return 0, false
	}
	return c.service.hedges.Delay()
}

// hedged makes an attempt and, when that is late, another one. It returns the
// first answer that stands. If there is none, it returns that of both which is
// left, a response rather than an error.
func (c *call) hedged(p *picked, delay time.Duration) result {
	first, cancelFirst := context.WithCancelCause(c.ctx)
	h := &hedge{
		call: call{
			service: c.service, req: c.req, ctx: c.ctx, derived: true, hedging: true, start: c.start,
			attempts: c.attempts, affinity: c.affinity, sends: c.sends + 1, last: p.link,
		},
		first: cancelFirst,
	}
	ctx, derived := c.ctx, c.derived
	c.ctx, c.derived, c.endAttempt = first, true, cancelFirst
	timer := time.AfterFunc(delay, h.begin)
	defer timer.Stop()
	r := c.send(p)
	c.ctx, c.derived, c.endAttempt = ctx, derived, nil

	switch h.answered(&r) {
	case hedgeOff:
		return r
	case firstWon:
		c.sends++
		return r
	}
	other := <-h.done
	c.attempts = h.call.attempts
	if h.call.sends == c.sends { // it did not come to be sent
		return r
	}
	c.sends = h.call.sends
	if h.won() {
		drop(r.resp)
		c.last, c.outcome, c.latency = h.call.last, h.call.outcome, h.call.latency
		return other
	}
	c.try(p.link.endpoint)
	from := h.call.last
	if other.resp != nil || r.resp == nil {
		r, other = other, r
		c.last, from = from, c.last
		c.outcome, c.latency = h.call.outcome, h.call.latency
	}
	c.try(h.call.last.endpoint)
	c.forgo(&other, from)
	return r
}

// begin starts the hedge, if there is an endpoint for it and it is within the
// budget. The timer's goroutine runs it.
func (h *hedge) begin() {
	c := &h.call
	v := c.service.view.Load()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase != hedgeWaits {
		return
	}
	h.phase = hedgeOff
	c.try(c.last.endpoint)
	untried := func(e *balancer.Endpoint) bool { return !slices.Contains(c.tried, e) }
	if v.err != nil || !slices.ContainsFunc(v.available, untried) || c.attempts.Hedge() != nil {
		return
	}
	c.ctx, h.second = context.WithCancelCause(c.ctx)
	c.endAttempt = h.second
	h.done = make(chan result, 1)
	if c.service.transport.start(func() { h.run(v) }) {
		h.phase = hedgeRuns
	} else {
		h.second(nil)
	}
}

func (h *hedge) run(v *view) {
	// Close waits for this goroutine, so it must not wait for the attempt.
	stop := context.AfterFunc(h.call.service.transport.ctx, func() { h.second(ErrClosed) })
	defer stop()
	r := h.call.attempt(v)
	h.mu.Lock()
	phase := h.phase
	if phase == hedgeRuns && r.stands() {
		h.phase = hedgeWon
		h.first(errHedgeLost)
	}
	h.mu.Unlock()
	if phase == firstWon {
		drop(r.resp)
		return
	}
	h.done <- r
}

// answered takes note of what the first attempt came to, and returns what that
// means.
func (h *hedge) answered(r *result) hedgePhase {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.phase == hedgeWaits, h.phase == hedgeOff:
		h.phase = hedgeOff
	case h.phase == hedgeRuns && r.stands():
		h.phase = firstWon
		h.second(errHedgeLost)
	}
	return h.phase
}

func (h *hedge) won() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.phase == hedgeWon
}

// stands reports whether a result is worth returning, whatever else may come.
func (r *result) stands() bool { return r.resp != nil && r.repeat == repeatNever }

// late tells the service's hedges how long an attempt has taken: one that was
// answered, or lost against its hedge.
func (c *call) late(outcome balancer.Outcome, latency time.Duration) {
	if !c.hedging && (outcome == balancer.Success || errors.Is(context.Cause(c.ctx), errHedgeLost)) {
		c.service.hedges.Observe(latency)
	}
}
