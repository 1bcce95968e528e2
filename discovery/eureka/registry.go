package eureka

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// A registry is all that a server listed at one moment, instances of every
// status included, since the hash counts them. It does not change once made,
// and shares with the one before it what has not changed.
type registry struct {
	apps   map[string]*application // by name in upper case; none is empty
	counts map[wire.Status]int
	size   int // how many instances there are, of every status
}

// An application is the instances of one, ordered by id. It does not change
// once made.
type application struct {
	name      string
	instances []*wire.Instance
}

func newRegistry(apps []wire.Application) *registry {
	var r registry
	return r.put(apps, func(*wire.Instance) wire.Action { return wire.Added })
}

// apply returns the registry after the changes of a delta. Applied again, it
// changes nothing more.
func (r *registry) apply(delta []wire.Application) *registry {
	return r.put(delta, func(in *wire.Instance) wire.Action { return in.Action })
}

func (r *registry) put(apps []wire.Application, action func(*wire.Instance) wire.Action) *registry {
	next := &registry{
		apps:   make(map[string]*application, len(r.apps)+len(apps)),
		counts: make(map[wire.Status]int, len(r.counts)),
	}
	maps.Copy(next.apps, r.apps)
	maps.Copy(next.counts, r.counts)
	next.size = r.size
	for i := range apps {
		name := strings.ToUpper(apps[i].Name)
		next.apps[name] = next.merge(next.apps[name], &apps[i], action)
		if len(next.apps[name].instances) == 0 {
			delete(next.apps, name)
		}
	}
	return next
}

// merge returns an application, which may be nil, after the changes to it, and
// counts them.
func (r *registry) merge(app *application, changes *wire.Application, action func(*wire.Instance) wire.Action) *application {
	if app == nil {
		app = &application{name: changes.Name}
	}
	var changed []*wire.Instance
	for i := range changes.Instances {
		if in := &changes.Instances[i]; action(in) != "" {
			changed = append(changed, in)
		}
	}
	slices.SortStableFunc(changed, byID)
	next := &application{name: app.name, instances: make([]*wire.Instance, 0, len(app.instances)+len(changed))}
	rest := app.instances
	for i, in := range changed {
		if i+1 < len(changed) && byID(in, changed[i+1]) == 0 {
			continue // the last word counts
		}
		at, known := slices.BinarySearchFunc(rest, in, byID)
		next.instances = append(next.instances, rest[:at]...)
		rest = rest[at:]
		if known {
			r.count(rest[0], -1)
			rest = rest[1:]
		}
		if action(in) != wire.Deleted {
			r.count(in, 1)
			next.instances = append(next.instances, in)
		}
	}
	next.instances = append(next.instances, rest...)
	return next
}

func (r *registry) count(in *wire.Instance, by int) {
	r.counts[in.Status] += by
	r.size += by
}

func byID(a, b *wire.Instance) int { return cmp.Compare(a.ID(), b.ID()) }

// renewal returns how long it may take until all copies have renewed their
// leases, which is also when a server that was restarted knows them again.
func (r *registry) renewal() time.Duration {
	longest := 0
	for _, app := range r.apps {
		for _, in := range app.instances {
			longest = max(longest, in.Lease.RenewalInterval)
		}
	}
	if longest == 0 {
		return defaultRenewal
	}
	return min(time.Duration(longest)*time.Second, maxInterval)
}

func (r *registry) hash() string { return wire.Hash(r.counts) }

// set returns the copies of a service that are up, ordered by id: those of
// the application with that name or, if there is no such application, those
// with that name among their virtual addresses. Case does not matter. The
// errors name those that are up but cannot be called.
func (r *registry) set(service string, hostNames bool) (set []discovery.Instance, unusable []error) {
	seen := make(map[string]bool)
	add := func(app *application, in *wire.Instance) {
		if in.Status != wire.Up {
			return
		}
		out, err := fromWire(in, hostNames)
		if err != nil {
			unusable = append(unusable, fmt.Errorf("instance %q of %s: %w", in.ID(), app.name, err))
			return
		}
		for seen[out.ID] { // in another application with the same virtual address
			out.ID = app.name + "/" + out.ID
		}
		seen[out.ID] = true
		set = append(set, out)
	}
	if app := r.named(service); app != nil {
		for _, in := range app.instances {
			add(app, in)
		}
		return set, unusable
	}
	for _, name := range slices.Sorted(maps.Keys(r.apps)) {
		app := r.apps[name]
		for _, in := range app.instances {
			if isAmong(service, in.VIPAddress) || in.SecurePort.Enabled && isAmong(service, in.SecureVIPAddress) {
				add(app, in)
			}
		}
	}
	slices.SortFunc(set, func(a, b discovery.Instance) int { return cmp.Compare(a.ID, b.ID) })
	return set, unusable
}

// named returns the application with the name of a service, or nil.
func (r *registry) named(service string) *application { return r.apps[strings.ToUpper(service)] }

// isAmong reports whether name is in a comma-separated list.
func isAmong(name, list string) bool {
	for element := range strings.SplitSeq(list, ",") {
		if element = strings.TrimSpace(element); element != "" && strings.EqualFold(element, name) {
			return true
		}
	}
	return false
}
