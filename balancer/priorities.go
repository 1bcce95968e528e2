package balancer

// PriorityConfig configures [Priorities].
type PriorityConfig struct {
	// Overprovisioning is how many times its nominal load a level bears before
	// the next one takes over some of it. Zero means [DefaultOverprovisioning],
	// 1.4: as long as 72 % of a level's endpoints are available, it gets all
	// calls. Less than 1 counts as 1.
	Overprovisioning float64
}

// Priorities sends calls to the endpoints of the lowest Instance.Priority as
// far as they can bear it, has next choose among those of one level, and calls
// on the following levels for the rest: such as a second data center, or
// spare machines that are dearer.
//
// The arithmetic is Envoy's, in whole percent. The health of a level is its
// available share times Overprovisioning, 100 at most. The first level gets its
// health in percent of all calls, the next one its own, and so on until nothing
// is left. With a second level that is healthy:
//
//	available of the first    72 %    71 %    50 %    25 %    none
//	first / second level     100/0    99/1   70/30   35/65   0/100
//
// If the healths add up to less than 100, there is not enough left anywhere, and
// calls are spread by the number of available endpoints. (For levels of the same
// size that is what Envoy does. In small levels it would disbelieve what it
// knows, and call the endpoints that are ejected; here one place decides on
// that, for the service as a whole: see Set.Available.) Endpoints are counted,
// not weighed.
//
// A retry that has tried all of one level goes to the others.
//
// A pick costs a random number and what next costs. Building takes linear time,
// and builds next once for each level.
func Priorities(cfg PriorityConfig, next Policy) Policy {
	mustPolicy("Priorities", next)
	percent := uint64(overprovisioning(cfg.Overprovisioning)*100 + 0.5)
	return func(set Set) Picker {
		levels := divide(set, func(e *Endpoint) uint32 { return e.instance.Load().Priority })
		if len(levels) < 2 {
			return next(set)
		}
		counts := make([]level, len(levels))
		for i, l := range levels {
			counts[i] = level{uint64(len(l.Available)), uint64(max(len(l.All), len(l.Available)))}
		}
		loads := loadsOf(counts, percent)
		p := &split{service: set.Available[0].service, salt: hashOf("priority")}
		for i, l := range levels {
			p.add(float64(loads[i]), l.Set, next)
		}
		return p.picker()
	}
}

// A level counts endpoints.
type level struct{ available, all uint64 }

// loadsOf returns the share of the calls that each level gets: in percent, or by
// the number of available endpoints if all together have less health than that.
func loadsOf(levels []level, overprovisioning uint64) []uint64 {
	loads, left := make([]uint64, len(levels)), uint64(100)
	for i, l := range levels {
		loads[i] = min(left, overprovisioning*l.available/l.all)
		left -= loads[i]
	}
	if left > 0 {
		for i, l := range levels {
			loads[i] = l.available
		}
	}
	return loads
}
