package balancer

// An order is which endpoints serve which key, and which are next.
type order interface {
	// first returns the endpoint that comes first for a hash and is available
	// and not tried, or nil if there is none. The second is the one that is
	// first when that has been tried, or is not available, and so on.
	first(h uint64, tried []*Endpoint) *Endpoint
}

// hashed picks by key, in one of the orders.
type hashed struct {
	order
	bound    *bound // or nil
	fallback Picker // for calls without a key
}

// hashPolicy makes a policy of an order.
func hashPolicy(fallback Policy, factor float64, probes int, order func(roster, *rendezvous) order) Policy {
	if fallback == nil {
		fallback = ShortestExpectedDelay
	}
	return func(set Set) Picker {
		if len(set.Available) == 0 {
			return PickerFunc(noEndpoints)
		}
		r := enroll(set)
		rest := newRendezvous(r)
		return &hashed{order(r, rest), newBound(factor, probes, rest), fallback(set)}
	}
}

func (p *hashed) Pick(info PickInfo) (*Endpoint, error) {
	if info.Key == "" { // its hash would send all of them to one endpoint
		return p.fallback.Pick(info)
	}
	h := hashOf(info.Key)
	e := p.first(h, info.Tried)
	if e == nil { // all have been tried
		info.Tried = nil
		e = p.first(h, nil)
	}
	if p.bound != nil {
		e = p.bound.limit(p.order, h, info.Tried, e)
	}
	return e, nil
}
