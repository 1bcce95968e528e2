package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/resilience"
)

const (
	// A response that is not passed on is read up to drainLimit and for
	// drainTime at most, so that its connection can be used again.
	drainLimit = 16 << 10
	drainTime  = time.Second
)

// A call is one RoundTrip: what the user asked for, on the stack of whoever
// did.
type call struct {
	service  *service
	req      *http.Request // the caller's, never modified
	ctx      context.Context
	derived  bool               // ctx is not the request's own
	cancel   context.CancelFunc // of the service's timeout, or nil
	start    time.Time
	now      time.Duration // by the service's clock, when the next attempt begins; 0: to be read
	replay   *replay       // of a body without GetBody, or nil
	attempts resilience.Attempts
	affinity affinity
	sends    int                  // attempts that were made
	last     *link                // of the last of them, or nil
	tried    []*balancer.Endpoint // not to be picked again if there are others
	earlier  []error              // of the attempts before the last
	passage  passage              // through the service's guards
	outcome  balancer.Outcome     // of the last attempt
	latency  time.Duration        // likewise

	hedging    bool                    // this is the hedge of another
	endAttempt context.CancelCauseFunc // of an attempt with a context of its own, or nil
}

// A result is how an attempt ended.
type result struct {
	resp       *http.Response // its body wrapped, or nil
	err        error
	repeat     repeat
	retryAfter time.Duration
}

// call makes attempts until one is worth returning.
func (s *service) call(req *http.Request) (*http.Response, error) {
	if !s.called.Load() { // spare the usual case the write
		s.called.Store(true)
	}
	now := s.balancer.Now()
	c := call{service: s, req: req, ctx: req.Context(), now: now, attempts: s.retry.StartAt(now), outcome: balancer.Ignored}
	if len(s.transport.cfg.hooks) > 0 { // nobody else wants to know
		c.start = time.Now()
	}
	if s.cfg.timeout > 0 {
		c.ctx, c.cancel = context.WithTimeout(c.ctx, s.cfg.timeout)
		c.derived = true
	}
	if bodyNeedsReplay(req) {
		c.replay = newReplay(req, s.cfg.replayLimit)
	}
	if s.guards != nil || s.view.Load() == nil { // it may take a while until there is an attempt
		c.now = 0
	}
	if s.guards != nil {
		var err error
		if c.passage, err = s.guards.enter(c.ctx); err != nil {
			return c.fail(err, nil)
		}
	}

	for {
		v, err := s.await(c.ctx, req.Cancel)
		if err == nil {
			err = v.err
		}
		switch {
		case err == nil:
		case err != errForgotten: //nolint:errorlint // a marker, never wrapped
			return c.fail(err, nil)
		case c.sends == 0:
			c.passage.trial.Release()
			c.passage.end(c.outcome, c.latency)
			c.release()
			return nil, errForgotten // RoundTrip looks the name up once more
		default:
			return c.fail(balancer.ErrNoEndpoints, nil)
		}
		c.identify()
		r := c.attempt(v)
		again, stopped := c.again(v, &r)
		switch {
		case again:
		case r.err != nil:
			return c.fail(r.err, stopped)
		default:
			return c.succeed(r.resp)
		}
	}
}

// again decides whether there is another attempt, and waits until it is due.
// If not, it says why not, unless the call cannot be repeated anyway.
func (c *call) again(v *view, r *result) (again bool, stopped error) {
	if r.repeat == repeatNever || r.repeat == repeatIdempotent && !idempotent(c.req) || !c.replayable() {
		return false, nil
	}
	c.try(c.last.endpoint)
	fresh := slices.ContainsFunc(v.available, func(e *balancer.Endpoint) bool { return !slices.Contains(c.tried, e) })
	retryAfter := r.retryAfter
	if fresh && r.resp != nil && r.resp.StatusCode != http.StatusTooManyRequests {
		retryAfter = 0 // speaks for the copy that said it, not for the others
	}
	deadline, _ := c.ctx.Deadline()
	wait, err := c.attempts.Next(time.Now(), deadline, fresh, retryAfter)
	if err != nil {
		return false, err
	}
	if c.replay != nil && !c.replay.rewind() {
		return false, nil // the upload has gone on after the answer
	}
	c.forgo(r, c.last)
	if err := c.sleep(wait); err != nil {
		*r = result{err: err}
		return false, nil
	}
	return true, nil
}

// forgo gives up a result for that of another attempt.
func (c *call) forgo(r *result, from *link) {
	if r.resp == nil {
		c.earlier = append(c.earlier, r.err)
		return
	}
	c.earlier = append(c.earlier, fmt.Errorf("status %d from %s", r.resp.StatusCode, from.endpoint.Addr()))
	c.service.transport.discard(r.resp.Body)
}

// try remembers that the call has been sent to an endpoint, or must not be.
func (c *call) try(e *balancer.Endpoint) {
	if !slices.Contains(c.tried, e) {
		c.tried = append(c.tried, e)
	}
}

// sleep waits, unless the call or the Transport ends before.
func (c *call) sleep(d time.Duration) error {
	if d <= 0 {
		return nil // the next attempt looks at the context
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.ctx.Done():
		return contextError(c.ctx)
	case <-c.req.Cancel:
		return context.Canceled
	case <-c.service.transport.ctx.Done():
		return ErrClosed
	}
}

// replayable reports whether the request can be sent once more.
func (c *call) replayable() bool {
	switch {
	case repeatability(c.req) == notRepeatable:
		return false
	case c.req.Body == nil || c.req.Body == http.NoBody:
		return true
	case len(c.req.Trailer) > 0: // filled while the body is read: two attempts would share it
		return false
	case c.replay != nil:
		return c.replay.possible()
	default:
		return c.req.GetBody != nil
	}
}

// attempt sends the call to one endpoint, or to two if it is hedged.
func (c *call) attempt(v *view) result {
	p, err := c.choose(v)
	if err != nil {
		return result{err: err}
	}
	if c.service.hedges != nil {
		if delay, ok := c.lateAfter(); ok {
			return c.hedged(&p, delay)
		}
	}
	return c.send(&p)
}

// send sends the call to the endpoint that was picked.
func (c *call) send(p *picked) (r result) {
	l, a, trial := p.link, &p.attempt, p.trial
	inFlight := true
	defer func() { // also if a hook or the base panics
		if inFlight {
			l.end(a)
		}
		trial.Release() // does nothing if its outcome is known
		if c.endAttempt != nil && r.resp == nil {
			c.endAttempt(nil)
		}
	}()
	if c.ctx.Err() != nil { // nothing is sent after the deadline
		return result{err: contextError(c.ctx)}
	}
	req, timeout, err := c.outgoing(l)
	if err != nil {
		return result{err: err}
	}
	c.last = l
	c.sends++
	c.hookPick(trial != noTrial)

	generation := l.breaker.Generation()
	resp, err := l.base.RoundTrip(req)
	latency := c.service.balancer.Now() - a.Start()
	switch {
	case err != nil:
		drop(resp) // a base must not return both
	case resp == nil:
		err = errNilResponse
	case !timeout.disarm(): // it came, but with the attempt's context its body is gone
		drop(resp)
		err = errAttemptTimeout
	}

	var outcome balancer.Outcome
	if err != nil {
		outcome, r.repeat, r.err = c.classifyError(err, timeout)
		timeout.end()
	} else {
		outcome, r.repeat, r.retryAfter = classifyResponse(resp)
		if again := c.service.cfg.retryIf; again != nil && r.repeat == repeatNever && again(resp) {
			r.repeat = repeatIdempotent
		}
		r.resp = resp
		if c.service.cfg.loadReports {
			l.takeReport(resp, a.Start()+latency)
		}
	}
	// The trial ends with the header: a body that is never closed must not
	// keep the breaker waiting.
	if trial != noTrial && err != nil && errors.Is(c.ctx.Err(), context.DeadlineExceeded) {
		// It had all the time there was. Released, it would give the next
		// call to the same silence.
		trial.Failure()
	}
	more := r.resp != nil && !c.bodiless(r.resp)
	l.observe(a, outcome, latency, trial, generation, more)
	c.outcome, c.latency = outcome, latency
	if c.service.hedges != nil {
		c.late(outcome, latency)
	}
	if resp := r.resp; resp != nil {
		resp.Request = c.req
		inFlight = c.wrapBody(resp, *a, timeout, outcome, generation, more && trial == noTrial && outcome == balancer.Success)
	}
	c.hookAttempt(&r, latency, outcome)
	if r.resp != nil { // from here on, the body's end is the attempt's
		inFlight = false
	}
	return r
}

// drop closes a response that nobody will see.
func drop(resp *http.Response) {
	if resp != nil && resp.Body != nil {
		_ = resp.Body.Close()
	}
}

// succeed returns a response, which may be of any status.
func (c *call) succeed(resp *http.Response) (*http.Response, error) {
	c.finish()
	if c.affinity.fresh {
		c.setCookie(resp)
	}
	c.handOver(resp)
	c.hookCall(resp.StatusCode, nil)
	return resp, nil
}

// fail returns an error that says what happened.
func (c *call) fail(err, stopped error) (*http.Response, error) {
	e := &Error{Service: c.service.name, Err: err, Stopped: stopped, Earlier: c.earlier}
	if c.last != nil {
		e.Addr = c.last.endpoint.Addr()
		e.Attempts = c.sends
	}
	c.finish()
	c.passage.know(c.outcome)
	c.passage.end(c.outcome, c.latency)
	c.release()
	c.hookCall(0, e)
	return nil, e
}

// finish says that there is no further attempt, and has the caller's body
// closed as soon as the last one has let go of it.
func (c *call) finish() {
	switch {
	case c.replay != nil:
		c.replay.finish()
	case c.sends == 0:
		closeBody(c.req)
	}
}

// release frees the call's context.
func (c *call) release() {
	if c.cancel != nil {
		c.cancel()
	}
}

// discard reads what is left of a response that is not passed on, within
// bounds and while the call goes on, and closes it.
func (t *Transport) discard(body io.ReadCloser) {
	if body == http.NoBody {
		return
	}
	drain := func() {
		timer := time.AfterFunc(drainTime, func() { _ = body.Close() })
		_, _ = io.CopyN(io.Discard, body, drainLimit)
		timer.Stop()
		_ = body.Close()
	}
	if !t.start(drain) {
		_ = body.Close()
	}
}
