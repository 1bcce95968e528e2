package eurekaserver

import (
	"maps"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// An override is the status that an operator wants an instance to have. It
// lives as long as the instance's lease, and for a while after an eviction: an
// instance that was taken out of service and then lost its connection must not
// come back into service by itself.
type override struct {
	status wire.Status
	until  time.Time // zero while the lease lives
}

func (r *registry) override(k key, now time.Time) (status wire.Status, ok bool) {
	o, ok := r.overrides[k]
	if !ok || !o.until.IsZero() && !now.Before(o.until) {
		return "", false
	}
	return o.status, true
}

// keepOverride keeps the override of an evicted instance for its time.
func (r *registry) keepOverride(k key, now time.Time) {
	o, ok := r.overrides[k]
	if !ok {
		return
	}
	if len(r.overrides) > maxOverrides {
		delete(r.overrides, k)
		return
	}
	o.until = now.Add(r.overrideRetention)
	r.overrides[k] = o
}

// forgetOverrides forgets those whose time is over. It looks at all, and so
// does it once a minute at most.
func (r *registry) forgetOverrides(now time.Time) {
	if now.Sub(r.forgotten) < time.Minute {
		return
	}
	r.forgotten = now
	maps.DeleteFunc(r.overrides, func(_ key, o override) bool {
		return !o.until.IsZero() && !now.Before(o.until)
	})
}

// setOverride sets the status that an operator wants the instance to have. A
// status that the instance has already leaves no override behind.
func (r *registry) setOverride(k key, status wire.Status, dirty int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lease(k)
	if l == nil {
		return false
	}
	now := time.Now()
	r.renew(l, now)
	if status == l.info.Status {
		return true
	}
	if status == wire.Unknown {
		delete(r.overrides, k)
	} else {
		r.overrides[k] = override{status: status}
	}
	l.info.OverriddenStatus = status
	l.info.LastDirty = max(l.info.LastDirty, dirty)
	r.stampStatus(l, status)
	r.setStatus(l, status, now)
	r.publish(l, wire.Modified, now)
	return true
}

// removeOverride takes an operator's status back and leaves the instance with
// the given one: Unknown means that its next registration says.
func (r *registry) removeOverride(k key, status wire.Status, dirty int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lease(k)
	if l == nil {
		return false
	}
	now := time.Now()
	r.renew(l, now)
	if _, ok := r.override(k, now); !ok {
		return true
	}
	delete(r.overrides, k)
	l.info.OverriddenStatus = wire.Unknown
	l.info.LastDirty = max(l.info.LastDirty, dirty)
	r.stampStatus(l, status)
	r.setStatus(l, status, now)
	r.publish(l, wire.Modified, now)
	return true
}

// decide returns the status that an instance is shown with. own is what it
// says of itself, or at a heartbeat what it is known as; over is its override
// and held the status of the lease that it has already, both empty if there is
// none; replica says that a peer speaks and not the instance.
func decide(own, over, held wire.Status, replica bool) wire.Status {
	switch {
	case own != wire.Up && own != wire.OutOfService:
		return own // what is not ready is not ready, whoever says otherwise
	case over != "":
		return over
	case !replica && (held == wire.Up || held == wire.OutOfService):
		// Going out of service and back is for the operator, who does it by
		// the status resource: a registration does not undo it.
		return held
	}
	return own
}
