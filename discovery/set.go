package discovery

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// CleanSet returns the instances that can be used, as a set that a [Watcher]
// may yield: a copy, ordered by key. The error names each that it leaves out,
// in the same order, and joins them as [errors.Join] does: the invalid ones,
// and all but one of those that share a key. The one with the lowest address
// is kept, and of several there the one whose other facts, written out, come
// first, so that the order in which a registry lists them changes nothing.
// If all are left out, or there are none, the set is nil.
//
// Every watcher here cleans its sets, and one of yours should too, unless it
// uses [Poll], which does. One bad registration must not hide the others: yield
// the set, and then the error. Only if there is an error and no set, leave it
// at the error, so that the last set stands.
//
// The order of a set has no meaning but makes sets comparable:
//
//	slices.EqualFunc(a, b, discovery.Instance.Equal)
func CleanSet(instances []Instance) ([]Instance, error) {
	var set []Instance
	var faults []error
	for _, in := range slices.SortedFunc(slices.Values(instances), byFacts) {
		if err := in.Validate(); err != nil {
			faults = append(faults, err)
			continue
		}
		if n := len(set); n > 0 && set[n-1].Key() == in.Key() {
			faults = append(faults, fmt.Errorf("discovery: instance %q is listed twice: at %s, which is used, and at %s", in.Key(), set[n-1].Addr, in.Addr))
			continue
		}
		set = append(set, in)
	}
	return set, errors.Join(faults...)
}

func byKey(a, b Instance) int { return cmp.Compare(a.Key(), b.Key()) }

// byFacts orders by key, and leaves nothing to chance where keys are equal.
func byFacts(a, b Instance) int {
	if order := byKey(a, b); order != 0 {
		return order
	}
	if order := cmp.Compare(a.Addr, b.Addr); order != 0 {
		return order
	}
	return cmp.Compare(fmt.Sprintf("%#v", a), fmt.Sprintf("%#v", b)) // fmt orders maps by key
}

// equalSets reports whether two clean sets state the same facts.
func equalSets(a, b []Instance) bool { return slices.EqualFunc(a, b, Instance.Equal) }
