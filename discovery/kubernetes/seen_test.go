package kubernetes_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/kubernetes"
)

// A seen is what a watch of a real service has yielded.
type seen struct {
	t    testing.TB
	sets chan []discovery.Instance
	errs chan error
}

// see follows a service until the test ends.
func see(t testing.TB, w discovery.Watcher, service string) *seen {
	t.Helper()
	s := &seen{t: t, sets: make(chan []discovery.Instance, 1000), errs: make(chan error, 1000)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // until the test ends
		defer close(done)
		for set, err := range w.Watch(ctx, service) {
			if err != nil {
				s.errs <- err
			} else {
				s.sets <- set
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return s
}

const patience = time.Minute

// set waits for a set, past others.
func (s *seen) set(want string) {
	s.t.Helper()
	timeout := time.After(patience)
	last := "nothing"
	for last != want {
		select {
		case set := <-s.sets:
			last = brief(set)
		case <-timeout:
			require.FailNow(s.t, "no such set", "wanted %q, last was %q", want, last)
		}
	}
}

// err waits for the next error.
func (s *seen) err() error {
	s.t.Helper()
	select {
	case err := <-s.errs:
		return err
	case <-time.After(patience):
		require.FailNow(s.t, "no error")
	}
	return nil
}

// refusal waits for the server to refuse a request, past errors of the
// connection.
func (s *seen) refusal() *kubernetes.StatusError {
	s.t.Helper()
	for {
		if refused, ok := errors.AsType[*kubernetes.StatusError](s.err()); ok {
			return refused
		}
	}
}
