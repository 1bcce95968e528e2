package eurekaserver

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of the extension. Clients that do not know it ignore them.
const (
	headerRevision = "X-Namesake-Revision"
	headerFull     = "X-Namesake-Full"
	headerProtect  = "X-Namesake-Protected"
)

// retryAfter is what a request that was not allowed to wait is asked to pause,
// in seconds.
const retryAfter = "5"

// getDelta: GET apps/delta
func (s *Server) getDelta(w http.ResponseWriter, r *http.Request, _ []string) {
	if _, ok := accepted(r.Header); !ok {
		empty(w, http.StatusNotAcceptable)
		return
	}
	held, state := s.heldRevision(r)
	if state == revisionNone {
		doc, rev := s.registry.recent()
		s.mark(w, rev)
		respondDocument(w, r, doc)
		return
	}
	if state == revisionForeign {
		if !s.mayList(w, r) {
			return
		}
		doc, rev := s.registry.full()
		s.mark(w, rev)
		w.Header().Set(headerFull, "true")
		respondDocument(w, r, doc)
		return
	}
	if !s.await(w, r, held) {
		return
	}
	doc, rev, whole := s.registry.since(held)
	if whole && !s.mayList(w, r) {
		return
	}
	s.mark(w, rev)
	if rev == held {
		empty(w, http.StatusNotModified)
		return
	}
	if whole {
		w.Header().Set(headerFull, "true")
	}
	respondDocument(w, r, doc)
}

// mark names the revision that an answer shows.
func (s *Server) mark(w http.ResponseWriter, rev uint64) {
	tag := s.registry.tag(rev)
	w.Header().Set(headerRevision, tag)
	w.Header().Set("ETag", `"`+tag+`"`)
	if why := s.registry.protection.Load(); why != nil {
		w.Header().Set(headerProtect, *why)
	}
}

// revisionState is what a request says about the revision that its sender has.
type revisionState int

const (
	revisionNone    revisionState = iota // nothing
	revisionForeign                      // one that this registry never had
	revisionOurs
)

// heldRevision returns the revision that the sender of a request has.
func (s *Server) heldRevision(r *http.Request) (uint64, revisionState) {
	state := revisionNone
	for tag := range strings.SplitSeq(strings.Join(r.Header.Values("If-None-Match"), ","), ",") {
		// A proxy that changes the encoding marks the tag as weak.
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == "" || tag == "*" {
			continue
		}
		if rev, ok := s.registry.parseTag(strings.Trim(tag, `"`)); ok {
			return rev, revisionOurs
		}
		state = revisionForeign
	}
	return 0, state
}

// await lets a request that wants to wait do so until there is a revision
// other than the given one or its time is up. It returns false if there is
// nobody to answer any more or if it has answered itself.
func (s *Server) await(w http.ResponseWriter, r *http.Request, held uint64) bool {
	rev, news := s.registry.revision()
	wait, wanted := preferredWait(r.Header)
	if !wanted {
		return true
	}
	wait = min(wait, s.settings.maxWait)
	if rev == held && wait > 0 {
		client := s.settings.limits.Client(r)
		if !s.waiting.enter(client) {
			w.Header().Set("Retry-After", retryAfter)
			return true
		}
		defer s.waiting.leave(client)
		extendDeadline(w, r, wait)
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-news:
		case <-timer.C:
		case <-r.Context().Done():
			return false
		case <-s.done:
			empty(w, http.StatusServiceUnavailable)
			return false
		}
	}
	w.Header().Set("Preference-Applied", "wait="+strconv.Itoa(int(wait/time.Second)))
	return true
}

// preferredWait returns how long a request wants to wait, as RFC 7240 has it.
func preferredWait(h http.Header) (wait time.Duration, ok bool) {
	for preference := range strings.SplitSeq(strings.Join(h.Values("Prefer"), ","), ",") {
		preference, _, _ = strings.Cut(preference, ";")
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
		if err != nil {
			return 0, false
		}
		return time.Duration(seconds) * time.Second, true
	}
	return 0, false
}

// extendDeadline lets the answer be written as long after the wait as the
// [http.Server] would have allowed without it.
func extendDeadline(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok || server.WriteTimeout <= 0 {
		return
	}
	// Writers that cannot do it belong to someone who wraps them: then what
	// the server allows has to be enough.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + server.WriteTimeout))
}
