package balancer

import "math/bits"

// lot is how many clients, or endpoints, form a lot.
const lot = 10

// RocksteadierConfig configures [Rocksteadier].
type RocksteadierConfig struct {
	// Index is the client's number. The clients of a service are numbered from
	// 0 on without gaps, as the copies of a stateful set are: else some
	// endpoints have many more clients than others.
	Index uint

	// Size is how many endpoints are chosen. Zero or less means
	// [DefaultSubset], 20.
	Size int
}

// Rocksteadier is [Subset] for clients that are numbered: it gives each
// endpoint nearly the same number of clients. With 100 clients of 20 endpoints
// out of 300 that is 6 to 8, against 2 to 17 by hashing; with 300 clients out
// of 100 endpoints it is 60 each. All clients must see the same set of
// endpoints for it.
//
// Clients and endpoints, these numbered in the order of the set, form lots of
// ten. Each client of a lot is dealt another one of the ten endpoints of a lot,
// in an order shuffled for these two lots. So ten clients have ten different
// subsets, which are spread evenly. The order in which a lot of clients goes
// over the lots of endpoints is that of a ring on which both are placed by the
// binary van der Corput sequence, which is even at any number, and moves nothing
// when there are more: the places are 0, 1/2, 1/4, 3/4, 1/8 and so on.
// (Ward, Wankadia, Guliani, "Reinventing Backend Subsetting at Google", ACM
// Queue, 2022.)
//
// An endpoint that joins or leaves at the end of the set's order changes at
// most one of a client's connections, and a client that joins or leaves at the
// end none of the others'. One that joins or leaves amid the order moves all
// behind it up, and changes about half of each client's connections. So use it
// where keys are numbers too, of the same length, as in "orders-007", and
// copies keep theirs when they are replaced; and [Subset] elsewhere.
//
// Subsets grow, and retries leave them, as those of Subset do, and the costs
// are the same.
func Rocksteadier(cfg RocksteadierConfig, next Policy) Policy {
	mustPolicy("Rocksteadier", next)
	if cfg.Size <= 0 {
		cfg.Size = DefaultSubset
	}
	return func(set Set) Picker {
		all := set.listed()
		if len(set.Available) == 0 || len(all) <= cfg.Size {
			return next(set)
		}
		return subset(set, rocksteadier(uint64(cfg.Index), len(all)), cfg.Size, next)
	}
}

// rocksteadier returns for each of n endpoints how far back it stands in the
// order in which a client takes them: in each of ten rounds, one of each lot.
func rocksteadier(client uint64, n int) []uint64 {
	ranks := make([]uint64, n)
	ring := ringsteady(client/lot, (n+lot-1)/lot)
	for place, l := range ring {
		deal := shuffledLot(client/lot, l)
		for round := range uint64(lot) {
			if i := l*lot + deal[(client+round)%lot]; i < uint64(n) { // the last lot may be short
				ranks[i] = round*uint64(len(ring)) + uint64(place)
			}
		}
	}
	return ranks
}

// ringsteady returns the lots of endpoints in the order of the ring, from the
// place of a lot of clients on.
func ringsteady(clients uint64, lots int) []uint64 {
	width := bits.Len(uint(lots - 1))
	ring := make([]uint64, 0, lots)
	start := 0
	for place := range uint64(1) << width {
		l := bits.Reverse64(place << (64 - width))
		if l >= uint64(lots) {
			continue
		}
		if bits.Reverse64(l) < bits.Reverse64(clients) {
			start = len(ring) + 1
		}
		ring = append(ring, l)
	}
	start %= lots
	return append(ring[start:], ring[:start]...)
}

// shuffledLot returns the numbers below ten in an order that is always the same
// for two lots.
func shuffledLot(clients, endpoints uint64) [lot]uint64 {
	var order [lot]uint64
	for i := range order {
		order[i] = uint64(i)
	}
	state := mix(clients+golden) ^ endpoints
	for i := lot - 1; i > 0; i-- { // Fisher and Yates
		state = mix(state + golden)
		j := scale(state>>32, i+1)
		order[i], order[j] = order[j], order[i]
	}
	return order
}
