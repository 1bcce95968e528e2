package dns

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sync/errgroup"

	"github.com/namesake-go/namesake/discovery"
)

const (
	// maxTargets is how many targets are looked up at a time.
	maxTargets = 16

	// weightScale is what the weights of a priority are multiplied by where
	// some of them are 0.
	weightScale = 100

	targetKey = "target" // in the metadata
)

// records finds the copies that SRV records name.
func (l *lookup) records(ctx context.Context, faults *faults) []discovery.Instance {
	a, err := l.ask(ctx, question{l.name, dnsmessage.TypeSRV})
	if err != nil {
		faults.add(err)
		return nil
	}
	if !a.exists {
		faults.add(unknown(l.name))
		return nil
	}
	records := usable(a.records, faults)
	weights := weigh(records)
	hosts := l.targets(ctx, records, a.extra)

	var set []discovery.Instance
	for i, r := range records {
		in := discovery.Instance{
			Weight:   weights[i],
			Priority: uint32(r.priority),
			Metadata: map[string]string{targetKey: strings.TrimSuffix(r.target, ".")},
		}
		if l.client.hostNames {
			in.Addr = net.JoinHostPort(r.target, strconv.Itoa(int(r.port)))
			set = append(set, in)
			continue
		}
		h := hosts[r.target]
		if h.err == nil && len(h.addrs) == 0 {
			h.err = fmt.Errorf("target %s has no address", r.target)
		}
		faults.add(h.err)
		for _, ip := range h.addrs {
			in.Addr = addrPort(ip, r.port)
			set = append(set, in)
		}
	}
	return set
}

// usable returns the records that name a host, in an order of its own, each
// once. A target of "." says that there is none (RFC 2782).
func usable(records []record, faults *faults) []record {
	records = slices.Clone(records)
	slices.SortFunc(records, byPlace)
	records = slices.CompactFunc(records, func(a, b record) bool { return byPlace(a, b) == 0 })
	return slices.DeleteFunc(records, func(r record) bool {
		if r.target == "." {
			return true
		}
		err := checkName(r.target)
		if err != nil {
			faults.add(fmt.Errorf("target %q: %w", r.target, err))
		}
		return err != nil
	})
}

// targets finds the addresses of the records' targets.
func (l *lookup) targets(ctx context.Context, records, extra []record) map[string]host {
	hosts := make(map[string]host)
	if l.client.hostNames {
		return hosts
	}
	l.keepExtra(extra)
	family := l.client.family
	if family == Both {
		family = AnyFamily
	}
	var names []string
	for _, r := range records {
		names = append(names, r.target)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	found := make([]host, len(names))
	var asking errgroup.Group
	asking.SetLimit(maxTargets)
	for i, name := range names {
		asking.Go(func() error {
			found[i] = l.host(ctx, name, family)
			return nil
		})
	}
	_ = asking.Wait() // errors are with their hosts
	for i, name := range names {
		hosts[name] = found[i]
	}
	return hosts
}

// keepExtra keeps the addresses that came along with SRV records, where it is
// for the same zone to say them. They spare questions; those that nobody asks
// are forgotten at the end of the lookup.
func (l *lookup) keepExtra(extra []record) {
	answers := make(map[question]answer)
	for _, e := range extra {
		if !inBailiwick(e.owner, l.name) {
			continue
		}
		q := question{e.owner, e.kind}
		a, ok := answers[q]
		if !ok {
			a = answer{exists: true, ttl: 1<<31 - 1}
		}
		a.records = append(a.records, e)
		a.ttl = min(a.ttl, shortest(e.ttl))
		answers[q] = a
	}
	for q, a := range answers {
		l.keep(q, a, false)
	}
}

// inBailiwick reports whether host is in the domain for which a name of SRV
// records, such as _orders._tcp.example.internal., speaks.
func inBailiwick(host, srv string) bool {
	domain := srv
	for strings.HasPrefix(domain, "_") {
		_, domain, _ = strings.Cut(domain, ".")
	}
	return domain != "" && (host == domain || strings.HasSuffix(host, "."+domain))
}

// weigh returns the weights of records that are ordered by priority. A weight
// of 0 has no meaning where all have it, and means next to nothing otherwise
// (RFC 2782). An instance's weight of 0 is the usual weight, so that the
// others of its priority are made large beside 1.
func weigh(records []record) []uint32 {
	weights := make([]uint32, 0, len(records))
	for len(weights) < len(records) {
		rest := records[len(weights):]
		n := 1
		for n < len(rest) && rest[n].priority == rest[0].priority {
			n++
		}
		group := rest[:n]
		isZero := func(r record) bool { return r.weight == 0 }
		some := slices.ContainsFunc(group, isZero)
		all := !slices.ContainsFunc(group, func(r record) bool { return !isZero(r) })
		for _, r := range group {
			w := uint32(r.weight)
			switch {
			case all:
				w = 0
			case some:
				w = max(1, w*weightScale)
			}
			weights = append(weights, w)
		}
	}
	return weights
}

// byPlace orders by priority, and leaves nothing to chance.
func byPlace(a, b record) int {
	if a.priority != b.priority {
		return int(a.priority) - int(b.priority)
	}
	if order := strings.Compare(a.target, b.target); order != 0 {
		return order
	}
	if a.port != b.port {
		return int(a.port) - int(b.port)
	}
	return int(a.weight) - int(b.weight)
}
