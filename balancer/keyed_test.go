package balancer_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/balancer/balancertest"
	"github.com/namesake-go/namesake/discovery"
)

// What hashes is the same each time: where the tests below speak of chance, it
// is that of the choice of the hash, and their outcome stays.

// withKeys gives each call a key of its own.
func withKeys(policy balancer.Policy) balancer.Policy {
	var n atomic.Int64
	return func(set balancer.Set) balancer.Picker {
		next := policy(set)
		return balancer.PickerFunc(func(info balancer.PickInfo) (*balancer.Endpoint, error) {
			info.Key = fmt.Sprint("key-", n.Add(1))
			return next.Pick(info)
		})
	}
}

func TestPoliciesByKey(t *testing.T) {
	for _, p := range byKey {
		var opts []balancertest.Option
		if p.name != "RingHash" { // is even only in the mean
			opts = append(opts, balancertest.EvenSpread())
		}
		t.Run(p.name, func(t *testing.T) { balancertest.TestPolicy(t, withKeys(p.policy(0)), opts...) })
		t.Run(p.name+"/bounded", func(t *testing.T) { balancertest.TestPolicy(t, withKeys(p.policy(1.25)), opts...) })
	}
}

func TestPickByKeyAllocatesNothing(t *testing.T) {
	for _, p := range byKey {
		for _, bound := range []float64{0, 1.25} {
			for _, weight := range []uint32{1, 2} {
				es := endpoints(30)
				in := es[0].Instance()
				in.Weight = weight
				es[0].SetInstance(in)
				picker := p.policy(bound)(setOf(es))
				for _, tried := range [][]*balancer.Endpoint{nil, es[:1], es[:29], es} {
					info := balancer.PickInfo{Key: "user-42", Tried: tried}
					require.True(t, cycle(picker, info))
					require.Zero(t, testing.AllocsPerRun(100, func() { cycle(picker, info) }), "%s, %d tried", p.name, len(tried))
				}
			}
		}
	}
}

// serves returns who serves each key.
func serves(t *testing.T, p balancer.Picker, keys []string, tried ...*balancer.Endpoint) []*balancer.Endpoint {
	t.Helper()
	list := make([]*balancer.Endpoint, len(keys))
	for i, key := range keys {
		e, err := p.Pick(balancer.PickInfo{Key: key, Tried: tried})
		require.NoError(t, err)
		require.NotNil(t, e)
		list[i] = e
	}
	return list
}

// names are what tells endpoints of different services apart, or does not.
func names(es []*balancer.Endpoint) []string {
	list := make([]string, len(es))
	for i, e := range es {
		list[i] = e.Key()
	}
	return list
}

func without(es []*balancer.Endpoint, e *balancer.Endpoint) []*balancer.Endpoint {
	return slices.DeleteFunc(slices.Clone(es), func(other *balancer.Endpoint) bool { return other == e })
}

// These are the same in every process, on every machine and in every version.
// Where they must change, every key moves in every client that is updated.
func TestKeysStayWhereTheyAreForever(t *testing.T) {
	keys := []string{"alice", "bob", "carol", "dave", "erin", "user-42", "Ω", "a long key, with blanks and everything"}
	for i, want := range map[int][]string{
		0: {"orders-5", "orders-7", "orders-0", "orders-5", "orders-6", "orders-7", "orders-1", "orders-5"},
		1: {"orders-5", "orders-8", "orders-2", "orders-0", "orders-2", "orders-8", "orders-9", "orders-6"},
		2: {"orders-8", "orders-2", "orders-5", "orders-4", "orders-2", "orders-3", "orders-7", "orders-4"},
	} {
		p := byKey[i]
		service := new(balancer.Service)
		var es []*balancer.Endpoint
		for i := range 10 {
			es = append(es, service.NewEndpoint(discovery.Instance{ID: fmt.Sprintf("orders-%d", i), Addr: "10.0.0.1:80", Weight: uint32(1 + i%3)}))
		}
		assert.Equal(t, want, names(serves(t, p.policy(0)(setOf(es)), keys)), p.name)
	}
}

// Shares of 100,000 keys. With n endpoints an endpoint gets 100,000/n give or
// take the square root of that, of the keys; and with RingHash 1/√160 = 8 % of
// it besides, of the points. Bounds are at five to six times either.
func TestKeysAreSpreadByWeight(t *testing.T) {
	keys := keys(100_000)
	for _, p := range byKey {
		for _, c := range []struct {
			n       int
			weights uint32
		}{{2, 1}, {10, 1}, {100, 1}, {10, 2}, {40, 4}} {
			es := endpoints(c.n)
			var sum float64
			for i, e := range es {
				in := e.Instance()
				in.Weight = 1 + uint32(i)%c.weights
				e.SetInstance(in)
				sum += float64(in.Weight)
			}
			counts := map[*balancer.Endpoint]int{}
			for _, e := range serves(t, p.policy(0)(setOf(es)), keys) {
				counts[e]++
			}
			var most, squares float64
			for _, e := range es {
				want := float64(len(keys)) * float64(e.Weight()) / sum
				off := float64(counts[e])/want - 1
				most = max(most, math.Abs(off))
				squares += off * off
				bound := 6 / math.Sqrt(want)
				switch p.name {
				case "RingHash": // a light endpoint has fewer points
					bound += 5 / math.Sqrt(160*float64(e.Weight())/float64(c.weights))
				case "Maglev":
					bound += 0.02
				}
				assert.LessOrEqual(t, math.Abs(off), bound, "%s, %d endpoints, weights to %d", p.name, c.n, c.weights)
			}
			t.Logf("%s, %d endpoints, weights to %d: off by %.3f, most %.3f", p.name, c.n, c.weights, math.Sqrt(squares/float64(c.n)), most)
		}
	}
}

// When an endpoint leaves, its keys move: with 100 endpoints 1 % of all, give or
// take what its share is off. Of others' keys none moves, with Maglev less than
// 1 %. They go to all others, and when it comes back, all is as before.
func TestFewKeysMove(t *testing.T) {
	keys := keys(20_000)
	for _, p := range byKey {
		for _, n := range []int{3, 10, 100} {
			es := endpoints(n)
			policy := p.policy(0)
			before := serves(t, policy(setOf(es)), keys)
			gone := es[n/2]
			rest := without(es, gone)
			after := serves(t, policy(setOf(rest)), keys)
			must, moved := 0, 0
			heirs := map[*balancer.Endpoint]int{}
			for i := range keys {
				switch {
				case before[i] == gone:
					must++
					heirs[after[i]]++
				case before[i] != after[i]:
					moved++
				}
			}
			t.Logf("%s, %d endpoints: %.2f %% had to move, %.3f %% moved besides", p.name, n, float64(must)/200, float64(moved)/200)
			assert.Greater(t, len(heirs), (n-1)*6/10) // 160 points have 80 heirs in the mean, of 99
			if p.name == "Maglev" {
				assert.Less(t, moved, len(keys)/100)
			} else {
				assert.Zero(t, moved, p.name)
			}
			assert.Equal(t, before, serves(t, policy(setOf(es)), keys))

			// Not available is not gone.
			ejected := serves(t, policy(balancer.Set{Available: rest, All: es}), keys)
			for i := range keys {
				if before[i] != gone {
					require.Same(t, before[i], ejected[i], p.name)
				}
			}
			if p.name != "Maglev" {
				assert.Equal(t, after, ejected, p.name)
			}
		}
	}
}

// A weight that changes moves keys to or from its endpoint only.
func TestWeightsMoveFewKeys(t *testing.T) {
	keys := keys(20_000)
	for _, p := range byKey {
		if p.name == "Maglev" {
			continue
		}
		es := endpoints(20)
		policy := p.policy(0)
		before := serves(t, policy(setOf(es)), keys)
		in := es[7].Instance()
		in.Weight = 3
		es[7].SetInstance(in)
		after := serves(t, policy(setOf(es)), keys)
		moved := 0
		for i := range keys {
			if before[i] != after[i] {
				require.Same(t, es[7], after[i], p.name)
				moved++
			}
		}
		assert.InDelta(t, 20_000*(3./22-1./20), moved, 600, p.name)
	}
}

// Clients need not know the endpoints in the same order, nor since when.
func TestTheOrderOfASetDoesNotMatter(t *testing.T) {
	keys := keys(1000)
	r := rand.New(rand.NewPCG(1, 2))
	for _, p := range byKey {
		want := names(serves(t, p.policy(0)(setOf(endpoints(30))), keys))
		for range 5 {
			es := endpoints(30)
			r.Shuffle(len(es), func(i, j int) { es[i], es[j] = es[j], es[i] })
			policy := p.policy(0)
			var earlier []balancer.Picker // all in use
			for n := range es {
				earlier = append(earlier, policy(setOf(es[:n+1])))
			}
			assert.Equal(t, want, names(serves(t, earlier[29], keys)), p.name)
			for n, picker := range earlier {
				assert.Equal(t, names(serves(t, p.policy(0)(setOf(slices.Clone(es[:n+1]))), keys[:50])), names(serves(t, picker, keys[:50])))
			}
		}
	}
}

// Wrappers have several pickers of one service in use, over parts of it. What
// the policy keeps from one for the next must not show.
func TestPartsOfAServiceAreIndependent(t *testing.T) {
	keys := keys(200)
	for _, p := range byKey {
		policy, es := p.policy(0), endpoints(24)
		r := rand.New(rand.NewPCG(3, 4))
		for range 50 {
			from, to := r.IntN(12), 12+r.IntN(12)
			for _, set := range []balancer.Set{
				{Available: es[from:to], All: es},
				{Available: es[from:to], All: es[from:to]},
				{Available: es[from:to]},
				setOf(es),
			} {
				fresh := endpoints(24)
				other := balancer.Set{Available: fresh[from:to], All: fresh}
				switch {
				case len(set.Available) == 24:
					other = setOf(fresh)
				case len(set.All) < 24:
					other.All = fresh[from:to]
				}
				require.Equal(t, names(serves(t, p.policy(0)(other), keys)), names(serves(t, policy(set), keys)), p.name)
			}
		}
	}
}

// The retries of a key go through all endpoints, each once, in an order that is
// the same for every client: the second is where the key goes when the first is
// not available, and so on. The heirs of an endpoint are many.
func TestTheNextOfAKey(t *testing.T) {
	for _, p := range byKey {
		es := endpoints(12)
		picker, others := p.policy(0)(setOf(es)), p.policy(0)(setOf(endpoints(12)))
		seconds := map[[2]*balancer.Endpoint]bool{}
		for _, key := range keys(300) {
			var tried, elsewhere []*balancer.Endpoint
			left := es
			for len(left) > 0 {
				e := serves(t, picker, []string{key}, tried...)[0]
				require.NotContains(t, tried, e)
				without1 := p.policy(0)(balancer.Set{Available: left, All: es})
				require.Same(t, e, serves(t, without1, []string{key})[0], p.name)
				tried, left = append(tried, e), without(left, e)
				elsewhere = append(elsewhere, serves(t, others, []string{key}, elsewhere...)[0])
			}
			require.Equal(t, names(tried), names(elsewhere))
			require.Same(t, tried[0], serves(t, picker, []string{key}, tried...)[0], "all tried: home again")
			seconds[[2]*balancer.Endpoint{tried[0], tried[1]}] = true
		}
		assert.Greater(t, len(seconds), 80, "of 132 pairs that 300 keys can have") // 119 in the mean, 3.2 the deviation; fewer on a ring
	}
}

// Calls without a key are the fallback's.
func TestCallsWithoutAKey(t *testing.T) {
	es := endpoints(10)
	last := func(set balancer.Set) balancer.Picker {
		return balancer.PickerFunc(func(info balancer.PickInfo) (*balancer.Endpoint, error) {
			assert.Empty(t, info.Key)
			return set.Available[len(set.Available)-1], nil
		})
	}
	for name, policy := range map[string]balancer.Policy{
		"RingHash":   balancer.RingHash(balancer.RingHashConfig{Fallback: last, Bound: 1}),
		"Maglev":     balancer.Maglev(balancer.MaglevConfig{Fallback: last, Bound: 1}),
		"Rendezvous": balancer.Rendezvous(balancer.RendezvousConfig{Fallback: last, Bound: 1}),
	} {
		picker := policy(setOf(es))
		busy(es[9], 5)
		for range 10 {
			assert.Same(t, es[9], pick(t, picker), name)
		}
	}
}

// What cannot be is what is nearest to it.
func TestImpossibleConfigs(t *testing.T) {
	keys := keys(100)
	same := func(a, b balancer.Policy) {
		t.Helper()
		assert.Equal(t, names(serves(t, a(setOf(endpoints(9))), keys)), names(serves(t, b(setOf(endpoints(9))), keys)))
	}
	same(balancer.RingHash(balancer.RingHashConfig{Points: -1, Bound: -1}), balancer.RingHash(balancer.RingHashConfig{Points: balancer.DefaultRingPoints}))
	same(balancer.RingHash(balancer.RingHashConfig{Points: 1 << 30}), balancer.RingHash(balancer.RingHashConfig{Points: 1 << 16}))
	same(balancer.Maglev(balancer.MaglevConfig{Slots: -1, Bound: math.NaN()}), balancer.Maglev(balancer.MaglevConfig{Slots: balancer.DefaultMaglevSlots}))
	same(balancer.Maglev(balancer.MaglevConfig{Slots: 1000}), balancer.Maglev(balancer.MaglevConfig{Slots: 1009}))
}
