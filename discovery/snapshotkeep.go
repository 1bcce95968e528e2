package discovery

import (
	"context"
	"fmt"
	"time"
)

// keep saves the registry's sets until ctx is done, and then the last.
func (f *snapshotFeed) keep(ctx context.Context) {
	var (
		saved   uint64    // the number of the set that is on disk
		tried   time.Time // when to write was last tried
		failing bool
	)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		over := ctx.Err() != nil // before the news, so that none is missed that came before the end
		n, changed := f.registry.load()
		said, good := f.standing()
		var due time.Time // zero means never
		switch {
		case n.setAt == 0:
		case n.setAt != saved && over:
			due = time.Now()
			if len(n.set) == 0 {
				due = said.Add(snapshotEmptyGrace)
			}
		case n.setAt != saved:
			due = tried.Add(f.cfg.Interval)
			if empty := said.Add(snapshotEmptyGrace); len(n.set) == 0 && due.Before(empty) {
				due = empty
			}
		case failing:
			due = tried.Add(f.cfg.Interval)
		case good && len(n.set) > 0:
			due = tried.Add(f.cfg.refresh())
		}
		wait := time.Until(due)
		if !due.IsZero() && wait <= 0 {
			err := f.save(n.set)
			tried = time.Now()
			if err == nil {
				saved = n.setAt
			}
			f.report(err, failing)
			failing = err != nil
			if !over {
				continue
			}
		}
		if over {
			return
		}
		if due.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(wait)
		}
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// standing returns when the registry said its set, and whether it stands by it.
func (f *snapshotFeed) standing() (said time.Time, good bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.said, f.good
}

// save writes a set with the time at which the registry last stood by it.
func (f *snapshotFeed) save(set []Instance) error {
	f.mu.Lock()
	if f.good {
		f.stood = time.Now()
	}
	at := f.stood
	f.mu.Unlock()
	var err error
	if len(set) == 0 {
		err = f.store.remove(f.service)
	} else {
		err = f.store.save(f.service, set, at)
	}
	if err != nil {
		return fmt.Errorf("discovery: the set of %q is not saved: %w", f.service, err)
	}
	return nil
}

// report yields an error of the disk that is new, and what the registry says
// when it is over.
func (f *snapshotFeed) report(err error, failing bool) {
	if (err != nil) == failing {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.news.fail(err)
		return
	}
	n, _ := f.registry.load()
	f.news.publish(n.set)
	if n.errAt > n.setAt {
		f.news.fail(n.err)
	}
}
