package fault

import (
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/namesake-go/namesake/discovery"
)

// An Injector holds rules and applies them to the requests that pass. The zero
// value has none, and 0 for a seed. All methods may be called concurrently.
type Injector struct {
	seed  uint64
	rules atomic.Pointer[[]*rule] // replaced, never changed; nil before the first
}

// New returns an Injector. The same seed makes the same choices.
func New(seed uint64, rules ...Rule) *Injector {
	i := &Injector{seed: seed}
	i.Set(rules...)
	return i
}

// Set replaces all rules, and has their figures and their chances begin anew.
// Requests that have met the old rules are not disturbed: a delay that has
// begun goes on. Without arguments, nothing is injected any more.
func (i *Injector) Set(rules ...Rule) {
	list := make([]*rule, len(rules))
	for n, r := range rules {
		list[n] = newRule(r, i.seed, uint64(n))
	}
	i.rules.Store(&list)
}

func (i *Injector) inForce() []*rule {
	if list := i.rules.Load(); list != nil {
		return *list
	}
	return nil
}

// Around returns a RoundTripper that applies the rules to what it sends
// through base. The address that rules see is the URL's host: that of the
// endpoint if base is given to transport.WithBase, and the service's name if
// the Transport itself is base. It panics if base is nil.
func (i *Injector) Around(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		panic("fault: around a nil RoundTripper")
	}
	return &injected{injector: i, base: base}
}

// EndpointBase does the same for one endpoint of a transport.Transport, whose
// address is the one that rules see. It is what transport.WithEndpointBase
// takes.
func (i *Injector) EndpointBase(in discovery.Instance, pool http.RoundTripper) http.RoundTripper {
	return &injected{injector: i, base: pool, addr: in.Addr}
}

// Stats are the figures of a rule since it was set.
type Stats struct {
	Name     string // the rule's
	Matched  uint64 // requests that the rule is for
	Injected uint64 // those of them that the fault was done to
}

// Stats returns the figures of the rules in force, in their order.
func (i *Injector) Stats() []Stats {
	var list []Stats
	for _, r := range i.inForce() {
		list = append(list, Stats{Name: r.Name, Matched: r.matched.Load(), Injected: r.injected.Load()})
	}
	return list
}

// An injected is a RoundTripper with faults.
type injected struct {
	injector *Injector
	base     http.RoundTripper
	addr     string // of the endpoint, or "" if the URL knows
}

func (t *injected) RoundTrip(req *http.Request) (*http.Response, error) {
	rules := t.injector.inForce()
	if len(rules) == 0 {
		return t.base.RoundTrip(req)
	}
	addr := t.addr
	if addr == "" && req.URL != nil {
		addr = req.URL.Host
	}
	return (&passage{rules: rules, addr: addr, base: t.base}).RoundTrip(req)
}

// CloseIdleConnections passes on what http.Client's method asks for.
func (t *injected) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// A passage is what remains of a request's way: rules, and then the base.
type passage struct {
	rules []*rule
	addr  string
	base  http.RoundTripper
}

func (p *passage) RoundTrip(req *http.Request) (*http.Response, error) {
	n := slices.IndexFunc(p.rules, func(r *rule) bool { return r.matches(req, p.addr) })
	if n < 0 {
		return p.base.RoundTrip(req)
	}
	next := &passage{rules: p.rules[n+1:], addr: p.addr, base: p.base}
	r := p.rules[n]
	hit, chance := r.draw()
	if !hit {
		return next.RoundTrip(req)
	}
	return r.Fault(req, next, chance)
}
