package eurekaserver

import (
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// A verdict is the answer to a heartbeat.
type verdict int

const (
	alive   verdict = iota
	unknown         // the sender has to register
	stale           // the sender is behind what is known here
)

// heartbeat renews a lease. dirty is the version that the sender has, 0 if it
// did not say; over is the override that a peer reports, or empty. With stale
// comes the instance as it is known here.
func (r *registry) heartbeat(k key, dirty int64, over wire.Status, replica bool) (verdict, wire.Instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lease(k)
	if l == nil {
		return unknown, wire.Instance{}
	}
	now := time.Now()
	known, _ := r.override(k, now)
	status := decide(l.info.Status, known, l.info.Status, replica)
	if status == wire.Unknown {
		return unknown, wire.Instance{}
	}
	r.renew(l, now)
	if status != l.info.Status {
		r.setStatus(l, status, now)
		r.publish(l, wire.Modified, now)
	}
	switch {
	case dirty == 0 || dirty == l.info.LastDirty:
		return alive, wire.Instance{}
	case dirty > l.info.LastDirty:
		if replica && over != "" && over != wire.Unknown && over != known {
			r.overrides[k] = override{status: over}
			l.info.OverriddenStatus = over
			l.versions.override = r.clock.tick()
			r.publish(l, wire.Modified, now)
		}
		return unknown, wire.Instance{}
	case replica:
		return stale, l.published()
	}
	return alive, wire.Instance{}
}
