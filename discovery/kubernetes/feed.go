package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/namesake-go/namesake/discovery/internal/retry"
)

const (
	maxRetry = 30 * time.Second

	// A watch that has lasted for so long was a success, whatever ended it.
	steady = 10 * time.Second

	// After so many watches in a row that broke off before that, they are not
	// trusted to bring anything.
	maxBroken = 3

	// All slices are listed again once in a while, in case an event was lost,
	// or the server's versions went back when its store was restored.
	relistEvery = time.Hour
)

// A feed follows the slices of one Service for all watches of it. It begins
// with the first watch and ends with the last.
type feed struct {
	c       *Client
	name    name
	cancel  context.CancelFunc
	done    chan struct{} // closed when run has returned
	watches int           // guarded by the client's mu
	board   board

	// Of run alone:
	retry   *retry.Schedule
	version string    // of what is on the board; empty asks for a list
	listed  time.Time // when all slices were last listed
	read    time.Time // when the server last said something
	broken  int       // watches in a row that broke off too early
	failing bool
}

func newFeed(c *Client, n name, cancel context.CancelFunc) *feed {
	return &feed{c: c, name: n, cancel: cancel, done: make(chan struct{}), retry: retry.New(maxRetry)}
}

// run lists and watches until ctx is done.
func (f *feed) run(ctx context.Context) {
	defer close(f.done)
	for pause := time.Duration(0); retry.Sleep(ctx, pause); {
		watching := f.version != ""
		var err error
		if watching {
			err = f.watch(ctx)
		} else {
			err = f.list(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		pause = 0
		switch {
		case err == nil:
		case watching && errors.Is(err, errExpired):
			f.c.log.Debug("endpoint slices are listed again", "service", f.name.String(), "error", err)
			if time.Since(f.listed) < steady { // which did not help
				pause = f.retry.Delay()
			}
		case errors.Is(err, errLost) && f.broken < maxBroken:
			f.c.log.Debug("watch of endpoint slices broke off", "service", f.name.String(), "error", err)
			pause = f.retry.Delay()
		default:
			if errors.Is(err, errLost) {
				f.version = ""
			}
			f.fail(err)
			pause = max(f.retry.Delay(), retryAfter(err))
		}
	}
}

// list reads all slices.
func (f *feed) list(ctx context.Context) error {
	all, version, err := f.c.list(ctx, f.name)
	if err != nil {
		return err
	}
	f.version, f.listed = version, time.Now()
	f.well(func() { f.board.replace(all) })
	return nil
}

// watch follows the changes since the version, and goes back to listing if it
// cannot be continued.
func (f *feed) watch(ctx context.Context) error {
	if time.Since(f.listed) >= relistEvery {
		f.version = ""
		return nil
	}
	s, err := f.c.watch(ctx, f.name, f.version)
	if errors.Is(err, errExpired) {
		f.version = ""
	}
	if err != nil {
		return err
	}
	defer s.close()
	begun := time.Now()
	f.well(f.board.confirm)
	for {
		e, err := s.next()
		if time.Since(begun) >= steady {
			f.retry.Reset()
			f.broken = 0
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errLost):
			f.broken++
			return fmt.Errorf("%s: %w", f.c.access.server, err)
		case err != nil:
			f.version = ""
			return fmt.Errorf("%s: %w", f.c.access.server, err)
		}
		f.version, f.read = e.version, time.Now()
		if e.slice != nil && !f.board.apply(e) {
			f.version = ""
			return f.c.tooMany()
		}
	}
}

// well publishes what the server has said.
func (f *feed) well(publish func()) {
	f.read = time.Now()
	publish()
	if f.failing {
		f.failing = false
		f.c.log.Info("endpoint slices can be read again", "service", f.name.String())
	}
}

// fail tells everyone that the slices cannot be read.
func (f *feed) fail(err error) {
	if f.read.IsZero() {
		err = fmt.Errorf("kubernetes: endpoint slices of %s not read yet: %w", f.name, err)
	} else {
		err = fmt.Errorf("kubernetes: endpoint slices of %s not read for %v: %w", f.name, time.Since(f.read).Round(time.Millisecond), err)
	}
	f.board.fail(err)
	if !f.failing {
		f.failing = true
		f.c.log.Warn("endpoint slices cannot be read", "service", f.name.String(), "error", err)
	}
}
