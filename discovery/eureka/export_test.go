package eureka

import (
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

var (
	FromWire     = fromWire
	ToWire       = toWire
	ParseServers = parseServers
)

// ParseZones returns the URLs of the servers in lists, and how many of them
// are near.
func ParseZones(own string, lists map[string]string) (urls []string, near int, err error) {
	servers, err := parseZones(own, lists)
	for i, s := range servers {
		urls = append(urls, s.String())
		if s.near && near == i {
			near++
		}
	}
	return urls, near, err
}

// Set returns the set of a service in the registry that full lists, after
// deltas.
func Set(service string, full wire.Applications, deltas ...wire.Applications) []discovery.Instance {
	r := newRegistry(full.Applications)
	for _, d := range deltas {
		r = r.apply(d.Applications)
	}
	if !r.counted() {
		panic("wrong counts")
	}
	set, _ := r.set(service, false)
	return set
}

// counted reports whether the counts of a registry are right, and its instances
// in order.
func (r *registry) counted() bool {
	var apps []wire.Application
	size := 0
	for _, app := range r.apps {
		var instances []wire.Instance
		for i, in := range app.instances {
			if i > 0 && byID(app.instances[i-1], in) >= 0 {
				return false
			}
			instances = append(instances, *in)
		}
		size += len(instances)
		apps = append(apps, wire.Application{Instances: instances})
	}
	return r.size == size && r.hash() == wire.HashOf(apps)
}

// Applier returns a function that does what a delta takes, but for the set
// that a watch of a changed service finds: apply it and compute the hash.
func Applier(apps []wire.Application) func(delta []wire.Application) {
	r := newRegistry(apps)
	return func(delta []wire.Application) {
		r = r.apply(delta)
		r.hash()
	}
}

// InAnyOrder undoes WithServersInOrder.
func InAnyOrder() Option {
	return optionFunc(func(c *config) { c.ordered = false })
}
