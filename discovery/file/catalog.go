package file

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/namesake-go/namesake/discovery"
)

// A catalog is what all files say. It never changes.
type catalog struct {
	path string
	docs []*document // in the order of their names
	err  error       // why the path cannot be looked at now
}

// An answer is what a catalog says of a service: a set, an error, or a set and
// an error that names what is missing from it.
type answer struct {
	set   []discovery.Instance
	known bool // whether there is a set
	err   error
}

func (c *catalog) answer(service string) answer {
	list, named, errs := c.list(service)
	if c.err != nil {
		errs = append(errs, c.err)
	}
	if !named {
		if len(errs) == 0 {
			errs = append(errs, fmt.Errorf("%s does not list %q: %w", c.path, service, discovery.ErrUnknownService))
		}
		return answer{err: failure(errs)}
	}
	set, faults := merge(list)
	// An empty set may be yielded if it is what the files say, but not for
	// want of those that say something else.
	known := len(set) > 0 || len(list) == 0 && !slices.ContainsFunc(c.docs, (*document).unread)
	return answer{set: set, known: known, err: failure(append(errs, faults...))}
}

// list returns what the files say of a service, whether any names it, and what
// is wrong with those that do or may.
func (c *catalog) list(service string) (list []listing, named bool, errs []error) {
	var perhaps []error
	for _, gone := range []bool{false, true} { // what is gone only counts if nothing else does
		if named {
			break
		}
		for _, d := range c.docs {
			if d.gone != gone {
				continue
			}
			l, ok := d.services[service]
			list, named = append(list, l...), named || ok
			switch {
			case d.err == nil:
			case ok || d.unread():
				errs = append(errs, d.err)
			case !gone:
				perhaps = append(perhaps, d.err)
			}
		}
	}
	if !named {
		errs = append(errs, perhaps...)
	}
	return list, named, errs
}

// unread reports whether nobody knows what the file says.
func (d *document) unread() bool { return d.services == nil }

// merge makes a set of a list, in the order of which the first of equal keys
// counts.
func merge(list []listing) (set []discovery.Instance, faults []error) {
	set = []discovery.Instance{}
	places := make(map[string]place, len(list))
	for _, l := range list {
		if err := l.Validate(); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", l.place, err))
			continue
		}
		if first, twice := places[l.Key()]; twice {
			faults = append(faults, fmt.Errorf("%s: the instance %q is listed twice; %s is used", l.place, l.Key(), first))
			continue
		}
		places[l.Key()] = l.place
		set = append(set, l.Instance)
	}
	slices.SortFunc(set, func(a, b discovery.Instance) int { return cmp.Compare(a.Key(), b.Key()) })
	return set, faults
}

func failure(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("file: %w", errors.Join(errs...))
}
