package eurekaserver

import (
	"container/list"
	"maps"
	"slices"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// maxChanges bounds the change log, against instances that come and go under
// ever new ids.
const maxChanges = 1 << 16

// A change is the state of an instance after the last thing that happened to
// it.
type change struct {
	rev      uint64
	at       time.Time
	key      key
	instance wire.Instance
}

// A changeLog holds the last change of each instance that changed within the
// retention time, oldest first.
type changeLog struct {
	retention time.Duration
	order     *list.List // of change
	byKey     map[key]*list.Element
	floor     uint64 // every change after this revision is in the log
	version   uint64 // changes whenever the content does
}

func newChangeLog(retention time.Duration) changeLog {
	return changeLog{retention: retention, order: list.New(), byKey: make(map[key]*list.Element), version: 1}
}

func (c *changeLog) add(ch change) {
	if old := c.byKey[ch.key]; old != nil {
		c.order.Remove(old)
	}
	c.byKey[ch.key] = c.order.PushBack(ch)
	c.version++
	c.prune(ch.at)
}

// prune removes what is too old, and reports whether anything was.
func (c *changeLog) prune(now time.Time) bool {
	var pruned bool
	for first := c.order.Front(); first != nil; first = c.order.Front() {
		ch := first.Value.(change)
		if now.Sub(ch.at) < c.retention && c.order.Len() <= maxChanges {
			break
		}
		c.order.Remove(first)
		delete(c.byKey, ch.key)
		c.floor = ch.rev
		pruned = true
	}
	if pruned {
		c.version++
	}
	return pruned
}

// since returns the changes after a revision, by application.
func (c *changeLog) since(rev uint64) []wire.Application {
	byApp := make(map[string][]wire.Instance)
	for e := c.order.Back(); e != nil; e = e.Prev() {
		ch := e.Value.(change)
		if ch.rev <= rev {
			break
		}
		byApp[ch.key.app] = append(byApp[ch.key.app], ch.instance)
	}
	apps := make([]wire.Application, 0, len(byApp))
	for _, name := range slices.Sorted(maps.Keys(byApp)) {
		slices.Reverse(byApp[name])
		apps = append(apps, wire.Application{Name: name, Instances: byApp[name]})
	}
	return apps
}
