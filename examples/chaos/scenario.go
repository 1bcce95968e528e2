package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/transport"
)

const (
	service = "orders"
	copies  = 3
	// defaultDeadline is what callers have, if a scenario does not say
	// otherwise. The library sets none.
	defaultDeadline = 5 * time.Second
)

// A scenario is a fault, what it needs, and what must hold.
type scenario struct {
	name     string
	options  []transport.Option // none: the library's defaults
	deadline time.Duration      // of the callers; 0: defaultDeadline
	oneBad   bool               // the fault is that of one copy

	// copy returns what one copy does when all is well. Nil: work.
	copy func(w *world) http.Handler
	// fault makes something fail, and puts it right when ctx is done.
	fault func(ctx context.Context, w *world) error
	// note returns what the table says besides. It may be nil.
	note func(w *world, r *result) string
	// must says what has to hold, on any machine.
	must func(w *world, r *result, v *verdict)
}

// A world is all that takes part in a scenario.
type world struct {
	rate     int // calls per second while all is well
	deadline time.Duration
	registry *registry
	copies   []*replica
	load     *load
	meter    *meter
}

func (w *world) bad() *replica { return w.copies[0] }

func (w *world) ids() []string {
	ids := make([]string, len(w.copies))
	for i, c := range w.copies {
		ids[i] = c.id
	}
	return ids
}

// each does something to all copies at the same time, and waits.
func (w *world) each(do func(*replica) error) error {
	errs := make([]error, len(w.copies))
	var group sync.WaitGroup
	for i, c := range w.copies {
		group.Go(func() { errs[i] = do(c) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// A verdict collects what should have held and did not.
type verdict struct{ broken []string }

func (v *verdict) holds(ok bool, format string, args ...any) {
	if !ok {
		v.broken = append(v.broken, fmt.Sprintf(format, args...))
	}
}

// play runs a scenario: a sixth of the time all is well, a third something is
// not, and the rest is for what comes of it. Started is told of the world when
// it is ready.
func (s *scenario) play(ctx context.Context, length time.Duration, rate int, started func(*world)) (*world, *result, error) {
	w := &world{rate: rate, deadline: s.deadline, meter: &meter{fair: 1. / copies}}
	if w.deadline == 0 {
		w.deadline = defaultDeadline
	}
	var err error
	if w.registry, err = startRegistry(); err != nil {
		return nil, nil, err
	}
	defer w.registry.stop()
	defer func() {
		for _, c := range w.copies {
			c.stop()
		}
	}()
	for i := range copies {
		handler := http.Handler(http.HandlerFunc(work))
		if s.copy != nil {
			handler = s.copy(w)
		}
		c, err := startReplica(ctx, fmt.Sprintf("%s-%d", service, i+1), w.registry.url(), handler)
		if err != nil {
			return nil, nil, err
		}
		w.copies = append(w.copies, c)
	}
	if s.oneBad {
		w.meter.bad = w.bad().id
	}

	// The calling side: this is all that a user of the library writes, and
	// without hooks and the logger even less.
	watcher := eureka.New(w.registry.url())
	defer watcher.Close()
	t := transport.New(watcher, append([]transport.Option{
		transport.WithHooks(w.meter.hooks()),
		transport.WithLogger(slog.New(slog.DiscardHandler)),
	}, s.options...)...)
	defer t.Close()

	w.load = &load{client: &http.Client{Transport: t}, meter: w.meter, deadline: w.deadline}
	w.meter.begin = time.Now()
	started(w)
	loaded, enough := context.WithCancel(ctx)
	defer enough()
	var loads sync.WaitGroup
	loads.Go(func() { w.load.run(loaded, rate) })
	err = s.phases(ctx, length, w)
	enough()
	loads.Wait()
	w.load.calls.Wait()
	if err = errors.Join(err, ctx.Err()); err != nil {
		return nil, nil, fmt.Errorf("chaos: %s: %w", s.name, err)
	}
	return w, w.meter.result(), nil
}

func (s *scenario) phases(ctx context.Context, length time.Duration, w *world) error {
	wait(ctx, length/6)
	w.meter.fallsIll()
	ill, heal := context.WithTimeout(ctx, length/3)
	defer heal()
	if err := s.fault(ill, w); err != nil {
		return err
	}
	<-ill.Done()
	w.meter.getsWell()
	wait(ctx, length/2)
	return nil
}
