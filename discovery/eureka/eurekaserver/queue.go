package eurekaserver

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// How long what happened waits for more to go with it. A heartbeat can wait
// longer, since nobody sees it.
const (
	sendDelay = 25 * time.Millisecond
	beatDelay = 250 * time.Millisecond
)

// maxQueue bounds the instances that wait to be told to a peer. What does not
// fit is left to the reconciliation.
const maxQueue = 1 << 16

// news is what has happened to an instance since a peer was last told of it,
// as a set.
type news uint8

const (
	newsBeat news = 1 << iota
	newsData
	newsStatus
	newsCanceled
)

// A slot is an instance of which a peer is to be told. What it is told is what
// is known when the slot is sent, so that what happens to an instance in quick
// succession can neither arrive in another order nor grow the queue.
type slot struct {
	key   key
	news  news
	since time.Time // the first of the news
}

// A queue holds the slots for a peer, in the order in which they came. News for
// a slot that is there already leave it at its place and time, so that an
// instance with much news holds up nobody.
type queue struct {
	mu     sync.Mutex // guards the rest
	order  *list.List // of *slot
	byKey  map[key]*list.Element
	due    time.Time     // when to send; zero if there is nothing to send
	sent   time.Time     // since of the oldest slot that is under way, or zero
	lost   bool          // something did not fit
	change chan struct{} // has an element after due has changed
}

func newQueue() *queue {
	return &queue{order: list.New(), byKey: make(map[key]*list.Element), change: make(chan struct{}, 1)}
}

func (q *queue) add(k key, what news) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if e := q.byKey[k]; e != nil {
		e.Value.(*slot).news |= what
	} else {
		if q.order.Len() >= maxQueue {
			q.lost = q.lost || what != newsBeat
			return
		}
		q.byKey[k] = q.order.PushBack(&slot{key: k, news: what, since: now})
	}
	delay := sendDelay
	if what == newsBeat {
		delay = beatDelay
	}
	q.dueBy(now.Add(delay))
}

func (q *queue) dueBy(t time.Time) {
	if !q.due.IsZero() && !t.Before(q.due) {
		return
	}
	q.due = t
	select {
	case q.change <- struct{}{}:
	default:
	}
}

// ready waits until something is to be sent. It returns false if ctx is done
// before.
func (q *queue) ready(ctx context.Context) bool {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		q.mu.Lock()
		due := q.due
		q.mu.Unlock()
		var late <-chan time.Time
		if !due.IsZero() {
			wait := time.Until(due)
			if wait <= 0 {
				return ctx.Err() == nil
			}
			timer.Reset(wait)
			late = timer.C
		}
		select {
		case <-ctx.Done():
			return false
		case <-q.change:
		case <-late:
		}
	}
}

// take removes the n oldest slots. They have to be settled or put back.
func (q *queue) take(n int) []slot {
	q.mu.Lock()
	defer q.mu.Unlock()
	var slots []slot
	for e := q.order.Front(); e != nil && len(slots) < n; e = q.order.Front() {
		s := e.Value.(*slot)
		q.order.Remove(e)
		delete(q.byKey, s.key)
		slots = append(slots, *s)
	}
	q.due, q.sent = time.Time{}, time.Time{}
	if len(slots) > 0 {
		q.sent = slots[0].since
	}
	if q.order.Len() > 0 {
		q.dueBy(time.Now())
	}
	return slots
}

// settle says that what was taken has been sent.
func (q *queue) settle() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sent = time.Time{}
}

// putBack returns to the head what could not be sent.
func (q *queue) putBack(slots []slot) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := len(slots) - 1; i >= 0; i-- {
		s := slots[i]
		if e := q.byKey[s.key]; e != nil { // there are newer news
			s.news |= e.Value.(*slot).news
			q.order.Remove(e)
		}
		q.byKey[s.key] = q.order.PushFront(&s)
	}
	q.sent = time.Time{}
	if len(slots) > 0 {
		q.dueBy(time.Now())
	}
}

// overflowed reports whether something did not fit since it was last asked.
func (q *queue) overflowed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	lost := q.lost
	q.lost = false
	return lost
}

// state returns how many slots wait and since when the oldest does, zero if
// none does.
func (q *queue) state() (length int, oldest time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	oldest = q.sent
	if first := q.order.Front(); first != nil && (oldest.IsZero() || first.Value.(*slot).since.Before(oldest)) {
		oldest = first.Value.(*slot).since
	}
	return q.order.Len(), oldest
}
