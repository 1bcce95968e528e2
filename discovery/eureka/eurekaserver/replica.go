package eurekaserver

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// A replica is what one server knows of an instance, for others to merge with
// what they know: see join.
type replica struct {
	key      key
	versions versions
	living   bool

	// Of a living one. An override is there for others, too: it survives an
	// eviction.
	info wire.Instance // OverriddenStatus is Unknown if there is no override
	own  wire.Status   // but for the override
	age  time.Duration // since the lease was renewed
}

// dead reports whether the instance was canceled and has not registered since.
func (v *versions) dead() bool { return !v.registered.after(v.canceled) }

// join returns what is known from a and b together. The order of its
// arguments makes no difference, nor does the order of several joins, nor
// whether something is joined twice: so servers agree once each has heard of
// everything, in whatever order.
//
//   - An instance is there if it registered after it was last canceled. What
//     was known of it before the cancellation goes with it.
//   - Of two registrations the one with the later lastDirtyTimestamp counts, as
//     in Netflix's server, and with the same one the later registration.
//   - Of statuses and of overrides, the latest counts.
//   - The status that is shown follows from both.
func join(a, b replica) replica {
	v := versions{
		registered: later(a.versions.registered, b.versions.registered),
		canceled:   later(a.versions.canceled, b.versions.canceled),
		override:   later(a.versions.override, b.versions.override),
		renewed:    later(a.versions.renewed, b.versions.renewed),
	}
	over := overrideOf(&a)
	switch order := b.versions.override.compare(a.versions.override); {
	case order > 0, order == 0 && over == wire.Unknown: // or a has forgotten it
		over = overrideOf(&b)
	}
	out := replica{key: a.key}
	livingA := a.living && a.versions.registered.after(v.canceled)
	livingB := b.living && b.versions.registered.after(v.canceled)
	switch {
	case livingA && livingB:
		out = a
		if compareData(&a, &b, v.canceled) < 0 {
			out.info, v.data = b.info, b.versions.data
		} else {
			v.data = a.versions.data
		}
		v.status = later(a.versions.status, b.versions.status)
		if b.versions.status.after(a.versions.status) {
			out.own = b.own
		}
		out.age = min(a.age, b.age)
	case livingA:
		out = a
		v.data, v.status = a.versions.data, a.versions.status
	case livingB:
		out = b
		v.data, v.status = b.versions.data, b.versions.status
	}
	out.versions = v
	out.info.OverriddenStatus = over
	if out.living {
		out.info.Status = shown(out.own, over)
	}
	return out
}

// compareData orders what two servers know of an instance that is there. What
// it said before it was canceled counts less than all that it has said since.
func compareData(a, b *replica, canceled stamp) int {
	if x, y := a.versions.data.after(canceled), b.versions.data.after(canceled); x != y {
		if x {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(a.info.LastDirty, b.info.LastDirty), a.versions.data.compare(b.versions.data))
}

func overrideOf(r *replica) wire.Status { return cmp.Or(r.info.OverriddenStatus, wire.Unknown) }

// shown returns the status that an instance is shown with.
func shown(own, over wire.Status) wire.Status {
	if over == wire.Unknown {
		over = ""
	}
	return decide(own, over, "", true)
}

// summary returns what has to be the same on all servers, but for the content
// that follows from it: everything except the renewals, and of an instance
// that is gone only when it went.
func (r *replica) summary() string { return string(r.appendSummary(nil)) }

func (r *replica) appendSummary(b []byte) []byte {
	v := versions{canceled: r.versions.canceled}
	var dirty int64
	if r.living {
		v, dirty = r.versions, r.info.LastDirty
		v.renewed = stamp{}
	}
	return v.append(append(strconv.AppendInt(b, dirty, 10), ' '))
}

// parseSummary reads a summary into a replica without content, which is good
// for finding out who is ahead.
func parseSummary(k key, text string, now time.Time) (replica, error) {
	dirty, rest, _ := strings.Cut(text, " ")
	n, err := strconv.ParseInt(dirty, 10, 64)
	if err != nil {
		return replica{}, errVersions
	}
	v, err := parseVersions(rest, now)
	return replica{key: k, versions: v, info: wire.Instance{LastDirty: n}, living: !v.registered.isZero()}, err
}
