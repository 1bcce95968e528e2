package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport/serve"
)

const (
	workTime = 4 * time.Millisecond // what a call takes a copy
	// Both registries tell callers within a tenth of a second.
	lameDuck = 500 * time.Millisecond
	drain    = 300 * time.Millisecond
)

// A fleet is the copies of the service.
type fleet struct {
	count   int // ever started
	running []*replica
}

// A replica is one copy. In a program of its own, it would be the main
// function.
type replica struct {
	stop  context.CancelFunc
	ended chan error // holds what serve.Run returned
}

// replace starts new copies, and stops those that there were, one by one.
func (f *fleet) replace(ctx context.Context, registrar discovery.Registrar) error {
	before := f.running
	f.running = nil
	for i := range copies {
		r, err := f.start(ctx, registrar)
		if err != nil {
			return errors.Join(err, end(before))
		}
		f.running = append(f.running, r)
		if i < len(before) {
			before[i].stop()
		}
	}
	return end(before)
}

// start returns when the copy has been announced.
func (f *fleet) start(ctx context.Context, registrar discovery.Registrar) (*replica, error) {
	f.count++
	id := fmt.Sprintf("%s-%d", service, f.count)
	announced := make(chan struct{})
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	r := &replica{stop: stop, ended: make(chan error, 1)}
	go func() { // awaited by end
		r.ended <- serve.Run(running, announcer{registrar, announced}, service, http.HandlerFunc(answer), serve.Config{
			Addr:     "127.0.0.1:0",
			Instance: discovery.Instance{ID: id},
			LameDuck: lameDuck,
			Drain:    drain,
		})
	}()
	select {
	case <-announced:
		return r, nil
	case err := <-r.ended:
		stop()
		return nil, fmt.Errorf("migration: %s: %w", id, err)
	}
}

// An announcer says when a copy has been announced.
type announcer struct {
	discovery.Registrar
	announced chan struct{}
}

func (a announcer) Register(ctx context.Context, service string, in discovery.Instance) (discovery.Registration, error) {
	registration, err := a.Registrar.Register(ctx, service, in)
	if err == nil {
		close(a.announced)
	}
	return registration, err
}

func answer(w http.ResponseWriter, _ *http.Request) {
	time.Sleep(workTime)
	_, _ = fmt.Fprintln(w, "here you are")
}

func (f *fleet) started() int { return f.count }

func (f *fleet) stop() error { return end(f.running) }

// end stops copies, and waits for them.
func end(all []*replica) error {
	var errs []error
	for _, r := range all {
		r.stop()
	}
	for _, r := range all {
		errs = append(errs, <-r.ended)
	}
	return errors.Join(errs...)
}
