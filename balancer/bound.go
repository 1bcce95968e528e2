package balancer

import (
	"slices"
	"sync/atomic"
)

const (
	// roomy is how many calls an endpoint may have in flight whatever its
	// bound. While there are few, the bound would be one or two, and send the
	// keys of two calls at a time all over the place.
	roomy = 4

	// probes is how many endpoints an order is asked for before all of them are
	// looked at.
	probes = 8

	// counted is from how many endpoints on a service counts what it has in
	// flight. Fewer are asked one by one, which is exact also if others of the
	// service are not in the set.
	counted = 16
)

// A bound keeps endpoints from having too much in flight: more than c times
// their share of what all have,
//
//	ceil(c · (m + 1) · w / Σw)
//
// where m is what is in flight and 1 the call to be placed (Mirrokni, Thorup,
// Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016). What goes over
// is spread by further hashes of the key (Chen, Coleman, Shrivastava,
// "Revisiting Consistent Hashing with Bounded Loads", 2019): if it went to the
// next on the ring, that one would go over too, and so on.
type bound struct {
	perWeight float64 // c / Σw
	probes    int
	rest      *rendezvous
	inFlight  *atomic.Int64 // of the service, or nil: few, to be asked
}

// newBound returns nil if c is not positive: no bound. Below 1 there would not
// be room for all.
func newBound(c float64, probes int, rest *rendezvous) *bound {
	if !(c > 0) {
		return nil
	}
	var weights float64
	for _, e := range rest.endpoints {
		weights += float64(e.Weight())
	}
	b := &bound{perWeight: max(c, 1) / weights, probes: probes, rest: rest}
	if len(rest.endpoints) >= counted {
		for _, e := range rest.endpoints {
			flights.Of(e)
		}
		b.inFlight = &tallies.OfService(rest.endpoints[0].service).inFlight
	}
	return b
}

// limit returns e if it has room, or else another that has.
func (b *bound) limit(o order, h uint64, tried []*Endpoint, e *Endpoint) *Endpoint {
	if e.InFlight() < roomy {
		return e
	}
	room := room(b.perWeight * float64(b.total()+1))
	if room.in(e) {
		return e
	}
	for i := range b.probes {
		if e := o.first(rehash(h, i+1), tried); room.in(e) {
			return e
		}
	}
	if e := b.rest.firstWith(room, h, tried); e != nil {
		return e
	}
	return b.leastLoaded(tried)
}

// total returns what is in flight.
func (b *bound) total() int64 {
	if b.inFlight != nil {
		return b.inFlight.Load()
	}
	var n int64
	for _, e := range b.rest.endpoints {
		n += e.InFlight()
	}
	return n
}

// leastLoaded is for when the tried ones are all that have room.
func (b *bound) leastLoaded(tried []*Endpoint) (least *Endpoint) {
	for _, e := range b.rest.endpoints {
		if slices.Contains(tried, e) {
			continue
		}
		if least == nil || lessLoaded(e, least, 1) {
			least = e
		}
	}
	return least
}

// A room is how much there is for each unit of weight.
type room float64

// in reports whether there is room in an endpoint. To be less than x and less
// than ceil(x) is the same for a whole number.
func (r room) in(e *Endpoint) bool {
	n := e.InFlight()
	return n < roomy || float64(n) < float64(r)*float64(e.Weight())
}

// A tally counts what all endpoints of a service have in flight.
type tally struct {
	_        [64]byte
	inFlight atomic.Int64
	_        [56]byte
}

// A flight counts an endpoint's attempts for the tally.
type flight struct{ _ byte }

var (
	tallies = NewKey[tally]()
	flights = NewKey[flight]()
)

// Begin adds one.
func (*flight) Begin(a Attempt) { tallies.OfService(a.endpoint.service).inFlight.Add(1) }

// End takes it away.
func (*flight) End(a Attempt) { tallies.OfService(a.endpoint.service).inFlight.Add(-1) }
