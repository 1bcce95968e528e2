package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/namesake-go/namesake/transport"
	"github.com/namesake-go/namesake/transport/serve"
)

// In the scenarios of overload, a copy works on two calls at the same time,
// and the others wait. The load is 3/4 of what the copies can do while all is
// well, and twice that when it is not.
const (
	workers  = 2
	normal   = 0.75
	inFlight = workers + 1 // what a Shedder lets through: half as much again
	patience = 6           // the callers' deadline, in times of one call's work
)

// Their names.
const (
	overloadBare     = "overload, without limits"
	overloadShed     = "overload, with a serve.Shedder"
	overloadLimit    = "overload, with a limit here"
	overloadAdaptive = "overload, with an adaptive limit here"
)

// capacity is how many calls per second all copies can answer.
func (w *world) capacity() float64 { return float64(w.rate) / normal }

// perCall is how long a copy works on a call.
func (w *world) perCall() time.Duration {
	return time.Duration(workers * copies / w.capacity() * float64(time.Second))
}

// overload returns a scenario with limits at the copies, or at their caller, or
// none.
func overload(name string, shed bool, limits ...transport.Option) *scenario {
	s := &scenario{name: name, options: limits, copy: func(w *world) http.Handler {
		w.deadline = patience * w.perCall()
		handler := limited(w.perCall())
		if shed {
			handler = serve.NewShedder(serve.ShedderConfig{MaxInFlight: inFlight}).Handler(handler)
		}
		return handler
	}}
	s.fault = func(ctx context.Context, w *world) error {
		w.load.run(ctx, w.rate) // as many callers again
		return nil
	}
	s.note = func(w *world, r *result) string {
		return fmt.Sprintf("%.0f of %.0f/s answered, capacity %.0f", r.goodput(), float64(r.callsIll)/r.during.Seconds(), w.capacity())
	}
	s.must = func(w *world, r *result, v *verdict) {
		if shed || len(limits) > 0 {
			possible := min(w.capacity(), float64(r.callsIll)/r.during.Seconds())
			v.holds(r.goodput() > possible/2, "%.0f calls per second were answered of %.0f that could be", r.goodput(), possible)
		}
	}
	return s
}

// goodput is how many calls per second were answered in time.
func (r *result) goodput() float64 { return float64(r.answered) / r.during.Seconds() }

// limited works on a few calls at a time, first come, first served, and does
// not notice that a caller has given up. Few programs do.
func limited(perCall time.Duration) http.Handler {
	free := make(chan struct{}, workers)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		free <- struct{}{}
		time.Sleep(perCall)
		<-free
		_, _ = io.WriteString(w, "here you are\n")
	})
}
