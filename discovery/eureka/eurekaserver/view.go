package eurekaserver

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// maxDifferences bounds how many differences between revisions are kept in
// encoded form. Watchers that keep up all ask for the same one.
const maxDifferences = 64

// views are the documents made of the current state. Each is made when it is
// first asked for and thrown away at the next change. Making one under the
// lock costs a pointer an application; the rest of the work is done without.
type views struct {
	all     *document            // the registry
	recent  *document            // the changes within the retention time
	changes map[uint64]*document // the changes since a revision
}

// The versions that documents other than deltas bear.
const (
	versionFull = "1"
	versionVIP  = "-1"
)

// full returns the whole registry and its revision.
func (r *registry) full() (*document, uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fullLocked(), r.rev
}

func (r *registry) fullLocked() *document {
	if r.views.all == nil {
		sections := make([]section, len(r.byName))
		for i, app := range r.byName {
			sections[i] = app.freeze()
		}
		r.views.all = newDocument(versionFull, wire.Hash(r.counts), func() []section { return sections })
	}
	return r.views.all
}

// recent returns what changed within the retention time, which is what
// ordinary clients apply again and again.
func (r *registry) recent() (*document, uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.age()
	if r.views.recent == nil {
		r.views.recent = r.difference(0)
	}
	return r.views.recent, r.rev
}

// since returns what changed after a revision, or the whole registry if that
// is not known any more.
func (r *registry) since(rev uint64) (doc *document, now uint64, whole bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.age()
	if rev > r.rev || rev < r.changes.floor {
		return r.fullLocked(), r.rev, true
	}
	doc = r.views.changes[rev]
	if doc == nil {
		doc = r.difference(rev)
		if r.views.changes == nil {
			r.views.changes = make(map[uint64]*document)
		}
		if len(r.views.changes) < maxDifferences {
			r.views.changes[rev] = doc
		}
	}
	return doc, r.rev, false
}

// age takes the changes that are too old out of the log.
func (r *registry) age() {
	if r.changes.prune(time.Now()) {
		r.views.recent = nil
	}
}

func (r *registry) difference(rev uint64) *document {
	changes := r.changes.after(rev)
	return newDocument(strconv.FormatUint(r.changes.version, 10), wire.Hash(r.counts), func() []section { return latest(changes) })
}

// revision returns the current revision and a channel that is closed when
// there is another.
func (r *registry) revision() (rev uint64, news <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rev, r.news
}

// size returns how many instances there are.
func (r *registry) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.expiry)
}

// tag writes a revision for the world.
func (r *registry) tag(rev uint64) string {
	return fmt.Sprintf("%s.%d", r.epoch, rev)
}

// parseTag reads a revision of this registry.
func (r *registry) parseTag(tag string) (rev uint64, ok bool) {
	epoch, digits, ok := strings.Cut(tag, ".")
	if !ok || epoch != r.epoch {
		return 0, false
	}
	rev, err := strconv.ParseUint(digits, 10, 64)
	return rev, err == nil
}

// application returns one application.
func (r *registry) application(name string) (section, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	app := r.apps[name]
	if app == nil {
		return section{}, false
	}
	return app.freeze(), true
}

// byVIP returns the instances whose list of virtual addresses, as address
// returns it, has the given one as an element.
func (r *registry) byVIP(vip string, address func(*wire.Instance) string) *document {
	doc, _ := r.full()
	var out []section
	counts := make(map[wire.Status]int)
	for _, app := range doc.sections() {
		found := section{name: app.name}
		for _, rec := range app.records {
			for element := range strings.SplitSeq(address(&rec.Instance), ",") {
				if element == vip {
					found.records = append(found.records, rec)
					counts[rec.Status]++
					break
				}
			}
		}
		if len(found.records) > 0 {
			out = append(out, found)
		}
	}
	return newDocument(versionVIP, wire.Hash(counts), func() []section { return out })
}

// insertByName keeps the list of applications in order.
func insertByName(apps []*application, app *application) []*application {
	i, _ := findByName(apps, app.name)
	return slices.Insert(apps, i, app)
}

func deleteByName(apps []*application, name string) []*application {
	if i, found := findByName(apps, name); found {
		return slices.Delete(apps, i, i+1)
	}
	return apps
}

func findByName(apps []*application, name string) (int, bool) {
	return slices.BinarySearchFunc(apps, name, func(app *application, name string) int { return strings.Compare(app.name, name) })
}
