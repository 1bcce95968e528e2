package eurekaserver

import (
	"container/list"
	"time"
)

// How long and how many instances that are gone are remembered. A server that
// was out of touch for longer has let their leases run out by itself.
const (
	tombstoneTime = time.Hour
	maxTombstones = 1 << 16
)

// A tombstone is what is remembered of an instance that is gone, so that it
// does not come back from a server that has not heard of it.
type tombstone struct {
	key       key
	versions  versions
	lastDirty int64
	until     time.Time // by the clock that all servers share, if it was canceled
}

// evicted reports whether the lease of the instance ran out. That is for each
// server to find out by itself, and only keeps the same lease from coming back.
func (t *tombstone) evicted() bool { return !t.versions.dead() }

// A graveyard holds tombstones, oldest first. One that is not open stays empty:
// a server without peers needs none.
type graveyard struct {
	open  bool
	order *list.List // of *tombstone
	byApp map[string]map[string]*list.Element
}

func newGraveyard(open bool) graveyard {
	return graveyard{open: open, order: list.New(), byApp: make(map[string]map[string]*list.Element)}
}

func (g *graveyard) get(k key, now time.Time) *tombstone {
	if e := g.byApp[k.app][k.id]; e != nil {
		if t := e.Value.(*tombstone); now.Before(t.until) {
			return t
		}
	}
	return nil
}

func (g *graveyard) put(t *tombstone, now time.Time) {
	if !g.open {
		return
	}
	g.remove(t.key)
	byID := g.byApp[t.key.app]
	if byID == nil {
		byID = make(map[string]*list.Element)
		g.byApp[t.key.app] = byID
	}
	byID[t.key.id] = g.order.PushBack(t)
	for e := g.order.Front(); e != nil; e = g.order.Front() {
		oldest := e.Value.(*tombstone)
		if now.Before(oldest.until) && g.order.Len() <= maxTombstones {
			return
		}
		g.remove(oldest.key)
	}
}

func (g *graveyard) remove(k key) {
	byID := g.byApp[k.app]
	e := byID[k.id]
	if e == nil {
		return
	}
	g.order.Remove(e)
	delete(byID, k.id)
	if len(byID) == 0 {
		delete(g.byApp, k.app)
	}
}
