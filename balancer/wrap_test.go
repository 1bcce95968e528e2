package balancer_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/balancer/balancertest"
	"github.com/namesake-go/namesake/discovery"
)

// wrappers are policies over policies, for the sets that mixed makes.
var wrappers = []struct {
	name   string
	policy balancer.Policy
}{
	{"ZoneAware", balancer.ZoneAware(balancer.ZoneConfig{Zone: "zone-1"}, balancer.LeastRequest)},
	{"ZoneAwareClients", balancer.ZoneAware(balancer.ZoneConfig{Zone: "zone-1", Clients: clientsInZone1}, balancer.RoundRobin)},
	{"Priorities", balancer.Priorities(balancer.PriorityConfig{}, balancer.WeightedRoundRobin)},
	{"Subset", balancer.Subset(balancer.SubsetConfig{Size: 5}, balancer.PeakEWMA)},
	{"Rocksteadier", balancer.Rocksteadier(balancer.RocksteadierConfig{Index: 13, Size: 5}, balancer.LeastRequest)},
	{"SlowStart", balancer.SlowStart(balancer.SlowStartConfig{}, balancer.LeastRequest)},
	{"Prefer", balancer.Prefer(balancer.Metadata(map[string]string{"version": "2"}), balancer.RoundRobin)},
	{"Filter", balancer.Filter(func(discovery.Instance) bool { return true }, balancer.Random)},
	{"ZoneAwareSubsetPriorities", balancer.ZoneAware(balancer.ZoneConfig{Zone: "zone-1"},
		balancer.Subset(balancer.SubsetConfig{Size: 3},
			balancer.Priorities(balancer.PriorityConfig{}, balancer.ShortestExpectedDelay)))},
	{"SlowStartPreferZoneAware", balancer.SlowStart(balancer.SlowStartConfig{},
		balancer.Prefer(balancer.Metadata(map[string]string{"version": "2"}),
			balancer.ZoneAware(balancer.ZoneConfig{Zone: "zone-1"}, balancer.PeakEWMA)))},
}

func clientsInZone1() map[string]float64 { return map[string]float64{"zone-1": 9, "zone-0": 1} }

// A virtual is a service in virtual time, whose chance is seeded.
type virtual struct {
	*balancer.Service
	now time.Duration
}

func newVirtual(seed uint64) *virtual {
	v := &virtual{now: time.Hour}
	v.Service = balancer.NewService(balancer.ServiceConfig{
		Now:  func() time.Duration { return v.now },
		Rand: rand.New(rand.NewPCG(seed, 0)).Uint64,
	})
	return v
}

// mixed returns n endpoints in three zones, at two priorities and of two
// versions, in all combinations, of weight 1 to 5.
func mixed(service *balancer.Service, n int) []*balancer.Endpoint {
	es := make([]*balancer.Endpoint, n)
	for i := range es {
		es[i] = service.NewEndpoint(discovery.Instance{
			Addr:     fmt.Sprintf("10.0.%03d.%03d:80", i/250, i%250),
			Zone:     fmt.Sprintf("zone-%d", i%3),
			Priority: uint32(i / 3 % 2),
			Weight:   uint32(1 + i%5),
			Metadata: map[string]string{"version": fmt.Sprint(1 + i/6%2)},
		})
	}
	return es
}

// Endpoints without zones and so on are all alike. Subsets are smaller than
// some of the sets.
func TestWrappers(t *testing.T) {
	for _, w := range wrappers {
		t.Run(w.name, func(t *testing.T) {
			opts := []balancertest.Option{balancertest.EvenSpread()}
			if strings.Contains(w.name, "Subset") || w.name == "Rocksteadier" {
				opts = []balancertest.Option{balancertest.Selective()}
			}
			balancertest.TestPolicy(t, w.policy, opts...)
		})
	}
}

func TestWrappersOfAnEmptySet(t *testing.T) {
	for _, w := range wrappers {
		_, err := w.policy(balancer.Set{}).Pick(balancer.PickInfo{})
		assert.ErrorIs(t, err, balancer.ErrNoEndpoints, w.name)
	}
}

// Whatever is available and whatever has been tried, a wrapper picks what is
// available and has not been tried, or, if all have been, what is available.
func TestWrappersKeepTheirPromisesAcrossGroups(t *testing.T) {
	for _, w := range wrappers {
		t.Run(w.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 6))
			for range 30 {
				service := newVirtual(r.Uint64())
				all := mixed(service.Service, 1+r.IntN(40))
				for range 10 {
					service.now += time.Duration(r.IntN(20)) * time.Second
					set := balancer.Set{All: all}
					for len(set.Available) == 0 {
						health := r.Float64()
						for _, e := range all {
							if r.Float64() < health {
								set.Available = append(set.Available, e)
							}
						}
					}
					p := w.policy(set)
					for i := range 20 {
						info := balancer.PickInfo{Key: []string{"", "", fmt.Sprint(i)}[i%3], Now: service.now}
						for range len(all) + 2 {
							e, err := p.Pick(info)
							if err != nil || !slices.Contains(set.Available, e) {
								t.Fatalf("picked %v, %v, which is not available", e, err)
							}
							if len(info.Tried) < len(set.Available) && slices.Contains(info.Tried, e) {
								t.Fatalf("picked %s, though only %d of %d have been tried", e.Key(), len(info.Tried), len(set.Available))
							}
							info.Tried = append(info.Tried, e)
						}
					}
				}
			}
		})
	}
}

// Calls of a key stay in their group, and keys are spread by the shares.
func TestWrappersKeepKeysTogether(t *testing.T) {
	service := newVirtual(7)
	all := mixed(service.Service, 30)
	set := balancer.Set{All: all, Available: slices.Concat(all[:12], all[18:])}
	set.Available = slices.DeleteFunc(set.Available, func(e *balancer.Endpoint) bool {
		return e.Instance().Zone == "zone-1" && e.Weight() > 2
	})
	p := balancer.ZoneAware(balancer.ZoneConfig{Zone: "zone-1"}, balancer.Random)(set)
	home := 0
	for i := range 2000 {
		info := balancer.PickInfo{Key: fmt.Sprint("user ", i)}
		first, err := p.Pick(info)
		require.NoError(t, err)
		for range 5 {
			e, _ := p.Pick(info)
			require.Equal(t, first.Instance().Zone, e.Instance().Zone)
		}
		if first.Instance().Zone == "zone-1" {
			home++
		}
	}
	random := 0
	for range 2000 {
		if pick(t, p).Instance().Zone == "zone-1" {
			random++
		}
	}
	assert.Greater(t, home, 200)
	assert.Less(t, home, 1800)
	// Two binomials of 2000 differ by 32 at most (the standard deviation).
	assert.InDelta(t, random, home, 190)
}

func TestWrappersAllocateNothing(t *testing.T) {
	for _, w := range wrappers {
		t.Run(w.name, func(t *testing.T) {
			service := newVirtual(8)
			all := mixed(service.Service, 30)
			w.policy(balancer.Set{All: all[6:], Available: all[6:]})
			service.now += 10 * time.Second
			set := balancer.Set{All: all, Available: append(slices.Clone(all[:7]), all[16:]...)} // some new, some ejected
			p := w.policy(set)
			for _, tried := range [][]*balancer.Endpoint{nil, all[:1], set.Available[:9], all} {
				for _, key := range []string{"", "user"} {
					info := balancer.PickInfo{Tried: tried, Key: key}
					require.True(t, cycle(p, info))
					require.Zero(t, testing.AllocsPerRun(200, func() { cycle(p, info) }), "%d tried", len(tried))
				}
			}
		})
	}
}

// The same seed gives the same picks, whatever a map's order is.
func TestWrappersAreReproducible(t *testing.T) {
	for _, w := range wrappers {
		run := func() (keys []string) {
			service := newVirtual(9)
			all := mixed(service.Service, 40)
			w.policy(balancer.Set{All: all[10:], Available: all[10:]})
			service.now += 5 * time.Second
			p := w.policy(balancer.Set{All: all, Available: append(slices.Clone(all[:13]), all[19:]...)})
			for range 300 {
				e := pick(t, p)
				busy(e, 1)
				keys = append(keys, e.Key(), pick(t, p, e).Key())
			}
			return keys
		}
		assert.Equal(t, run(), run(), w.name)
	}
}

func TestWrappersOfNil(t *testing.T) {
	for name, wrap := range map[string]func(balancer.Policy){
		"balancer: ZoneAware of a nil Policy":    func(p balancer.Policy) { balancer.ZoneAware(balancer.ZoneConfig{}, p) },
		"balancer: Priorities of a nil Policy":   func(p balancer.Policy) { balancer.Priorities(balancer.PriorityConfig{}, p) },
		"balancer: Subset of a nil Policy":       func(p balancer.Policy) { balancer.Subset(balancer.SubsetConfig{}, p) },
		"balancer: Rocksteadier of a nil Policy": func(p balancer.Policy) { balancer.Rocksteadier(balancer.RocksteadierConfig{}, p) },
		"balancer: SlowStart of a nil Policy":    func(p balancer.Policy) { balancer.SlowStart(balancer.SlowStartConfig{}, p) },
		"balancer: Filter of a nil Policy":       func(p balancer.Policy) { balancer.Filter(balancer.Metadata(nil), p) },
		"balancer: Prefer of a nil Policy":       func(p balancer.Policy) { balancer.Prefer(balancer.Metadata(nil), p) },
		"balancer: Filter by a nil function":     func(balancer.Policy) { balancer.Filter(nil, balancer.Random) },
		"balancer: Prefer by a nil function":     func(balancer.Policy) { balancer.Prefer(nil, balancer.Random) },
	} {
		assert.PanicsWithValue(t, name, func() { wrap(nil) })
	}
}

// seen is a policy that tells which set it was built for.
func seen(sets *[]balancer.Set) balancer.Policy {
	return func(set balancer.Set) balancer.Picker {
		*sets = append(*sets, set)
		return balancer.Random(set)
	}
}

// within asserts a share of n picks, give or take six standard deviations of a
// binomial, which chance exceeds twice in a billion.
func within(t *testing.T, want float64, got, n int, because ...any) {
	t.Helper()
	assert.InDelta(t, want, float64(got)/float64(n), 6*math.Sqrt(want*(1-want)/float64(n))+1e-9, because...)
}
