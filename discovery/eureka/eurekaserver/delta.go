package eurekaserver

import (
	"maps"
	"slices"
	"time"
)

// maxChanges bounds how many instances the change log tells of, against
// instances that come and go under ever new ids.
const maxChanges = 1 << 16

// A change is the state of an instance after something has happened to it.
type change struct {
	rev uint64
	at  time.Time
	key key
	rec *record
}

// A changeLog holds the changes of the retention time, oldest first: for each
// instance that changed the last one, and some before it. Readers share the
// list, so what is in it never changes; it is only added to, cut off at the
// front, and replaced.
type changeLog struct {
	retention time.Duration
	changes   []change
	last      map[key]uint64 // the revision of each instance's last change
	floor     uint64         // every change after this revision is in the log
	version   uint64         // changes whenever the content does
}

func newChangeLog(retention time.Duration) changeLog {
	return changeLog{retention: retention, last: make(map[key]uint64), version: 1}
}

func (c *changeLog) add(ch change) {
	c.changes = append(c.changes, ch)
	c.last[ch.key] = ch.rev
	c.version++
	c.prune(ch.at)
	if len(c.changes) > 2*len(c.last)+64 {
		c.compact()
	}
}

// compact drops the changes that later ones have made obsolete.
func (c *changeLog) compact() {
	kept := make([]change, 0, len(c.last)+len(c.last)/2+64)
	for _, ch := range c.changes {
		if c.last[ch.key] == ch.rev {
			kept = append(kept, ch)
		}
	}
	c.changes = kept
}

// prune removes what is too old or too much, and reports whether the content
// has changed.
func (c *changeLog) prune(now time.Time) bool {
	var pruned bool
	for len(c.changes) > 0 {
		ch := c.changes[0]
		isLast := c.last[ch.key] == ch.rev
		if isLast && now.Sub(ch.at) < c.retention && len(c.last) <= maxChanges {
			break
		}
		c.changes = c.changes[1:]
		if isLast {
			delete(c.last, ch.key)
			c.floor = ch.rev
			pruned = true
		}
	}
	if len(c.changes) == 0 {
		c.changes = nil // and what was cut off
	}
	if pruned {
		c.version++
	}
	return pruned
}

// after returns the changes after a revision. It is for readers to keep, who
// pass it to latest when they do not hold the lock any more.
func (c *changeLog) after(rev uint64) []change {
	i, _ := slices.BinarySearchFunc(c.changes, rev, func(ch change, rev uint64) int {
		if ch.rev <= rev {
			return -1
		}
		return 1
	})
	return slices.Clip(c.changes[i:])
}

// latest returns the last change of each instance by application, in the
// order in which they happened.
func latest(changes []change) []section {
	seen := make(map[key]bool, len(changes))
	byApp := make(map[string][]*record)
	for _, ch := range slices.Backward(changes) {
		if !seen[ch.key] {
			seen[ch.key] = true
			byApp[ch.key.app] = append(byApp[ch.key.app], ch.rec)
		}
	}
	sections := make([]section, 0, len(byApp))
	for _, name := range slices.Sorted(maps.Keys(byApp)) {
		slices.Reverse(byApp[name])
		sections = append(sections, section{name, byApp[name]})
	}
	return sections
}
