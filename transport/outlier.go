package transport

import (
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/resilience"
)

// An OutlierEjectionConfig says how the endpoints of a service are compared
// with each other. The zero value means the defaults.
type OutlierEjectionConfig struct {
	// Interval is the time whose attempts are compared, and after which they
	// are. The fewer calls a service gets, the longer it has to be for the
	// numbers of attempts that Outliers asks for: a hundred of each endpoint.
	// Default 10 s, at least 1 ms; negative: off, for a service that is to be
	// an exception.
	Interval time.Duration

	// Outliers says which endpoints are ejected, and how many at a time. Those
	// that are left out by their breakers or health checks count among them.
	Outliers resilience.OutlierConfig

	// Ejection says for how long.
	Ejection resilience.EjectionConfig
}

func (c OutlierEjectionConfig) normal() OutlierEjectionConfig {
	if c.Interval == 0 {
		c.Interval = 10 * time.Second
	}
	c.Interval = max(c.Interval, time.Millisecond)
	return c
}

// A standing is what is kept about an endpoint to compare it with the others.
// A nil is that of one which is not compared.
type standing struct {
	ejection resilience.Ejection // guarded by service.mu, as is the next
	returned bool                // in this interval

	// What each attempt writes is on a cache line of its own.
	_         [64]byte
	successes atomic.Uint64 // in this interval
	failures  atomic.Uint64
	since     atomic.Int64 // by the clock of service.balancer: attempts from before are no news
}

// success and failure count an attempt.
func (s *standing) success() {
	if s != nil {
		s.successes.Add(1)
	}
}

func (s *standing) failure() {
	if s != nil {
		s.failures.Add(1)
	}
}

// predates reports whether an attempt began before the endpoint came back from
// an ejection, and so says nothing about it any more.
func (s *standing) predates(a *balancer.Attempt) bool {
	return s != nil && int64(a.Start()) < s.since.Load()
}

// ejected returns why the endpoint is ejected, or "". The caller of this and
// of what follows holds service.mu.
func (s *standing) ejected() Reason {
	if s == nil {
		return ""
	}
	switch s.ejection.Reason() {
	case resilience.ErrEjectedSuccessRate:
		return ReasonSuccessRate
	case resilience.ErrEjectedFailureRatio:
		return ReasonFailureRatio
	default:
		return ""
	}
}

// take returns what was counted, and counts from 0.
func (s *standing) take() resilience.OutlierAccount {
	return resilience.OutlierAccount{Successes: s.successes.Swap(0), Failures: s.failures.Swap(0)}
}

// outliers compares the endpoints of a service at intervals, ejects those that
// stand out, and brings them back when their time is over. A nil does nothing.
type outliers struct {
	service  *service
	cfg      *OutlierEjectionConfig
	detector *resilience.Outliers

	// The rest is guarded by service.mu.
	timer *time.Timer // runs while there are endpoints, else nil
	due   time.Time   // when the interval is over
}

func newOutliers(s *service, cfg *OutlierEjectionConfig) *outliers {
	if cfg == nil {
		return nil
	}
	return &outliers{service: s, cfg: cfg, detector: resilience.NewOutliers(cfg.Outliers)}
}

// newStanding returns that of a new endpoint.
func (o *outliers) newStanding() *standing {
	if o == nil {
		return nil
	}
	st := new(standing)
	st.since.Store(int64(o.service.balancer.Now()))
	return st
}

// begin has the endpoints looked at from now on, if there are any. The caller
// of this and the next holds service.mu.
func (o *outliers) begin() {
	if o == nil || o.timer != nil || len(o.service.endpoints) == 0 {
		return
	}
	o.due = time.Now().Add(o.cfg.Interval)
	o.timer = time.AfterFunc(o.cfg.Interval, func() {
		o.service.transport.start(o.look) // so that Close waits for it
	})
}

// end has them looked at no longer.
func (o *outliers) end() {
	if o != nil && o.timer != nil {
		o.timer.Stop()
	}
}

// look does what is due: at the end of an interval, or of an ejection.
func (o *outliers) look() {
	s := o.service
	s.locked(func() deferred {
		var candidates []*link
		for _, e := range s.sorted() {
			if l := links.Of(e); l.waits() == "" { // one that waits was never called, and so never ejected
				candidates = append(candidates, l)
			}
		}
		now := time.Now()
		changed := o.restore(candidates, now)
		if !now.Before(o.due) {
			changed = o.judge(candidates, now) || changed
			o.due = now.Add(o.cfg.Interval)
		}
		if changed {
			s.rebuild()
		}
		if len(s.endpoints) == 0 {
			o.timer = nil
			return nil
		}
		next := o.due
		for _, l := range candidates {
			if e := &l.standing.ejection; e.Ejected() && e.Until().Before(next) {
				next = e.Until()
			}
		}
		o.timer.Reset(next.Sub(now))
		return nil
	})
}

// restore brings back those whose time is over. What they did until now is
// forgotten.
func (o *outliers) restore(all []*link, now time.Time) (changed bool) {
	for _, l := range all {
		if st := l.standing; st.ejection.Ejected() && st.ejection.Tick(now) {
			changed = true
			st.returned = true
			st.since.Store(int64(o.service.balancer.Now()))
			st.take()
		}
	}
	return changed
}

// judge compares what the endpoints did in the interval, and ejects those that
// stand out. One that has been in use for all of it is forgiven an ejection.
func (o *outliers) judge(all []*link, now time.Time) (changed bool) {
	accounts := make([]resilience.OutlierAccount, len(all))
	for i, l := range all {
		accounts[i] = l.standing.take()
		accounts[i].Ejected = l.ails() != ""
	}
	changed = o.detector.Judge(accounts)
	for i, l := range all {
		st := l.standing
		switch verdict := accounts[i].Verdict; {
		case verdict != 0:
			st.ejection.Eject(o.cfg.Ejection, verdict, now)
		case !st.returned:
			st.ejection.Tick(now)
		}
		st.returned = false
	}
	return changed
}
