package eurekaserver

import (
	"cmp"
	"reflect"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// This is the part of the registry that keeps the versions by which servers
// agree. The methods that are not exported by name to handlers must be called
// with mu held.

// stampRegistration gives a lease that takes the place of old, or of nothing,
// the versions that follow from a registration. straggler says that the
// registration was older than what was known; overridden that it brought an
// override with it.
func (r *registry) stampRegistration(l, old *lease, own wire.Status, straggler, overridden bool) {
	s := r.clock.tick()
	switch {
	case old != nil:
		l.versions = old.versions
	default:
		if t := r.graves.get(l.key, l.renewed); t != nil {
			l.versions = t.versions
			r.graves.remove(l.key)
		}
	}
	l.versions.registered, l.versions.renewed = s, s
	if straggler {
		l.own = old.own
	} else {
		l.versions.data, l.versions.status = s, s
		l.own = own
	}
	if overridden {
		l.versions.override = s
	}
}

// stampData notes that somebody else than the instance has changed its data:
// which is no proof that it is there.
func (r *registry) stampData(l *lease, before versions) {
	l.versions.registered, l.versions.status = before.registered, before.status
}

// stampRestored gives a lease of a snapshot without versions those that it may
// have had: others know better, if they know anything.
func (l *lease) stampRestored(node uint32) {
	s := stamp{uint64(max(l.registered.UnixMilli(), 1)) << counterBits, node}
	l.versions = versions{registered: s, data: s, status: s, override: s, renewed: s}
	l.own = l.info.Status
}

// stampStatus notes that somebody has set a status or taken it back.
func (r *registry) stampStatus(l *lease, own wire.Status) {
	s := r.clock.tick()
	l.versions.status, l.versions.override = s, s
	l.own = own
}

// bury remembers an instance whose lease ends.
func (r *registry) bury(l *lease, canceled bool, now time.Time) {
	t := &tombstone{key: l.key, versions: l.versions, lastDirty: l.info.LastDirty, until: now.Add(tombstoneTime)}
	if canceled {
		s := r.clock.tick()
		t.versions.canceled, t.versions.override = s, s
	}
	r.graves.put(t, now)
}

// stragglerTime is how long Netflix's server tries to deliver what happened.
const stragglerTime = 30 * time.Second

// registerReplica takes in an instance from a server that knows nothing of
// versions. It reports false if that server is behind: the instance was
// canceled here less than memory ago, and this is not a new registration.
func (r *registry) registerReplica(in wire.Instance, memory time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	k := key{in.App, in.ID()}
	if l := r.lease(k); l != nil {
		if sameInstance(&l.info, &in) {
			r.renew(l, now)
			return true
		}
	} else if t := r.graves.get(k, now); t != nil && !t.evicted() &&
		in.LastDirty <= t.lastDirty && now.Sub(t.versions.canceled.at()) < memory {
		return false
	}
	r.registerLocked(in, true)
	return true
}

// adopt takes in an instance of which a server that knows nothing of versions
// has newer data, with its override.
func (r *registry) adopt(in wire.Instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := key{in.App, in.ID()}
	known, _ := r.override(k, time.Now())
	if l := r.lease(k); l != nil && in.OverriddenStatus != wire.Unknown && in.OverriddenStatus != known {
		r.overrides[k] = override{status: in.OverriddenStatus}
		l.versions.override = r.clock.tick()
	}
	r.registerLocked(in, true)
}

// replica returns what is known of an instance.
func (r *registry) replica(k key) (replica, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	out := r.replicaLocked(k, now)
	return out, out.living || out.versions.dead() && !out.versions.canceled.isZero()
}

// replicaLocked returns what is known, including what is for nobody else: the
// lease that has run out and its override.
func (r *registry) replicaLocked(k key, now time.Time) replica {
	out := replica{key: k}
	if over, ok := r.override(k, now); ok {
		out.info.OverriddenStatus = over
	}
	if l := r.lease(k); l != nil {
		out.versions = l.versions
		if l.expires().After(now) {
			out.living, out.info, out.own, out.age = true, l.published(), l.own, now.Sub(l.renewed)
		}
		return out
	}
	if t := r.graves.get(k, now); t != nil {
		out.versions = t.versions
	}
	return out
}

// learn joins what another server knows of an instance with what is known
// here. It reports whether there is more here than the other knows, and
// returns it.
func (r *registry) learn(in replica) (mine replica, ahead bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.hear(&in.versions)
	held := r.replicaLocked(in.key, now)
	out := join(held, in)
	if !out.living {
		r.mergeDead(&out, now)
	} else if !r.mergeLiving(&held, &out, now) {
		return replica{}, false
	}
	return out, out.summary() != in.summary()
}

// beat renews a lease of which another server has heard a heartbeat. It
// returns unknown if that server knows more of the instance, and stale, with
// what is known here, if it knows less.
func (r *registry) beat(in replica) (verdict, replica) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.hear(&in.versions)
	if l := r.lease(in.key); l != nil {
		r.renewAs(l, in.versions.renewed, in.age, now)
	}
	held := r.replicaLocked(in.key, now)
	both := join(held, in)
	switch {
	case !both.living && held.versions.dead():
		return stale, held // canceled
	case !held.living || both.summary() != held.summary():
		return unknown, replica{}
	case both.summary() != in.summary():
		return stale, held
	}
	return alive, replica{}
}

// renewAs renews a lease as another server has done some time ago.
func (r *registry) renewAs(l *lease, renewed stamp, age time.Duration, now time.Time) {
	if !renewed.after(l.versions.renewed) {
		return
	}
	if at := r.guard.renewed(l, now).Add(-age); at.After(l.renewed) {
		l.renewed = at
		r.totals.Heartbeats++
	}
	l.versions.renewed = renewed
}

// hear takes note of the time of another server.
func (r *registry) hear(v *versions) {
	for _, s := range v.stamps() {
		r.clock.heard(*s)
	}
}

func (r *registry) mergeDead(out *replica, now time.Time) {
	l := r.lease(out.key)
	if !out.versions.dead() {
		return // it ran out
	}
	until := out.versions.canceled.at().Add(tombstoneTime)
	if t := r.graves.get(out.key, now); l == nil && t != nil && t.versions == out.versions || !now.Before(until) && l == nil {
		return
	}
	t := &tombstone{key: out.key, versions: out.versions, lastDirty: out.info.LastDirty, until: until}
	delete(r.overrides, out.key)
	if over := out.info.OverriddenStatus; over != wire.Unknown && out.versions.override.after(out.versions.canceled) {
		if r.forgetOverrides(now); len(r.overrides) < maxOverrides {
			r.overrides[out.key] = override{status: over, until: until} // in case the instance comes back
		}
	}
	if l != nil {
		r.totals.Cancellations++
		t.lastDirty = l.info.LastDirty
		r.end(l, now)
	}
	r.graves.put(t, now)
}

// mergeLiving makes an instance what it is on all servers. It reports false if
// its lease has ended here.
func (r *registry) mergeLiving(held, out *replica, now time.Time) bool {
	old := r.lease(out.key)
	if old != nil && held.living && sameInstance(&held.info, &out.info) {
		r.renewAs(old, out.versions.renewed, out.age, now)
		old.versions, old.own = out.versions, out.own // nobody sees these
		return true
	}
	l := &lease{
		key: out.key, info: out.info, own: out.own, versions: out.versions, renewed: now.Add(-out.age),
		registered: fromMillis(out.info.Lease.Registered), serviceUp: fromMillis(out.info.Lease.ServiceUp),
	}
	if !l.expires().After(now) || !held.living && !out.versions.renewed.after(held.versions.renewed) {
		return false
	}
	action := wire.Modified
	if !held.living || held.versions.data != out.versions.data {
		action = wire.Added
	}
	if old != nil {
		if !old.serviceUp.IsZero() {
			l.serviceUp = old.serviceUp
		}
		r.drop(old)
	} else {
		r.totals.Registrations++
	}
	r.graves.remove(out.key)
	if over := out.info.OverriddenStatus; over != wire.Unknown {
		r.overrides[out.key] = override{status: over}
	} else {
		delete(r.overrides, out.key)
	}
	l.noteUp(now)
	r.guard.joined(l, old, now)
	r.hold(l)
	r.publish(l, action, now)
	return true
}

// sameInstance reports whether two instances differ at most in what servers
// write into them.
func sameInstance(a, b *wire.Instance) bool {
	x, y := *a, *b
	for _, in := range []*wire.Instance{&x, &y} {
		in.Lease = wire.Lease{RenewalInterval: in.Lease.RenewalInterval, Duration: in.Lease.Duration}
		in.LastUpdated, in.Action = 0, ""
		in.OverriddenStatus = cmp.Or(in.OverriddenStatus, wire.Unknown)
		in.IsCoordinatingDiscoveryServer = false
		if len(in.Metadata) == 0 {
			in.Metadata = nil
		}
	}
	return reflect.DeepEqual(x, y)
}
