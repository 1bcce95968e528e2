package discovery

import (
	"cmp"
	"context"
	"iter"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// ByAddr returns a [Watcher] of the same copies as w, told apart by their
// addresses. Registries give the same copy different IDs, so that [Merge] would
// take it for two, with twice the calls; and a copy that is withdrawn from one
// and stays in the other would be a new one, to which nobody is connected yet.
// Merge of registries by address takes it for one all along:
//
//	discovery.Merge(discovery.ByAddr(new), discovery.ByAddr(old))
//
// IDs are dropped, and addresses written in one way: hosts in lower case, IP
// addresses in their shortest form, IPv4 addresses as such. An IP address and
// a host name are never the same, nor are two names, so both registries must
// use the same kind. They should also say the same of the Scheme: to package
// transport, a copy whose scheme changes from nothing to "http" is another
// endpoint. Of several copies at one address, the one whose ID comes first is
// kept.
func ByAddr(w Watcher) Watcher {
	if w == nil {
		panic("discovery: ByAddr of a nil Watcher")
	}
	return WatcherFunc(func(ctx context.Context, service string) iter.Seq2[[]Instance, error] {
		return func(yield func([]Instance, error) bool) {
			var last []Instance
			known := false // whether last was yielded, and no error since
			for set, err := range w.Watch(ctx, service) {
				if err == nil {
					set = byAddr(set)
					if known && equalSets(last, set) {
						continue
					}
					last = set
				}
				known = err == nil
				if !yield(set, err) {
					return
				}
			}
		}
	})
}

// byAddr returns a set with addresses for keys.
func byAddr(set []Instance) []Instance {
	set = slices.Clone(set)
	for i := range set {
		set[i].Addr = canonicalAddr(set[i].Addr)
	}
	slices.SortFunc(set, func(a, b Instance) int {
		return cmp.Or(cmp.Compare(a.Addr, b.Addr), cmp.Compare(a.ID, b.ID))
	})
	set = slices.CompactFunc(set, func(a, b Instance) bool { return a.Addr == b.Addr })
	for i := range set {
		set[i].ID = ""
	}
	return set
}

// canonicalAddr returns the one way of writing an address, or what is no
// address as it is.
func canonicalAddr(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	} else {
		host = strings.ToLower(host)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		port = strconv.FormatUint(n, 10)
	}
	return net.JoinHostPort(host, port)
}
