package discovery

import (
	"cmp"
	"fmt"
	"slices"
)

// CleanSet returns the instances as a set that a [Watcher] may yield: a copy,
// ordered by key. An invalid instance, or two with the same key, make an
// error that names them; there is no set then. A nil set is an empty one.
//
// Every watcher here cleans its sets, and one of yours should too, unless it
// uses [Poll], which does. The order has no meaning but makes sets comparable:
//
//	slices.EqualFunc(a, b, discovery.Instance.Equal)
func CleanSet(instances []Instance) ([]Instance, error) {
	set := slices.Clone(instances)
	slices.SortStableFunc(set, byKey)
	for i, in := range set {
		if err := in.Validate(); err != nil {
			return nil, err
		}
		if i > 0 && set[i-1].Key() == in.Key() {
			return nil, fmt.Errorf("discovery: instances at %s and %s share the key %q", set[i-1].Addr, in.Addr, in.Key())
		}
	}
	return set, nil
}

func byKey(a, b Instance) int { return cmp.Compare(a.Key(), b.Key()) }

// equalSets reports whether two clean sets state the same facts.
func equalSets(a, b []Instance) bool { return slices.EqualFunc(a, b, Instance.Equal) }
