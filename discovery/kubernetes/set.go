package kubernetes

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/namesake-go/namesake/discovery"
)

// merge returns the set that the slices of a service make, and an error that
// names what of them cannot be used.
func merge(of []*slice, wanted string, ipv6 bool) ([]discovery.Instance, error) {
	of = slices.SortedFunc(slices.Values(of), func(a, b *slice) int { return cmp.Compare(a.Metadata.Name, b.Metadata.Name) })
	best := make(map[string]candidate)
	var faults []error
	endpoints, ports := 0, 0
	for _, s := range of {
		if len(s.Endpoints) == 0 {
			continue
		}
		endpoints++
		rank, err := familyRank(s.AddressType, ipv6)
		if err != nil {
			faults = append(faults, fmt.Errorf("slice %q: %w", s.Metadata.Name, err))
		}
		p, ok := choose(s.Ports, wanted)
		if ok {
			ports++
		}
		if !ok || err != nil {
			continue
		}
		for _, e := range s.Endpoints {
			if len(e.Addresses) == 0 {
				faults = append(faults, fmt.Errorf("slice %q: an endpoint without an address", s.Metadata.Name))
				continue
			}
			c := candidate{in: e.instance(p), conditions: e.Conditions, rank: rank, version: s.Metadata.ResourceVersion}
			if old, ok := best[c.in.Key()]; !ok || c.better(old) {
				best[c.in.Key()] = c
			}
		}
	}
	if endpoints > 0 && ports == 0 {
		return nil, noPort(of, wanted)
	}
	set, err := discovery.CleanSet(oneEach(callable(best)))
	return set, errors.Join(errors.Join(faults...), err)
}

// A candidate is an endpoint that may be called.
type candidate struct {
	in discovery.Instance
	conditions
	rank    int    // of its kind of address; the lower the better
	version string // of its slice
}

// better reports whether c says more about an endpoint than old does: an
// address of the preferred kind or, in an endpoint that moves from one slice
// to another, a newer word.
func (c candidate) better(old candidate) bool {
	if c.rank != old.rank {
		return c.rank < old.rank
	}
	return newer(c.version, old.version)
}

// newer compares resource versions, which are growing numbers.
func newer(a, b string) bool {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) > len(b)
	}
	return a > b
}

// callable returns those that are ready or, if none is, those that still serve
// though they are terminating. This is the choice of kube-proxy.
func callable(all map[string]candidate) []candidate {
	var ready, leaving []candidate
	for _, c := range all {
		switch {
		case c.ready():
			ready = append(ready, c)
		case c.serving() && c.terminating():
			leaving = append(leaving, c)
		}
	}
	if len(ready) > 0 {
		return ready
	}
	return leaving
}

// oneEach leaves one of those that share an address. A pod may be given that of
// one that is not quite gone.
func oneEach(all []candidate) []discovery.Instance {
	byAddr := make(map[string]candidate, len(all))
	for _, c := range all {
		old, ok := byAddr[c.in.Addr]
		switch {
		case !ok, old.terminating() && !c.terminating():
		case c.terminating() && !old.terminating():
			continue
		case newer(old.version, c.version), old.version == c.version && old.in.ID < c.in.ID:
			continue
		}
		byAddr[c.in.Addr] = c
	}
	instances := make([]discovery.Instance, 0, len(byAddr))
	for _, c := range byAddr {
		instances = append(instances, c.in)
	}
	return instances
}

func familyRank(addressType string, ipv6 bool) (int, error) {
	kinds := []string{"IPv4", "IPv6", "FQDN"}
	if ipv6 {
		kinds = []string{"IPv6", "IPv4", "FQDN"}
	}
	rank := slices.Index(kinds, addressType)
	if rank < 0 {
		return 0, fmt.Errorf("address type %.40q is not known", addressType)
	}
	return rank, nil
}

// instance returns the endpoint at one of its ports. The ID stays the same
// when the endpoint moves from one slice to another. Of several addresses, only
// the first means anything.
func (e endpoint) instance(p port) discovery.Instance {
	in := discovery.Instance{
		ID:     cmp.Or(e.TargetRef.UID, e.TargetRef.Name),
		Addr:   net.JoinHostPort(strings.TrimSuffix(e.Addresses[0], "."), strconv.Itoa(int(*p.Port))),
		Scheme: p.scheme(),
		Zone:   e.Zone,
	}
	for _, fact := range []struct{ key, value string }{
		{"node", e.NodeName},
		{"hostname", e.Hostname},
		{strings.ToLower(e.TargetRef.Kind), e.TargetRef.Name},
		{"forZones", names(e.Hints.ForZones)},
		{"forNodes", names(e.Hints.ForNodes)},
	} {
		if fact.key == "" || fact.value == "" {
			continue
		}
		if in.Metadata == nil {
			in.Metadata = make(map[string]string)
		}
		in.Metadata[fact.key] = fact.value
	}
	return in
}

func names(of []struct{ Name string }) string {
	all := make([]string, len(of))
	for i, n := range of {
		all[i] = n.Name
	}
	return strings.Join(all, ",")
}
