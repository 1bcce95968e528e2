package discovery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"sync"
	"time"
)

// SnapshotConfig says how [Snapshot] keeps sets. The zero value is the default.
type SnapshotConfig struct {
	// Patience is how long a watch waits for the registry's first word before
	// it yields the saved set. Zero means 1 s; negative means not at all.
	Patience time.Duration

	// MaxAge is how old a saved set may be to be used: the time since the
	// registry last stood by it. Zero means 24 h; negative means no bound.
	MaxAge time.Duration

	// Interval is the least time between two writes of a service's set. Zero
	// means 10 s; less than 1 s counts as 1 s.
	Interval time.Duration
}

const (
	defaultSnapshotPatience = time.Second
	defaultSnapshotAge      = 24 * time.Hour
	defaultSnapshotInterval = 10 * time.Second
	minSnapshotInterval     = time.Second

	// snapshotEmptyGrace is how long an empty set must stand before the saved
	// one is given up for it.
	snapshotEmptyGrace = time.Minute

	// sameAnswer is how soon after a set an error belongs to the same answer,
	// and names what is missing from it.
	sameAnswer = 10 * time.Millisecond
)

func (c SnapshotConfig) withDefaults() SnapshotConfig {
	if c.Patience == 0 {
		c.Patience = defaultSnapshotPatience
	}
	if c.MaxAge == 0 {
		c.MaxAge = defaultSnapshotAge
	}
	if c.Interval == 0 {
		c.Interval = defaultSnapshotInterval
	}
	c.Interval = max(c.Interval, minSnapshotInterval)
	return c
}

// refresh returns how often a set that does not change is written again, for
// the sake of its age.
func (c SnapshotConfig) refresh() time.Duration {
	age := c.MaxAge
	if age < 0 {
		age = defaultSnapshotAge
	}
	return max(age/24, c.Interval)
}

// Snapshot returns a [Watcher] that keeps the last set of each service of w in
// a folder, so that a process that starts while the registry is down knows what
// it would know had it gone on running.
//
// A watch yields what w does. The registry's word counts: only if there is no
// set yet after cfg.Patience, or w yields an error first, [ErrUnknownService]
// included, is the saved set yielded, followed by an error that says how old
// it is and wraps what w said. It stands until w yields a set. A set that is
// older than cfg.MaxAge is not used, which is an error; where none has been
// saved, a watch is that of w.
//
// A set is saved when it comes, or cfg.Interval after the last was, and again
// every 24th part of cfg.MaxAge while it stands and no error does, so that its
// age is that of the registry's last word. One that was to be saved is saved
// when the watch ends. An empty set is yielded like any other, but saved only
// after a minute, since a registry that has lost its memory has none: until
// then a process that starts finds the set before it. Saving an empty set means
// to remove the file.
//
// The folder is made when it is needed, for the user alone. It has one file for
// each service, with a checksum. Files are replaced whole, even when the machine
// crashes, and several processes that follow the same registry may share a
// folder. Files are written apart from the news, and a disk that is full or slow
// delays nothing but the end of a watch. What cannot be saved, or is damaged, is
// an error that names the file, and costs no set. A failure to save is yielded
// once, and the set again when it is over.
//
// Readers of a service share one watch, as with [Share]. Whoever can write to
// the folder decides where calls go while the registry is down.
func Snapshot(w Watcher, folder string, cfg SnapshotConfig) Watcher {
	if w == nil {
		panic("discovery: Snapshot of a nil Watcher")
	}
	cfg = cfg.withDefaults()
	return Share(&snapshots{watcher: w, cfg: cfg, store: &snapshotStore{folder: folder, maxAge: cfg.MaxAge}})
}

type snapshots struct {
	watcher Watcher
	cfg     SnapshotConfig
	store   *snapshotStore
}

// Watch implements [Watcher].
func (s *snapshots) Watch(ctx context.Context, service string) iter.Seq2[[]Instance, error] {
	return func(yield func([]Instance, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel() // runs first
		f := &snapshotFeed{snapshots: s, service: service, heard: make(chan struct{})}
		running.Go(func() {
			for set, err := range s.watcher.Watch(ctx, service) {
				f.hear(set, err)
			}
		})
		running.Go(func() { f.restore(ctx) })
		running.Go(func() { f.keep(ctx) })
		f.news.watch(ctx, yield)
	}
}

// A snapshotFeed is one watch: what the registry says, and the disk beside it.
type snapshotFeed struct {
	*snapshots
	service string
	heard   chan struct{} // closed by the first word of the registry

	registry latest // what it says
	news     latest // what is yielded

	mu      sync.Mutex // guards the rest; registry and news are locked within it
	decided bool       // whether the saved set is used, or not needed
	failure error      // of the registry, before that
	said    time.Time  // when the registry said its last set
	good    bool       // it stands by that
	stood   time.Time  // when it last did
}

// hear takes in what the registry says.
func (f *snapshotFeed) hear(set []Instance, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n, _ := f.registry.load(); n.setAt == 0 && n.errAt == 0 {
		defer close(f.heard)
	}
	now := time.Now()
	if err == nil {
		f.registry.publish(set)
		f.news.publish(set)
		f.decided, f.good, f.said, f.stood = true, true, now, now
		return
	}
	f.registry.fail(err)
	if f.good && now.Sub(f.said) >= sameAnswer {
		f.good, f.stood = false, now
	}
	if f.decided {
		f.news.fail(err)
	} else {
		f.failure = err // restore says it
	}
}

// restore yields the saved set if the registry yields none in time.
func (f *snapshotFeed) restore(ctx context.Context) {
	patience := time.NewTimer(f.cfg.Patience)
	defer patience.Stop()
	select {
	case <-f.heard:
	case <-patience.C:
	case <-ctx.Done():
		return
	}
	if f.isDecided() {
		return
	}
	saved, err := f.store.load(f.service)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.decided {
		return // a set came just in time
	}
	f.decided = true
	switch {
	case err == nil:
		cause := f.failure
		if cause == nil {
			cause = errors.New("the registry has not answered yet")
		}
		f.news.publish(saved.set)
		f.news.fail(fmt.Errorf("discovery: the set of %q is one saved %v ago: %w", f.service, saved.age, cause))
	case !errors.Is(err, fs.ErrNotExist):
		f.news.fail(errors.Join(fmt.Errorf("discovery: the saved set of %q is not used: %w", f.service, err), f.failure))
	case f.failure != nil:
		f.news.fail(f.failure)
	}
}

func (f *snapshotFeed) isDecided() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.decided
}
