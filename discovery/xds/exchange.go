package xds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/namesake-go/namesake/discovery/internal/retry"
)

// maxNackDelay bounds how long the second and further rejections in a row are
// held back. There are planes that answer each by sending the same again.
const maxNackDelay = 10 * time.Second

// A stream is one of the variants of the protocol.
type stream interface {
	// ask subscribes to these resources and no others.
	ask(wanted map[string]*resource) error

	// answer acknowledges a response, or rejects it. Missing are the names that
	// the plane has been asked for on this stream and said nothing of.
	answer(r *response, fault error, missing map[string]bool) error

	// recv waits for a response.
	recv() (*response, error)
}

// An exchange is what is said on one stream. All of it is of one goroutine.
type exchange struct {
	s        *session
	ctx      context.Context
	cancel   context.CancelCauseFunc
	stream   stream
	answered bool

	asked   map[string]*resource // what the plane has been asked for
	missing map[string]bool      // of these, what it has said nothing of
	due     []due                // when it should have, the earliest first

	rejected bool            // so was the last response
	nacks    *retry.Schedule // of rejections in a row
	pending  *verdict        // a rejection that is held back
}

// due is until when a resource should have been sent.
type due struct {
	r    *resource
	time time.Time
}

// A verdict is what is to be answered to a response.
type verdict struct {
	response *response
	fault    error
	time     time.Time // when to send it
}

// run asks, listens and answers until something fails.
func (x *exchange) run(responses <-chan incoming) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	err := x.sync()
	for {
		if err != nil {
			return x.reason(err, responses)
		}
		if next, ok := x.next(); ok {
			timer.Reset(time.Until(next))
		} else {
			timer.Stop()
		}
		select {
		case <-x.ctx.Done():
			return context.Cause(x.ctx)
		case <-x.s.wake:
			err = x.sync()
		case in := <-responses:
			if in.err != nil {
				return ended(in.err)
			}
			err = x.take(in.response)
		case <-timer.C:
			x.expire()
			if x.pending != nil && !time.Now().Before(x.pending.time) {
				err = x.flush()
			}
		}
	}
}

// reason returns why a stream has ended, where sending says only that it has.
func (x *exchange) reason(err error, responses <-chan incoming) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	for {
		select {
		case in := <-responses:
			if in.err != nil {
				return ended(in.err)
			}
		case <-x.ctx.Done():
			return context.Cause(x.ctx)
		}
	}
}

// ended says that the plane has ended a stream, where gRPC says nothing.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the control plane has ended the stream")
	}
	return err
}

// sync asks for what is wanted now.
func (x *exchange) sync() error {
	wanted := x.s.wanted()
	if len(wanted) == 0 || x.asked != nil && maps.Equal(wanted, x.asked) {
		return nil // without any, the session is about to end; to ask for none would mean all
	}
	if err := x.flush(); err != nil {
		return err
	}
	for name := range x.missing {
		if wanted[name] == nil {
			delete(x.missing, name)
		}
	}
	until := time.Now().Add(x.s.c.timeout)
	for name, r := range wanted {
		if x.asked[name] == nil && !r.settled() {
			x.missing[name] = true
			x.due = append(x.due, due{r, until})
		}
	}
	x.asked = wanted
	return x.send(func() error { return x.stream.ask(wanted) })
}

// next returns when something is to be done of itself.
func (x *exchange) next() (next time.Time, ok bool) {
	if len(x.due) > 0 {
		next, ok = x.due[0].time, true
	}
	if x.pending != nil && (!ok || x.pending.time.Before(next)) {
		next, ok = x.pending.time, true
	}
	return next, ok
}

// expire says of the resources that should have been sent that they were not.
// They are waited for all the same.
func (x *exchange) expire() {
	for len(x.due) > 0 && !time.Now().Before(x.due[0].time) {
		r := x.due[0].r
		x.due = x.due[1:]
		if x.missing[r.name] && x.asked[r.name] == r {
			r.missing(x.s.c.timeout)
		}
	}
}

// take takes in a response, and answers it.
func (x *exchange) take(r *response) error {
	if r.typeURL != typeURL {
		x.s.c.log.Warn("xds: a response of a type that was not asked for", "type", r.typeURL)
		return nil
	}
	if err := x.flush(); err != nil {
		return err
	}
	x.answered = true
	v := &verdict{response: r, fault: x.apply(r), time: time.Now()}
	switch {
	case v.fault == nil:
		x.nacks.Reset()
	case x.rejected:
		v.time = v.time.Add(x.nacks.Delay())
	}
	if v.fault != nil {
		x.s.c.log.Warn("xds: rejected a response", "version", r.version, "error", v.fault)
	}
	x.rejected = v.fault != nil
	x.pending = v
	if time.Now().Before(v.time) {
		return nil
	}
	return x.flush()
}

// flush sends the answer that is held back.
func (x *exchange) flush() error {
	v := x.pending
	if v == nil {
		return nil
	}
	x.pending = nil
	return x.send(func() error { return x.stream.answer(v.response, v.fault, x.missing) })
}

func (x *exchange) send(call func() error) error {
	return x.within(sendTimeout, "room for a request", call)
}

// within calls something that ends with the stream, and ends that if it takes
// longer than d.
func (x *exchange) within(d time.Duration, what string, call func() error) error {
	late := errors.New("no " + what + " within " + d.String())
	timer := time.AfterFunc(d, func() { x.cancel(late) })
	defer timer.Stop()
	err := call()
	if err != nil && context.Cause(x.ctx) == late { //nolint:errorlint // this very one
		return fmt.Errorf("%w: %v", late, err)
	}
	return err
}
