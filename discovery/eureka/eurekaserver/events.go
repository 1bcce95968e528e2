package eurekaserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// An eventKind is what happened to an instance.
type eventKind string

const (
	eventRegistered eventKind = "registered"
	eventChanged    eventKind = "changed"
	eventCanceled   eventKind = "canceled"
	eventExpired    eventKind = "expired"
)

// An event is a change of the registry, told to people.
type event struct {
	Revision string      `json:"revision"` // as the protocol names it
	Kind     eventKind   `json:"kind"`
	App      string      `json:"app"`
	ID       string      `json:"id"`
	Status   wire.Status `json:"status"`
	At       time.Time   `json:"at"`

	rev uint64
}

// Words says what happened, in words. The script has the same ones.
func (e event) Words() string {
	switch e.Kind {
	case eventRegistered:
		return "registered, " + statusWords(e.Status)
	case eventCanceled:
		return "has left"
	case eventExpired:
		return "lease ended"
	}
	return "is now " + statusWords(e.Status)
}

// maxEvents is how many changes are remembered for people, and maxEventName
// how many bytes of a name.
const (
	maxEvents    = 1000
	maxEventName = 256
)

// A history holds the last changes of a registry, one for each revision, in a
// ring. Other than the change log, it knows all changes of an instance, and
// does not forget them by time.
type history struct{ ring []event }

// add takes in the change that made revision rev; there is none left out.
func (h *history) add(rev uint64, l *lease, action wire.Action, now time.Time) {
	e := event{Kind: eventChanged, App: clip(l.key.app, maxEventName), ID: clip(l.key.id, maxEventName), Status: l.info.Status, At: now, rev: rev}
	switch action {
	case wire.Added:
		e.Kind = eventRegistered
	case wire.Deleted:
		e.Kind = eventCanceled
		if !l.expires().After(now) {
			e.Kind = eventExpired
		}
	}
	if len(h.ring) < maxEvents {
		h.ring = append(h.ring, e)
		return
	}
	h.ring[h.index(rev)] = e
}

func (h *history) index(rev uint64) int { return int((rev - 1) % maxEvents) }

// eventsAfter returns the first of the changes after a revision, no more than
// limit, and a channel that is closed when there is another. If changes are
// missing, they are forgotten, and the revision is not followed any more.
func (r *registry) eventsAfter(rev uint64, limit int) (events []event, now uint64, missing bool, news <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rev > r.rev || r.rev-rev > uint64(len(r.history.ring)) {
		return nil, r.rev, true, r.news
	}
	for next := rev + 1; next <= r.rev && len(events) < limit; next++ {
		events = append(events, r.told(next))
	}
	return events, r.rev, false, r.news
}

// recentEvents returns the last changes, the latest first.
func (r *registry) recentEvents(limit int) []event {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(limit, len(r.history.ring))
	events := make([]event, n)
	for i := range events {
		events[i] = r.told(r.rev - uint64(i))
	}
	return events
}

func (r *registry) told(rev uint64) event {
	e := r.history.ring[r.history.index(rev)]
	e.Revision = r.tag(rev)
	return e
}

// How a stream of events flows.
const (
	eventBatch = 100                    // at most as many at once
	eventPause = 250 * time.Millisecond // from one batch to the next
	eventBeat  = 15 * time.Second       // between signs of life, when nothing happens
	eventWrite = 10 * time.Second       // for the browser to take a batch
	eventLife  = 10 * time.Minute       // then the browser asks again, and is asked for its rights
)

// events: GET /page/events
//
// It streams changes as server-sent events, which bear the revision as their
// id, from the one on that the browser names: in Last-Event-ID, or in the
// parameter "since" when it asks for the first time. Of one that is not
// remembered any more comes the event "reset", after which the stream goes on
// from now. There is no buffer for each stream: one that is slow finds what it
// has missed in the history, or that it has to start anew.
func (p *page) events(w http.ResponseWriter, r *http.Request) {
	client := p.server.settings.limits.Client(r)
	if !p.listening.enter(client) {
		w.Header().Set("Retry-After", retryAfter)
		refuse(w, http.StatusServiceUnavailable, "too many listeners")
		return
	}
	defer p.listening.leave(client)
	registry := p.server.registry
	out := eventStream{w: w, rc: http.NewResponseController(w)}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // for a proxy that would keep events back
	defer out.hurry()                // for the end of the answer
	rev, known := p.heldEvent(r)
	var greeting bytes.Buffer
	fmt.Fprintf(&greeting, "retry: %d\n", 3*time.Second/time.Millisecond)
	if known {
		fmt.Fprintf(&greeting, "id: %s\n\n", registry.tag(rev))
	} else {
		rev, _ = registry.revision()
		writeReset(&greeting, registry.tag(rev))
	}
	if !out.send(greeting.Bytes()) {
		return
	}
	end := time.NewTimer(eventLife)
	defer end.Stop()
	for {
		events, now, missing, news := registry.eventsAfter(rev, eventBatch)
		var b bytes.Buffer
		var pause <-chan time.Time // nil: until there is news
		switch {
		case missing:
			rev = now
			writeReset(&b, registry.tag(rev))
		case len(events) > 0:
			rev = events[len(events)-1].rev
			for _, e := range events {
				writeEvent(&b, e)
			}
		}
		beat := time.NewTimer(eventBeat)
		if b.Len() > 0 {
			if !out.send(b.Bytes()) {
				beat.Stop()
				return
			}
			news = nil
			pause = time.After(eventPause)
		}
		select {
		case <-news:
		case <-pause:
		case <-beat.C:
			if !out.send([]byte(": alive\n\n")) {
				return
			}
		case <-end.C:
			return
		case <-r.Context().Done():
			return
		case <-p.server.done:
			return
		}
		beat.Stop()
	}
}

// heldEvent returns the revision from which a browser follows, and whether
// there is such a one. A browser that names none follows from now on.
func (p *page) heldEvent(r *http.Request) (rev uint64, known bool) {
	id := r.Header.Get("Last-Event-ID")
	if id == "" {
		id = r.URL.Query().Get("since")
	}
	if id == "" {
		rev, _ = p.server.registry.revision()
		return rev, true
	}
	return p.server.registry.parseTag(id)
}

func writeReset(b *bytes.Buffer, tag string) {
	fmt.Fprintf(b, "id: %s\nevent: reset\ndata: {}\n\n", tag)
}

func writeEvent(b *bytes.Buffer, e event) {
	data, err := json.Marshal(e) // on one line: it escapes line breaks
	if err != nil {
		return // of a struct of strings and a time it does not fail
	}
	fmt.Fprintf(b, "id: %s\nevent: change\ndata: %s\n\n", e.Revision, data)
}

// An eventStream writes to a browser that may be gone or stuck.
type eventStream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func (s eventStream) send(data []byte) bool {
	s.hurry()
	if _, err := s.w.Write(data); err != nil {
		return false
	}
	if err := s.rc.Flush(); err != nil {
		return false
	}
	// HTTP/2 ends a stream at its deadline even when there is nothing to write.
	_ = s.rc.SetWriteDeadline(time.Time{})
	return true
}

// hurry bounds the time for what is written next. Writers that cannot do it
// belong to someone who wraps them: then what the server allows has to be
// enough.
func (s eventStream) hurry() { _ = s.rc.SetWriteDeadline(time.Now().Add(eventWrite)) }

// clip shortens a text to at most limit bytes. What it returns does not hold
// on to a longer text.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(strings.Clone(text[:limit]), "") + "…"
}
