package eurekaserver

import (
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// A mark is what a server with peers knows of an instance beside the instance:
// see replica. Marks are in its snapshot, so that servers that were away at
// different times still know who has heard the last of an instance.
type mark struct {
	key       key
	versions  versions
	own       wire.Status // of one that is there
	lastDirty int64       // of one that is gone
	until     time.Time   // how long that is remembered
}

// A savedMark is a mark as it is on disk.
type savedMark struct {
	App, ID, Versions string
	Own               wire.Status `json:",omitempty"`
	LastDirty         int64       `json:",omitempty"`
	Until             time.Time   `json:",omitzero"`
}

// marksLocked returns the marks of the instances that are there, and of those
// that were canceled. Without peers there are none.
func (r *registry) marksLocked(now time.Time) (living, gone []mark) {
	if !r.graves.open {
		return nil, nil
	}
	living = make([]mark, 0, len(r.expiry))
	for _, l := range r.expiry {
		living = append(living, mark{key: l.key, versions: l.versions, own: l.own})
	}
	for e := r.graves.order.Front(); e != nil; e = e.Next() {
		if t := e.Value.(*tombstone); !t.evicted() && now.Before(t.until) {
			gone = append(gone, mark{key: t.key, versions: t.versions, lastDirty: t.lastDirty, until: t.until})
		}
	}
	return living, gone
}

func writeMarks(marks []mark) []savedMark {
	out := make([]savedMark, len(marks))
	for i := range marks {
		m := &marks[i]
		out[i] = savedMark{m.key.app, m.key.id, m.versions.String(), m.own, m.lastDirty, m.until}
	}
	return out
}

// read returns the mark, if it makes sense.
func (m *savedMark) read(now time.Time) (mark, bool) {
	v, err := parseVersions(m.Versions, now)
	return mark{key{upper(m.App), m.ID}, v, m.Own, m.LastDirty, m.Until}, err == nil
}

// restoreGone remembers again which instances were canceled.
func (r *registry) restoreGone(gone []savedMark, limits *Limits, now time.Time) {
	latest := now.Add(tombstoneTime)
	for i := range gone {
		m, ok := gone[i].read(now)
		if !ok || !m.versions.dead() || r.lease(m.key) != nil || !now.Before(m.until) ||
			len(m.key.app) > limits.Text || len(m.key.id) > limits.Text {
			continue
		}
		if m.until.After(latest) {
			m.until = latest
		}
		r.graves.put(&tombstone{key: m.key, versions: m.versions, lastDirty: m.lastDirty, until: m.until}, now)
		r.hear(&m.versions)
	}
}
