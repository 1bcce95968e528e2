package balancer

import (
	"slices"
	"sync/atomic"
)

// DefaultSubset is how many endpoints [Subset] and [Rocksteadier] choose if not
// told otherwise.
const DefaultSubset = 20

// SubsetConfig configures [Subset]. The zero value chooses 20 endpoints at
// random.
type SubsetConfig struct {
	// Size is how many endpoints are chosen. Zero or less means
	// [DefaultSubset], 20. For each endpoint to have about the same number of
	// clients, it should be 25 times the number of endpoints over that of
	// clients or more, as chance makes their numbers differ.
	Size int

	// Client tells this client from others and is the same after a restart,
	// such as a host's name: the same client then has the same subset, as long
	// as the endpoints are the same. Empty means a random one for each service.
	Client string
}

// Subset has a client use only some of the endpoints of a large service, and
// next choose among those. It saves connections, health checks and memory where
// thousands of clients meet thousands of servers. Do without it below a few
// hundred endpoints: connections are made on demand, and who sees 20 of 300
// endpoints has nobody to turn to when those have trouble.
//
// Which endpoints a client uses, is decided by rendezvous hashing of both
// (Thaler, Ravishankar, 1996; gRFC A68, "random subsetting"): those that score
// highest with this client. One endpoint that comes or goes changes one of a
// client's connections at most. The number of clients of an endpoint is as
// chance would have it, with a standard deviation of √(C·k/n) for C clients of
// k out of n endpoints; [Rocksteadier] spreads evenly, but must know more.
//
// The subset is one of all endpoints, so that an ejection does not change it.
// If fewer than half of it are available, it grows by those that would be next,
// until half of Size are. A retry that has tried all of it goes to the rest.
//
// A pick costs what next costs. Building takes linear time, and builds next
// twice: for the subset, and for the rest.
func Subset(cfg SubsetConfig, next Policy) Policy {
	mustPolicy("Subset", next)
	if cfg.Size <= 0 {
		cfg.Size = DefaultSubset
	}
	return func(set Set) Picker {
		all := set.listed()
		if len(set.Available) == 0 || len(all) <= cfg.Size {
			return next(set)
		}
		client := hashOf(cfg.Client)
		if cfg.Client == "" {
			service := set.Available[0].service
			client = identities.OfService(service).of(service)
		}
		ranks := make([]uint64, len(all))
		for i, e := range all {
			ranks[i] = mix(client ^ hashOf(e.Key()))
		}
		return subset(set, ranks, cfg.Size, next)
	}
}

// An identity is a random number that stays the same for a service.
type identity struct{ n atomic.Uint64 }

var identities = NewKey[identity]()

func (i *identity) of(service *Service) uint64 {
	i.n.CompareAndSwap(0, max(1, service.Uint64()))
	return i.n.Load()
}

// subset returns a picker of next for the endpoints of the least ranks, with
// the others to fall back to. There are more than size of them, and a rank for
// each that is listed.
func subset(set Set, ranks []uint64, size int, next Policy) Picker {
	available := set.availability()
	limit := nth64(slices.Clone(ranks), size-1)
	of := make([]uint64, 0, len(ranks)) // those that are available
	inside := 0
	for i, rank := range ranks {
		if !available[i] {
			continue
		}
		of = append(of, rank)
		if rank <= limit {
			inside++
		}
	}
	if least := min((size+1)/2, len(of)); inside < least {
		limit = nth64(of, least-1)
	}
	near, far := set.halve(func(i int, _ *Endpoint) bool { return ranks[i] <= limit })
	p := &split{service: set.Available[0].service}
	p.add(1, near, next)
	p.add(0, far, next)
	if len(p.groups) == 0 { // a set whose parts have nothing in common
		return next(set)
	}
	return p.picker()
}

// nth64 returns the number before which there would be n others in order. It
// reorders them (Hoare's quickselect, linear in the mean).
func nth64(numbers []uint64, n int) uint64 {
	for len(numbers) > 1 {
		pivot := numbers[len(numbers)/2]
		i, j := 0, len(numbers)-1
		for i <= j {
			for numbers[i] < pivot {
				i++
			}
			for numbers[j] > pivot {
				j--
			}
			if i <= j {
				numbers[i], numbers[j] = numbers[j], numbers[i]
				i++
				j--
			}
		}
		switch {
		case n <= j:
			numbers = numbers[:j+1]
		case n >= i:
			numbers, n = numbers[i:], n-i
		default:
			return pivot
		}
	}
	return numbers[0]
}
