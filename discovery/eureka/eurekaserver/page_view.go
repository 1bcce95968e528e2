package eurekaserver

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// How much a page shows. What it leaves out it says, with a link to it.
const (
	shownApps      = 200 // a page of the overview
	shownPerApp    = 10  // instances in the overview
	shownInstances = 200 // instances of all applications in the overview
	shownAlone     = 200 // a page of a single application
	shownOpen      = 40  // up to so many instances, nothing is folded
	shownChanges   = 40
	shownMetadata  = 30
	shownZones     = 4
	maxShownText   = 300 // bytes of what an instance says of itself
)

// shownStatuses are the ones that there are, in the order in which they are shown.
var shownStatuses = []wire.Status{wire.Up, wire.Starting, wire.OutOfService, wire.Down, wire.Unknown}

// A pageView is what the template writes.
type pageView struct {
	*facts
	Query    pageQuery
	Operate  bool // there are buttons
	operable func(app string) bool
	Statuses []statusView
	Apps     []appView
	Total    int // instances, all
	Found    int // of these, the ones that the query is about
	AppCount int // applications that the query is about
	Earlier  string
	Later    string
	Pages    int
	PeersOK  int
}

type statusView struct {
	Name     wire.Status
	Class    string
	Count    int
	Link     string
	Selected bool
}

type appView struct {
	DOM       string // unique on the page
	Name      string
	Link      string
	Open      bool
	Statuses  []statusView
	Zones     string
	Total     int
	Instances []instanceView
}

// Hidden returns how many instances are left out.
func (a appView) Hidden() int { return a.Total - len(a.Instances) }

func (p *page) view(f *facts, q pageQuery, operable func(app string) bool) *pageView {
	chosen, found := q.choose(f.Registry.Apps)
	v := &pageView{
		facts:    f,
		Query:    q,
		Operate:  p.config.Operate,
		operable: operable,
		Statuses: f.statuses(q),
		Total:    f.Registry.size,
		Found:    found,
		AppCount: len(chosen),
		Pages:    1,
	}
	for _, peer := range f.Peers {
		if peer.OK {
			v.PeersOK++
		}
	}
	if q.App != "" {
		v.paginate(found, shownAlone)
		for _, app := range chosen {
			from, to := v.slice(len(app.instances), shownAlone)
			v.Apps = append(v.Apps, p.appView(app, app.instances[from:to], v))
		}
		return v
	}
	v.paginate(len(chosen), shownApps)
	from, to := v.slice(len(chosen), shownApps)
	room := shownInstances
	for _, app := range chosen[from:to] {
		n := min(len(app.instances), shownPerApp, room)
		room -= n
		v.Apps = append(v.Apps, p.appView(app, best(app.instances, n), v))
	}
	return v
}

// paginate sets the page that is shown, and the links to those around it.
func (v *pageView) paginate(total, size int) {
	v.Pages = max((total+size-1)/size, 1)
	v.Query.Page = min(v.Query.Page, v.Pages)
	if v.Query.Page > 1 {
		v.Earlier = v.Query.withPage(v.Query.Page - 1).Link()
	}
	if v.Query.Page < v.Pages {
		v.Later = v.Query.withPage(v.Query.Page + 1).Link()
	}
}

func (v *pageView) slice(total, size int) (from, to int) {
	from = min((v.Query.Page-1)*size, total)
	return from, min(from+size, total)
}

func (f *facts) statuses(q pageQuery) []statusView {
	var all []statusView
	for _, status := range shownStatuses {
		if n := f.Registry.counts[status]; n > 0 || status == q.Status {
			s := statusView{Name: status, Class: statusClass(status), Count: n, Link: q.withStatus(status).Link(), Selected: status == q.Status}
			if s.Selected {
				s.Link = q.withStatus("").Link()
			}
			all = append(all, s)
		}
	}
	return all
}

func (p *page) appView(app listedApp, shown []*wire.Instance, v *pageView) appView {
	a := appView{
		DOM:   domID("a", app.name),
		Name:  clip(app.name, maxShownText),
		Link:  v.Query.WithApp(app.name).Link(),
		Open:  v.Query.App != "" || v.Query.Filters() || v.Found <= shownOpen,
		Total: len(app.instances),
	}
	counts, zones := make(map[wire.Status]int), make(map[string]int)
	for _, in := range app.instances {
		counts[in.Status]++
		if z := zone(in); z != "" {
			zones[z]++
		}
	}
	for _, status := range shownStatuses {
		if n := counts[status]; n > 0 {
			a.Statuses = append(a.Statuses, statusView{Name: status, Class: statusClass(status), Count: n})
		}
	}
	a.Zones = listZones(zones)
	operable := v.operable(app.name)
	for _, in := range shown {
		a.Instances = append(a.Instances, p.instanceView(in, v.Now, operable))
	}
	return a
}

func listZones(zones map[string]int) string {
	text := ""
	switch len(zones) {
	case 0:
		return ""
	case 1:
		text = "zone "
	default:
		text = "zones "
	}
	for i, name := range slices.Sorted(maps.Keys(zones)) {
		if i == shownZones {
			return text + fmt.Sprintf(" and %d more", len(zones)-i)
		}
		if i > 0 {
			text += ", "
		}
		text += clip(name, 40)
	}
	return text
}

// age returns how long ago a time of the registry was, in milliseconds since
// 1970.
func age(now time.Time, milliseconds int64) time.Duration {
	if milliseconds == 0 {
		return 0
	}
	return since(now, time.UnixMilli(milliseconds))
}
