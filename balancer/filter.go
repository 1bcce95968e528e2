package balancer

import (
	"fmt"

	"github.com/namesake-go/namesake/discovery"
)

// Filter has next choose among the endpoints that match, and nothing else: for
// calls that no other copy may get, such as those of a test to a canary, or
// those of a tenant to its own machines. If no available endpoint matches, a
// call fails with an error that is [ErrNoEndpoints] and says so. A retry that
// has tried all that match is sent to one of them again.
//
// Use [Prefer] where any endpoint is better than none. (In Envoy's subset load
// balancer they are the fallback policies NO_FALLBACK and ANY_ENDPOINT.)
//
// Match is called for each endpoint whenever the set or its health changes, and
// should depend on nothing but the instance. [Metadata] makes one.
//
// A pick costs what next costs. Building takes linear time.
func Filter(match func(discovery.Instance) bool, next Policy) Policy {
	mustMatch("Filter", match)
	mustPolicy("Filter", next)
	return func(set Set) Picker {
		matching, _ := set.halve(matches(match))
		if len(matching.Available) == 0 {
			err := fmt.Errorf("%w: of %d available, none matches the filter", ErrNoEndpoints, len(set.Available))
			return PickerFunc(func(PickInfo) (*Endpoint, error) { return nil, err })
		}
		return next(matching)
	}
}

// Prefer has next choose among the endpoints that match as long as one of them
// is available, and among the others when none is, or a retry has tried them
// all.
//
// It does not count them: one endpoint that matches gets all calls. Where those
// that are preferred must not be overwhelmed, see [ZoneAware] and [Priorities].
// Match is as for [Filter].
//
// A pick costs what next costs. Building takes linear time, and builds next
// twice: for those that match, and for the others.
func Prefer(match func(discovery.Instance) bool, next Policy) Policy {
	mustMatch("Prefer", match)
	mustPolicy("Prefer", next)
	return func(set Set) Picker {
		if len(set.Available) == 0 {
			return next(set)
		}
		matching, others := set.halve(matches(match))
		p := &split{service: set.Available[0].service}
		p.add(1, matching, next)
		p.add(0, others, next)
		return p.picker()
	}
}

// Metadata matches instances whose metadata has all of these values; no values
// match all instances.
func Metadata(want map[string]string) func(discovery.Instance) bool {
	type entry struct{ key, value string }
	var entries []entry // a map is slower to go through, and may change
	for key, value := range want {
		entries = append(entries, entry{key, value})
	}
	return func(in discovery.Instance) bool {
		for _, want := range entries {
			if got, ok := in.Metadata[want.key]; !ok || got != want.value {
				return false
			}
		}
		return true
	}
}

func matches(match func(discovery.Instance) bool) func(int, *Endpoint) bool {
	return func(_ int, e *Endpoint) bool { return match(e.Instance()) }
}

func mustMatch(name string, match func(discovery.Instance) bool) {
	if match == nil {
		panic("balancer: " + name + " by a nil function")
	}
}
