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
// status included, since the hash counts them. It does not change once made.
type registry struct {
	apps map[string]wire.Application // by name in upper case; none is empty
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
	next := &registry{apps: make(map[string]wire.Application, len(r.apps)+len(apps))}
	maps.Copy(next.apps, r.apps)
	for _, app := range apps {
		name := strings.ToUpper(app.Name)
		next.apps[name] = merge(next.apps[name], app, action)
		if len(next.apps[name].Instances) == 0 {
			delete(next.apps, name)
		}
	}
	return next
}

// merge returns old after the changes to it. Old keeps its instances.
func merge(old, changes wire.Application, action func(*wire.Instance) wire.Action) wire.Application {
	instances := slices.Clone(old.Instances)
	at := make(map[string]int, len(instances)) // index by id
	for i := range instances {
		at[instances[i].ID()] = i
	}
	gone := make(map[string]bool)
	for i := range changes.Instances {
		in := &changes.Instances[i]
		switch action(in) {
		case wire.Added, wire.Modified:
			delete(gone, in.ID())
			if k, ok := at[in.ID()]; ok {
				instances[k] = *in
			} else {
				at[in.ID()] = len(instances)
				instances = append(instances, *in)
			}
		case wire.Deleted:
			gone[in.ID()] = true
		}
	}
	instances = slices.DeleteFunc(instances, func(in wire.Instance) bool { return gone[in.ID()] })
	return wire.Application{Name: cmp.Or(old.Name, changes.Name), Instances: instances}
}

// size returns how many instances there are, of every status.
func (r *registry) size() int {
	n := 0
	for _, app := range r.apps {
		n += len(app.Instances)
	}
	return n
}

// renewal returns how long it may take until all copies have renewed their
// leases, which is also when a server that was restarted knows them again.
func (r *registry) renewal() time.Duration {
	longest := 0
	for _, app := range r.apps {
		for i := range app.Instances {
			longest = max(longest, app.Instances[i].Lease.RenewalInterval)
		}
	}
	if longest == 0 {
		return defaultRenewal
	}
	return min(time.Duration(longest)*time.Second, maxInterval)
}

func (r *registry) hash() string {
	return wire.HashOf(slices.Collect(maps.Values(r.apps)))
}

// set returns the copies of a service that are up, ordered by id: those of
// the application with that name or, if there is no such application, those
// with that name among their virtual addresses. Case does not matter. The
// errors name those that are up but cannot be called.
func (r *registry) set(service string, hostNames bool) (set []discovery.Instance, unusable []error) {
	seen := make(map[string]bool)
	add := func(app wire.Application, in *wire.Instance) {
		if in.Status != wire.Up {
			return
		}
		out, err := fromWire(in, hostNames)
		if err != nil {
			unusable = append(unusable, fmt.Errorf("instance %q of %s: %w", in.ID(), app.Name, err))
			return
		}
		for seen[out.ID] { // in another application with the same virtual address
			out.ID = app.Name + "/" + out.ID
		}
		seen[out.ID] = true
		set = append(set, out)
	}
	if app, ok := r.apps[strings.ToUpper(service)]; ok {
		for i := range app.Instances {
			add(app, &app.Instances[i])
		}
	} else {
		for _, name := range slices.Sorted(maps.Keys(r.apps)) {
			app := r.apps[name]
			for i := range app.Instances {
				if in := &app.Instances[i]; isAmong(service, in.VIPAddress) {
					add(app, in)
				}
			}
		}
	}
	slices.SortFunc(set, func(a, b discovery.Instance) int { return cmp.Compare(a.ID, b.ID) })
	return set, unusable
}

// isAmong reports whether name is in a comma-separated list.
func isAmong(name, list string) bool {
	for element := range strings.SplitSeq(list, ",") {
		if element = strings.TrimSpace(element); element != "" && strings.EqualFold(element, name) {
			return true
		}
	}
	return false
}
