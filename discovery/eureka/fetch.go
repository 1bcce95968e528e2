package eureka

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
	"github.com/namesake-go/namesake/discovery/internal/retry"
)

const (
	// deltaReach is how far back a server's deltas go: 3 min by Eureka's
	// default. After a longer gap, changes may have been missed that the hash,
	// which only counts, does not show.
	deltaReach = 3 * time.Minute

	// fullEvery is the mean time between fetches of the whole registry, for
	// the same reason.
	fullEvery = 10 * time.Minute
)

// What our own server adds to its answers. Other servers lack them.
const (
	revisionHeader = "X-Namesake-Revision" // epoch.revision of the answer
	fullHeader     = "X-Namesake-Full"     // "true": the answer to a delta request is all
)

// errShrunk says that a server lists less than half of what has been listed.
// More often than not it has just been restarted.
var errShrunk = errors.New("lists less than half of the copies that have been listed; it must say so once more")

// fetch brings the registry up to date.
func (f *feed) fetch(ctx context.Context) error {
	f.shrunk = false
	err := f.c.reads.try(ctx, func(ctx context.Context, s *server) error {
		f.changed = false
		if f.c.byService {
			return f.fetchService(ctx, s)
		}
		if f.mayAskDelta(s) {
			if ok, err := f.fetchDelta(ctx, s); ok || err != nil {
				return err
			}
		}
		return f.fetchAll(ctx, s)
	})
	f.doubt = err != nil && f.shrunk
	return err
}

// mayAskDelta reports whether a delta from s would fit the registry.
func (f *feed) mayAskDelta(s *server) bool {
	now := time.Now()
	return f.source == s && !f.doubt && now.Sub(f.read) <= deltaReach && now.Before(f.due)
}

// fetchDelta asks s for changes. It reports false if all must be fetched.
func (f *feed) fetchDelta(ctx context.Context, s *server) (ok bool, err error) {
	waiting := f.revision != ""
	a, err := f.c.exchange(ctx, s, request{
		method: http.MethodGet, path: "/apps/delta", query: f.c.readQuery(), read: true, revision: f.revision,
	})
	if err == nil {
		ok, err = f.useDelta(s, a, waiting)
	}
	if err != nil && waiting {
		f.source, f.revision = nil, "" // whatever it was that ended the wait
	}
	return ok, err
}

func (f *feed) useDelta(s *server, a answer, waiting bool) (ok bool, err error) {
	switch {
	case a.code == http.StatusNotModified && waiting:
		f.confirm(s)
		return true, nil
	case a.code == http.StatusOK:
	default:
		if err := statusError(s, a); !rejected(err) {
			return false, err
		}
		return false, nil // it has no deltas, or not now
	}
	if len(a.body) == 0 {
		return false, nil
	}
	doc, err := parse(s, a)
	if err != nil {
		return false, err
	}
	if strings.EqualFold(a.header.Get(fullHeader), "true") {
		return true, f.replace(s, revisionOf(a), doc.Applications)
	}
	next := f.registry.apply(doc.Applications)
	if next.hash() != doc.Hash {
		f.c.log.Debug("registry differs from the server's after a delta", "server", s.String(), "hash", next.hash(), "server_hash", doc.Hash)
		return false, nil
	}
	f.confirm(s)
	f.revision = revisionOf(a)
	f.changed = len(doc.Applications) > 0
	if f.changed {
		f.publish(next)
	}
	return true, nil
}

// fetchAll reads the whole registry from s.
func (f *feed) fetchAll(ctx context.Context, s *server) error {
	a, err := f.get(ctx, s, "/apps/")
	if err != nil {
		return err
	}
	if a.code != http.StatusOK {
		return statusError(s, a)
	}
	doc, err := parse(s, a)
	if err != nil {
		return err
	}
	return f.replace(s, revisionOf(a), doc.Applications)
}

func (f *feed) get(ctx context.Context, s *server, path string) (answer, error) {
	return f.c.exchange(ctx, s, request{method: http.MethodGet, path: path, query: f.c.readQuery(), read: true})
}

func (c *Client) readQuery() url.Values {
	if len(c.regions) == 0 {
		return nil
	}
	return url.Values{"regions": {strings.Join(c.regions, ",")}}
}

// replace makes the registry what s says it is.
func (f *feed) replace(s *server, revision string, apps []wire.Application) error {
	next := newRegistry(apps)
	if f.registry != nil && 2*next.size < f.registry.size && !f.doubt {
		f.shrunk = true
		return fmt.Errorf("%s: %w", s, errShrunk)
	}
	f.confirm(s)
	f.source, f.revision, f.due = s, revision, time.Now().Add(retry.Jitter(fullEvery))
	f.publish(next)
	return nil
}

func parse(s *server, a answer) (wire.Applications, error) {
	doc, err := wire.UnmarshalApplications(a.body, wire.JSON)
	if err != nil {
		return wire.Applications{}, fmt.Errorf("%s: %w", s, err)
	}
	return doc, nil
}

func statusError(s *server, a answer) error {
	return &StatusError{Server: s.String(), Code: a.code}
}

// revisionOf returns the revision of a server that can wait for changes, and
// is empty for one that cannot.
func revisionOf(a answer) string {
	revision := a.header.Get(revisionHeader)
	if len(revision) > 100 || strings.ContainsAny(revision, `"\`) {
		return ""
	}
	return revision
}
