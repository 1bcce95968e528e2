package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A kind of call differs from the others in whether it may be repeated.
type kind int

const (
	get   kind = iota
	keyed      // a POST with an Idempotency-Key, which may be repeated like a GET
	post       // a POST without, which is repeated only if it was never sent
	kinds
)

// A load is callers that begin a call at fixed times, whether or not those
// before have been answered: real users do not wait for each other either.
type load struct {
	client   *http.Client
	meter    *meter
	deadline time.Duration // of a call
	number   atomic.Int64  // of the last call
	calls    sync.WaitGroup

	outstanding atomic.Int64
}

const (
	callers        = 8
	maxOutstanding = 256
)

// run makes calls at a steady rate until ctx is done. Wait for the last ones
// with calls.
func (l *load) run(ctx context.Context, rate int) {
	interval := callers * time.Second / time.Duration(rate)
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			if !wait(ctx, interval*time.Duration(i)/callers) {
				return
			}
			ticker := time.NewTicker(interval)
			defer ticker.Stop()
			for {
				l.begin()
				select {
				case due := <-ticker.C:
					l.meter.begins(time.Since(due))
				case <-ctx.Done():
					return
				}
			}
		})
	}
	group.Wait()
}

// begin begins a call, unless there are so many already that it is this machine
// that does not keep up: one more would not help it.
func (l *load) begin() {
	if l.outstanding.Add(1) > maxOutstanding {
		l.outstanding.Add(-1)
		return
	}
	l.calls.Go(func() {
		defer l.outstanding.Add(-1)
		l.call()
	})
}

// call calls the service once, by its name: two GETs, a POST that may be
// repeated, a POST that must not, and so on.
func (l *load) call() {
	n := l.number.Add(1)
	k := [...]kind{get, keyed, get, post}[n%4]
	start := time.Now()
	l.meter.ended(k, start, l.send(k, n))
}

// A statusError is a response that says that the call failed.
type statusError struct {
	code int
	own  bool // it is what the copy said
}

func (e statusError) Error() string { return http.StatusText(e.code) }

func (l *load) send(k kind, n int64) error {
	// Calls must be over before the world is: no parent but the background.
	ctx, cancel := context.WithTimeout(context.Background(), l.deadline)
	defer cancel()
	method, body := http.MethodPost, io.Reader(strings.NewReader("an order"))
	if k == get {
		method, body = http.MethodGet, nil
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+service+"/v1/orders", body)
	if err != nil {
		return err
	}
	if k == keyed {
		req.Header.Set("Idempotency-Key", fmt.Sprint(n))
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<12))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return statusError{resp.StatusCode, string(text) == ownText}
	}
	return nil
}

// wait reports whether the time passed before ctx was done.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// telling reports whether a caller is told what happened: by the copy, or by
// one error that names the service.
func telling(err error) bool {
	if s, ok := errors.AsType[statusError](err); ok {
		return s.own
	}
	return strings.Contains(err.Error(), service)
}
