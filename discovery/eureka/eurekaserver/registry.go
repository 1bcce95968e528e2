package eurekaserver

import (
	"maps"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// key names an instance: ids are unique inside their application only.
type key struct{ app, id string }

// A registry holds the leases and applies the rules by which they change. It
// knows nothing of HTTP. Its methods may be called concurrently.
type registry struct {
	epoch             string
	overrideRetention time.Duration
	maxEntries        int // of metadata
	hooks             hooks
	protection        atomic.Pointer[string] // the header that says that leases are protected, or nil

	mu        sync.Mutex // guards everything below
	rev       uint64     // grows by one with every change
	apps      map[string]*application
	byName    []*application // the same, in order
	counts    map[wire.Status]int
	overrides map[key]override
	forgotten time.Time // when overrides were last gone through
	changes   changeLog
	history   history
	views     views
	news      chan struct{} // closed and replaced at every change
	expiry    leaseHeap
	guard     guard
	timer     *time.Timer // fires no later than the first lease is due; nil until there is one
	totals    Totals
	closed    bool
	clock     clock
	graves    graveyard

	evicting sync.WaitGroup // runs of evict; Add under mu
}

// hooks are called without the registry's lock.
type hooks struct {
	evicted   func([]wire.Instance)
	protected func(Preservation) // the protection has begun or ended
}

func newRegistry(s *settings, h hooks) *registry {
	now := time.Now()
	r := &registry{
		epoch:             strconv.FormatUint(rand.Uint64(), 36),
		overrideRetention: s.overrideRetention,
		maxEntries:        s.limits.MetadataEntries,
		hooks:             h,
		apps:              make(map[string]*application),
		counts:            make(map[wire.Status]int),
		overrides:         make(map[key]override),
		changes:           newChangeLog(s.deltaRetention),
		news:              make(chan struct{}),
		clock:             clock{node: rand.Uint32()},
		graves:            newGraveyard(false),
	}
	if s.netflix != nil {
		r.guard = newNetflixRules(*s.netflix, now)
	} else {
		r.guard = newPreservation(s.preservation, now)
	}
	return r
}

// close ends eviction and waits for a run that is under way.
func (r *registry) close() {
	r.mu.Lock()
	r.closed = true
	if r.timer != nil {
		r.timer.Stop()
	}
	r.mu.Unlock()
	r.evicting.Wait()
}

// register takes in an instance that is complete: see admit. It reports
// whether the instance is new.
func (r *registry) register(in wire.Instance, replica bool) (status wire.Status, isNew bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.registerLocked(in, replica)
}

func (r *registry) registerLocked(in wire.Instance, replica bool) (status wire.Status, isNew bool) {
	now := time.Now()
	k := key{in.App, in.ID()}
	old := r.lease(k)
	straggler := old != nil && old.info.LastDirty > in.LastDirty
	if straggler {
		in = old.info // what is known is newer
	}
	l := &lease{key: k, info: in, registered: now, renewed: now}
	var held wire.Status
	if old != nil {
		held = old.info.Status
		l.serviceUp = old.serviceUp
		r.drop(old)
	}
	_, known := r.override(k, now)
	brought := !known && in.OverriddenStatus != wire.Unknown
	if brought {
		r.overrides[k] = override{status: in.OverriddenStatus}
	}
	over, overridden := r.override(k, now)
	l.info.OverriddenStatus = wire.Unknown
	if overridden {
		l.info.OverriddenStatus = over
		r.overrides[k] = override{status: over} // as long as the lease lives
	}
	l.info.Status = decide(in.Status, over, held, replica)
	own := in.Status
	if !overridden {
		own = l.info.Status
	}
	r.stampRegistration(l, old, own, straggler, brought)
	l.noteUp(now)
	r.guard.joined(l, old, now)
	r.hold(l)
	r.publish(l, wire.Added, now)
	if old == nil {
		r.totals.Registrations++
	}
	return l.info.Status, old == nil
}

// cancel removes an instance and its override.
func (r *registry) cancel(k key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lease(k)
	if l == nil {
		return false
	}
	now := time.Now()
	delete(r.overrides, k)
	r.bury(l, true, now)
	r.end(l, now)
	r.totals.Cancellations++
	return true
}

// merge adds entries to an instance's metadata, as another registration with
// the same version would. It refuses to let the metadata grow over limit
// bytes.
func (r *registry) merge(k key, entries map[string]string, limit int64) (found, fits bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lease(k)
	if l == nil {
		return false, false
	}
	// A new map: snapshots share the old one.
	merged := make(map[string]string, len(l.info.Metadata)+len(entries))
	maps.Copy(merged, l.info.Metadata)
	maps.Copy(merged, entries)
	if metadataBytes(merged) > limit || len(merged) > r.maxEntries {
		return true, false
	}
	in := l.info
	in.Metadata = merged
	in.Status = l.own
	r.registerLocked(in, false)
	r.stampData(r.lease(k), l.versions)
	return true, true
}

// instance returns one instance.
func (r *registry) instance(k key) (wire.Instance, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.lease(k); l != nil {
		return l.published(), true
	}
	return wire.Instance{}, false
}

// anywhere returns the first instance with the id, by order of application.
func (r *registry) anywhere(id string) (wire.Instance, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, app := range r.byName {
		if l := app.leases[id]; l != nil {
			return l.published(), true
		}
	}
	return wire.Instance{}, false
}

func (r *registry) lease(k key) *lease {
	if app := r.apps[k.app]; app != nil {
		return app.leases[k.id]
	}
	return nil
}

// hold takes a lease in, drop takes it out; both leave telling to others.
func (r *registry) hold(l *lease) {
	app := r.apps[l.key.app]
	if app == nil {
		app = &application{name: l.key.app, leases: make(map[string]*lease)}
		r.apps[app.name] = app
		r.byName = insertByName(r.byName, app)
	}
	app.leases[l.key.id] = l
	r.counts[l.info.Status]++
	r.schedule(l)
}

func (r *registry) drop(l *lease) {
	app := r.apps[l.key.app]
	delete(app.leases, l.key.id)
	if len(app.leases) == 0 {
		delete(r.apps, app.name)
		r.byName = deleteByName(r.byName, app.name)
	}
	r.counts[l.info.Status]--
	r.unschedule(l)
}

// end drops a lease and tells everyone.
func (r *registry) end(l *lease, now time.Time) {
	r.drop(l)
	r.guard.left(l, now)
	l.ended = now
	r.publish(l, wire.Deleted, now)
}

func (r *registry) setStatus(l *lease, status wire.Status, now time.Time) {
	r.counts[l.info.Status]--
	l.info.Status = status
	r.counts[status]++
	l.noteUp(now)
}

// publish makes the state of a lease the news.
func (r *registry) publish(l *lease, action wire.Action, now time.Time) {
	l.info.Action = action
	l.info.LastUpdated = now.UnixMilli()
	rec := newRecord(l.key.id, l.published())
	if app := r.apps[l.key.app]; app != nil {
		if action == wire.Deleted {
			app.hide(rec.id)
		} else {
			app.show(rec)
		}
	}
	r.rev++
	r.history.add(r.rev, l, action, now)
	r.changes.add(change{rev: r.rev, at: now, key: l.key, rec: rec})
	r.views = views{}
	close(r.news)
	r.news = make(chan struct{})
}
