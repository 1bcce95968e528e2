package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"golang.org/x/net/dns/dnsmessage"
)

// maxLookup bounds a lookup with all its questions.
const maxLookup = 30 * time.Second

var errTooLong = fmt.Errorf("no answer within %v, in which a lookup must be done", maxLookup)

// A finding is the result of a lookup.
type finding struct {
	set    []discovery.Instance
	err    error     // what is wrong with the rest, or with all if there is no set
	failed bool      // DNS could not be asked, at least for a part
	until  time.Time // when the first of its answers expires
}

// A lookup finds the copies of one service, again and again. It keeps answers
// until they expire, and longer if they cannot be replaced.
type lookup struct {
	client  *Client
	service string
	name    string

	mu      sync.Mutex // guards the rest
	answers map[question]*kept
}

// kept is an answer that may be used again.
type kept struct {
	answer
	expires time.Time
	used    bool // in the lookup under way
}

func newLookup(c *Client, service, name string) *lookup {
	return &lookup{client: c, service: service, name: name, answers: make(map[question]*kept)}
}

// run looks once.
func (l *lookup) run(ctx context.Context) finding {
	ctx, cancel := context.WithTimeoutCause(ctx, maxLookup, errTooLong)
	defer cancel()
	for _, k := range l.answers {
		k.used = false
	}
	var instances []discovery.Instance
	var faults faults
	if l.client.pattern.srv {
		instances = l.records(ctx, &faults)
	} else {
		instances = l.addresses(ctx, &faults)
	}
	set, err := discovery.CleanSet(instances)
	faults.add(err)
	f := finding{set: set, failed: faults.failed, err: faults.join()}
	if f.err != nil {
		f.err = fmt.Errorf("dns: lookup of %q: %w", l.service, f.err)
	}
	if !f.failed || len(set) > 0 { // else not all that is needed may have been used
		f.until = l.expire()
	}
	return f
}

// ask returns the answer to a question: the one it keeps until it expires. One
// that cannot be replaced stands, and comes with the error.
func (l *lookup) ask(ctx context.Context, q question) (answer, error) {
	l.mu.Lock()
	k := l.answers[q]
	l.mu.Unlock()
	if k != nil {
		k.used = true // by one question at a time
		if time.Now().Before(k.expires) {
			return k.answer, nil
		}
	}
	a, err := l.client.resolve(ctx, q)
	if err == nil {
		l.keep(q, a, true)
		return a, nil
	}
	if k != nil {
		a = k.answer
	}
	return a, &failure{err}
}

func (l *lookup) keep(q question, a answer, used bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a.extra = nil // has been taken out
	l.answers[q] = &kept{answer: a, expires: time.Now().Add(l.client.lifetime(a.ttl)), used: used}
}

// expire forgets the answers that were not used, and returns when the first of
// the others expires.
func (l *lookup) expire() time.Time {
	first := time.Now().Add(l.client.maxInterval)
	for q, k := range l.answers {
		switch {
		case !k.used:
			delete(l.answers, q)
		case k.expires.Before(first):
			first = k.expires
		}
	}
	return first
}

// addresses finds the copies of a name that has one address for each.
func (l *lookup) addresses(ctx context.Context, faults *faults) []discovery.Instance {
	h := l.host(ctx, l.name, l.client.family)
	if !h.exists && h.err == nil {
		faults.add(unknown(l.name))
		return nil
	}
	faults.add(h.err)
	if !h.fresh {
		return nil
	}
	set := make([]discovery.Instance, len(h.addrs))
	for i, ip := range h.addrs {
		set[i] = discovery.Instance{Addr: addrPort(ip, l.client.port)}
	}
	return set
}

func addrPort(ip netip.Addr, port uint16) string {
	return net.JoinHostPort(ip.String(), strconv.Itoa(int(port)))
}

// A host is what is known of a name's addresses.
type host struct {
	exists bool
	fresh  bool         // not all of it is what was known before a failure
	addrs  []netip.Addr // each once
	err    error
}

func (l *lookup) host(ctx context.Context, name string, family Family) host {
	var h host
	for _, kind := range kinds(family) {
		a, err := l.ask(ctx, question{name, kind})
		h.add(a, err)
		if family != Both && (len(h.addrs) > 0 || !a.exists) {
			break // a name that does not exist, or is not known to, has nothing else
		}
	}
	return h
}

// add takes in the answer for one family. A name that has addresses exists,
// whatever else is said of it.
func (h *host) add(a answer, err error) {
	h.exists = h.exists || a.exists
	h.fresh = h.fresh || err == nil
	h.err = errors.Join(h.err, err)
	seen := make(map[netip.Addr]bool, len(a.records))
	for _, rec := range a.records {
		ip := rec.addr.Unmap()
		switch {
		case seen[ip]:
			continue
		case ip.IsUnspecified() || ip.IsMulticast():
			h.err = errors.Join(h.err, fmt.Errorf("%s has address %s, which is nobody's", rec.owner, ip))
		default:
			h.addrs = append(h.addrs, ip)
		}
		seen[ip] = true
	}
}

func kinds(family Family) []dnsmessage.Type {
	switch family {
	case IPv4:
		return []dnsmessage.Type{dnsmessage.TypeA}
	case IPv6:
		return []dnsmessage.Type{dnsmessage.TypeAAAA}
	}
	return []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA}
}
