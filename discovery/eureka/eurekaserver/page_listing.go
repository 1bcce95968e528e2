package eurekaserver

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// A listing is the registry at one time, with the heartbeats up to then. It
// is immutable.
type listing struct {
	rev    uint64
	size   int
	counts map[wire.Status]int
	Apps   []listedApp // by name
}

// A listedApp is the instances of an application, by id.
type listedApp struct {
	name      string
	instances []*wire.Instance
}

// listing copies the registry. Under the lock it does no more than that.
func (r *registry) listing() *listing {
	r.mu.Lock()
	all := make([]wire.Instance, 0, len(r.expiry))
	for _, app := range r.apps {
		for _, l := range app.leases {
			all = append(all, l.published())
		}
	}
	s := &listing{rev: r.rev, size: len(all), counts: maps.Clone(r.counts)}
	r.mu.Unlock()

	byName := make(map[string][]*wire.Instance)
	for i := range all {
		byName[all[i].App] = append(byName[all[i].App], &all[i])
	}
	for name, instances := range byName {
		slices.SortFunc(instances, func(a, b *wire.Instance) int {
			return cmp.Compare(a.ID(), b.ID())
		})
		s.Apps = append(s.Apps, listedApp{name: name, instances: instances})
	}
	slices.SortFunc(s.Apps, func(a, b listedApp) int { return cmp.Compare(a.name, b.name) })
	return s
}

// best returns n of the instances, in the same order: those that are not up
// rather than others, as that is what people look for. They are not put first,
// since a row that jumps when it is taken out of service leaves another one
// under the mouse.
func best(instances []*wire.Instance, n int) []*wire.Instance {
	if len(instances) <= n {
		return instances
	}
	room := n
	for _, in := range instances {
		if in.Status != wire.Up && room > 0 {
			room--
		}
	}
	down := n - room
	var chosen []*wire.Instance
	for _, in := range instances {
		left := &room
		if in.Status != wire.Up {
			left = &down
		}
		if *left > 0 {
			*left--
			chosen = append(chosen, in)
		}
	}
	return chosen
}

// listings makes listings for all who look at the page. A large registry is
// copied at most a tenth of the time, however many look; a small one is always
// shown as it is.
type listings struct {
	registry *registry

	mu   sync.Mutex // guards what follows; never held together with the registry's but by latest
	last *listing
	at   time.Time     // when last was made
	took time.Duration // how long that took
}

func (s *listings) latest() *listing {
	s.mu.Lock()
	defer s.mu.Unlock()
	begin := time.Now()
	if s.last == nil || begin.Sub(s.at) >= 10*s.took {
		s.last = s.registry.listing()
		s.at = time.Now()
		s.took = s.at.Sub(begin)
	}
	return s.last
}

// forget makes the next listing a new one, for somebody who has changed
// something and wants to see it.
func (s *listings) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = nil
}
