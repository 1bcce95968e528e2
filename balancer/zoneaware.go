package balancer

import (
	"maps"
	"math"
	"slices"
)

const (
	// DefaultMinEndpoints is from how many available endpoints on [ZoneAware]
	// looks at zones if not told otherwise. Envoy's value.
	DefaultMinEndpoints = 6

	// DefaultOverprovisioning is how many times its nominal load a group of
	// endpoints is thought to bear, so that a few of them may be missing before
	// others help out. Envoy's value.
	DefaultOverprovisioning = 1.4

	// zonePanic is the share of available endpoints below which zones no longer
	// matter.
	zonePanic = 0.5
)

// ZoneConfig configures [ZoneAware].
type ZoneConfig struct {
	// Zone is the client's own, as the registry calls it; names are compared
	// exactly. Empty means unknown, and then zones are not looked at.
	Zone string

	// MinEndpoints is how many endpoints must be available for zones to be
	// looked at: of a few, those in one zone are soon too few. Zero means
	// [DefaultMinEndpoints], 6; a negative number means any.
	MinEndpoints int

	// Overprovisioning is how many times its nominal load a zone bears before
	// others take over some of it. Zero means [DefaultOverprovisioning], 1.4;
	// less than 1 counts as 1. It is not looked at where Clients is set.
	Overprovisioning float64

	// Clients returns how many clients call the service from each zone, or
	// their shares: numbers of any scale. It is asked each time that the set or
	// its health changes, must be quick, and should give the same answer to all
	// clients. Nil, or an answer without a positive number, means that clients
	// are thought to be spread over the zones as the endpoints are.
	Clients func() map[string]float64
}

// ZoneAware stays in the client's zone as far as the endpoints there can bear
// it, and has next choose among those of one zone. It saves the latency and the
// price of crossing zones. What the zone cannot bear is spread over the others
// in proportion to what they can bear in addition to their own load.
//
// The arithmetic is that of Envoy's zone aware routing. Each zone has a demand,
// its share of the clients, and a supply, its share of the available capacity;
// capacity is the number of endpoints, or the sum of their weights. A client
// keeps supply/demand of its calls in its zone, all if that is 1 or more; the
// rest goes to zones with more supply than demand, in proportion to the
// difference. Every endpoint then has the same load, and no more calls than
// necessary cross zones.
//
// Where the clients are not known, demand is a zone's share of all endpoints,
// available or not, and supply is multiplied by Overprovisioning, unless all
// zones together are short of it: calls stay until less than 1/1.4 = 71 % of
// the zone's endpoints are available; with 35 %, half of them stay. If clients
// in fact are not spread as endpoints are, this overloads the small zones. Set
// Clients then, or do without.
//
// Zones are not looked at if the client's own is unknown or has no endpoints,
// if there are no others, if few endpoints are available (MinEndpoints), or
// less than half of them are. A retry that has tried all of one zone goes to
// another.
//
// A pick costs a random number and what next costs. Building takes linear time,
// and builds next once for each zone.
func ZoneAware(cfg ZoneConfig, next Policy) Policy {
	mustPolicy("ZoneAware", next)
	if cfg.MinEndpoints == 0 {
		cfg.MinEndpoints = DefaultMinEndpoints
	}
	cfg.Overprovisioning = overprovisioning(cfg.Overprovisioning)
	salt := hashOf("zone " + cfg.Zone)
	return func(set Set) Picker {
		available := len(set.Available)
		if available == 0 || cfg.Zone == "" || available < cfg.MinEndpoints ||
			float64(available) < zonePanic*float64(len(set.listed())) {
			return next(set)
		}
		zones := divide(set, func(e *Endpoint) string { return e.instance.Load().Zone })
		home := slices.IndexFunc(zones, func(z part[string]) bool { return z.key == cfg.Zone })
		if home < 0 || len(zones) < 2 {
			return next(set)
		}
		supply, demand := cfg.balance(zones)
		stay := 0.0
		if len(zones[home].Available) > 0 {
			stay = 1
			if supply[home] < demand[home] {
				stay = supply[home] / demand[home]
			}
		}
		p := &split{service: set.Available[0].service, salt: salt}
		p.add(stay, zones[home].Set, next)
		if stay == 1 { // the others are for retries
			_, others := set.halve(func(_ int, e *Endpoint) bool { return e.instance.Load().Zone == cfg.Zone })
			p.add(0, others, next)
			return p.picker()
		}
		for i, share := range spill(supply, demand, home) {
			if i != home {
				p.add((1-stay)*share, zones[i].Set, next)
			}
		}
		return p.picker()
	}
}

// balance returns what each zone supplies and demands. The demands add up to 1,
// the supplies to 1 or more.
func (cfg *ZoneConfig) balance(zones []part[string]) (supply, demand []float64) {
	supply, demand = make([]float64, len(zones)), make([]float64, len(zones))
	var nominal, available float64
	for i, z := range zones {
		demand[i], supply[i] = capacity(z.All), capacity(z.Available)
		nominal += demand[i]
		available += supply[i]
	}
	surplus := max(1, cfg.Overprovisioning*available/nominal)
	var clients map[string]float64
	if cfg.Clients != nil {
		clients = cfg.Clients()
	}
	if sum := clientsIn(clients); sum > 0 {
		nominal, surplus = sum, 1
		for i, z := range zones {
			demand[i] = number(clients[z.key])
		}
	}
	for i := range zones {
		demand[i] /= nominal
		supply[i] *= surplus / available
	}
	return supply, demand
}

// spill returns the share of each zone in what the zone called home gives away.
func spill(supply, demand []float64, home int) []float64 {
	shares, sum := make([]float64, len(supply)), 0.0
	for i := range shares {
		if i != home {
			shares[i] = max(0, supply[i]-demand[i])
			sum += shares[i]
		}
	}
	for i := range shares {
		if sum > 0 {
			shares[i] /= sum
		} else if i != home { // nobody has anything to spare
			shares[i] = supply[i]
		}
	}
	return shares
}

// capacity is what endpoints can bear, in the unit of their weights.
func capacity(es []*Endpoint) float64 {
	var sum uint64
	for _, e := range es {
		sum += uint64(e.Weight())
	}
	return float64(sum)
}

// clientsIn adds up in a fixed order: sums of floats depend on it.
func clientsIn(zones map[string]float64) (sum float64) {
	for _, zone := range slices.Sorted(maps.Keys(zones)) {
		sum += number(zones[zone])
	}
	return sum
}

// number returns n, or 0 if n is no number of clients.
func number(n float64) float64 {
	if n > 0 && n < math.MaxUint32 {
		return n
	}
	return 0
}

// overprovisioning returns a factor that is at least 1.
func overprovisioning(factor float64) float64 {
	if factor == 0 || math.IsNaN(factor) {
		return DefaultOverprovisioning
	}
	return min(max(1, factor), 1e6)
}
