package serve

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/resilience"
)

// The defaults of a [ShedderConfig].
const (
	// DefaultMaxInFlight keeps a copy alive, rather than fast: it is more than
	// most handlers can do at the same time, and less than what makes a
	// program run out of memory.
	DefaultMaxInFlight = 1000

	// DefaultMaxWait is CoDel's interval (RFC 8289): long enough for a burst to
	// be worked off, short enough for a caller to try another copy.
	DefaultMaxWait = 100 * time.Millisecond

	// DefaultRetryAfter is the shortest time but none that the header can say.
	DefaultRetryAfter = time.Second

	maxRetryAfter = 24 * time.Hour
)

// A ShedderConfig says how much a [Shedder] lets through.
type ShedderConfig struct {
	// MaxInFlight is how many requests are handled at the same time. By
	// Little's law it is the requests per second that a copy can do, times the
	// seconds that one takes while all is well; a margin of a half on top lets
	// bursts through. Default, also for what is below 1, is
	// [DefaultMaxInFlight].
	MaxInFlight int

	// MaxQueue is how many more may wait for their turn, first come, first
	// served. A short queue evens out bursts; a long one only makes everybody
	// wait for what they could have had elsewhere. Default 0: nobody waits.
	MaxQueue int

	// MaxWait bounds that wait. When the queue has not been empty for that
	// long, there is lasting overload and no burst to be evened out: who comes
	// then waits for a twentieth of it only, until there is a moment in which
	// nobody waits. Default, also for what is below 0, is [DefaultMaxWait], and
	// so 5 ms.
	MaxWait time.Duration

	// RetryAfter is what the Retry-After header of a refusal says at least, in
	// whole seconds, rounded up. Default [DefaultRetryAfter]; negative: 0
	// seconds, which means "elsewhere, and at once"; a day at most.
	RetryAfter time.Duration

	// RetryJitter is how much longer it may be: each refusal says a number of
	// seconds between RetryAfter and RetryAfter + RetryJitter, so that those
	// who were sent away together do not come back together. Default: as long
	// as RetryAfter; negative: none.
	RetryJitter time.Duration

	// Exempt picks requests that are let through and not counted, such as a
	// supervisor's probes: a copy with much to do is not ill. It must not read
	// the body. Nil exempts none. See [Paths].
	Exempt func(*http.Request) bool
}

func (c ShedderConfig) normal() ShedderConfig {
	if c.MaxInFlight <= 0 {
		c.MaxInFlight = DefaultMaxInFlight
	}
	c.MaxQueue = max(c.MaxQueue, 0)
	if c.MaxWait <= 0 {
		c.MaxWait = DefaultMaxWait
	}
	if c.RetryAfter == 0 {
		c.RetryAfter = DefaultRetryAfter
	}
	c.RetryAfter = min(max(c.RetryAfter, 0), maxRetryAfter)
	if c.RetryJitter == 0 {
		c.RetryJitter = c.RetryAfter
	}
	c.RetryJitter = min(max(c.RetryJitter, 0), maxRetryAfter)
	if c.Exempt == nil {
		c.Exempt = func(*http.Request) bool { return false }
	}
	return c
}

// Paths returns a function for [ShedderConfig].Exempt that picks the requests
// for these paths, compared as they are.
func Paths(paths ...string) func(*http.Request) bool {
	paths = slices.Clone(paths)
	return func(r *http.Request) bool { return slices.Contains(paths, r.URL.Path) }
}

// A Shedder refuses requests while there is enough to do, so that those that
// are let through are answered in time. A refusal is a 503 with a Retry-After
// header, given before anything of the request's body has been read. Package
// transport understands it: the copy is busy, not ill, and the call goes to
// another one.
//
// Handlers that share a Shedder share its limit, a [resilience.Limit]. Its methods may be called
// concurrently; a request that is let through at once costs no allocation.
type Shedder struct {
	cfg       ShedderConfig
	limit     *resilience.Limit
	admitted  atomic.Uint64
	shed      atomic.Uint64
	abandoned atomic.Uint64
}

// NewShedder returns a Shedder. The zero value of the config holds the
// defaults.
func NewShedder(cfg ShedderConfig) *Shedder {
	cfg = cfg.normal()
	return &Shedder{cfg: cfg, limit: resilience.NewLimit(resilience.LimitConfig{
		MaxInFlight: cfg.MaxInFlight, Queue: cfg.MaxQueue, MaxWait: cfg.MaxWait,
	})}
}

// Handler returns a handler that calls next as long as the limit allows it.
//
// A request holds its slot until next returns, however it returns. So one that
// streams holds it for as long as it streams: give those a Shedder of their
// own, or exempt them. A connection that was hijacked holds a slot no longer
// than the handler that did it runs.
//
// A request that waits in the queue leaves it when its context is done. Behind
// [Deadline], which then must be outside of this handler, that is when its
// caller stops to wait.
func (s *Shedder) Handler(next http.Handler) http.Handler {
	if next == nil {
		panic("serve: a shedder for a nil handler")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.cfg.Exempt(r):
			next.ServeHTTP(w, r)
		case s.admit(r.Context()):
			defer s.limit.Release() // also if the handler panics
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", s.retryAfter())
			answer(w, http.StatusServiceUnavailable, "too busy\n")
		}
	})
}

// admit takes a slot, and waits for it if that is allowed.
func (s *Shedder) admit(ctx context.Context) bool {
	switch {
	case s.limit.Acquire(ctx) == nil:
		s.admitted.Add(1)
		return true
	case errors.Is(ctx.Err(), context.Canceled):
		s.abandoned.Add(1)
	default:
		s.shed.Add(1)
	}
	return false
}

// retryAfter draws whole seconds, since the header can say no others.
func (s *Shedder) retryAfter() string {
	least := (s.cfg.RetryAfter + time.Second - 1) / time.Second
	most := max(least, (s.cfg.RetryAfter+s.cfg.RetryJitter)/time.Second)
	return strconv.FormatInt(int64(least+rand.N(most-least+1)), 10)
}

// ShedderStats are figures for a metrics page. Requests that are exempt are in
// none of them.
type ShedderStats struct {
	InFlight  int    // handled now
	Waiting   int    // for their turn, now
	Admitted  uint64 // let through so far, at once or after a wait
	Shed      uint64 // refused so far
	Abandoned uint64 // whose callers left before there was a slot, so far
}

// Stats returns the figures of the moment. They are read one after the other:
// while requests come and go they need not add up.
func (s *Shedder) Stats() ShedderStats {
	return ShedderStats{
		InFlight:  s.limit.InFlight(),
		Waiting:   s.limit.Waiting(),
		Admitted:  s.admitted.Load(),
		Shed:      s.shed.Load(),
		Abandoned: s.abandoned.Load(),
	}
}
