package balancer_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
)

// subsetOf returns the endpoints that a client chooses from a set.
func subsetOf(set balancer.Set, wrap func(next balancer.Policy) balancer.Policy) balancer.Set {
	var sets []balancer.Set
	wrap(seen(&sets))(set)
	return sets[0]
}

func client(name string, size int) func(balancer.Policy) balancer.Policy {
	return func(next balancer.Policy) balancer.Policy {
		return balancer.Subset(balancer.SubsetConfig{Client: name, Size: size}, next)
	}
}

func numbered(index uint, size int) func(balancer.Policy) balancer.Policy {
	return func(next balancer.Policy) balancer.Policy {
		return balancer.Rocksteadier(balancer.RocksteadierConfig{Index: index, Size: size}, next)
	}
}

// clientsOf counts the clients of each endpoint.
func clientsOf(t *testing.T, es []*balancer.Endpoint, clients, size int, wrap func(i int) func(balancer.Policy) balancer.Policy) []float64 {
	t.Helper()
	counts := make(map[*balancer.Endpoint]float64)
	for i := range clients {
		chosen := subsetOf(setOf(es), wrap(i)).Available
		require.Len(t, chosen, min(size, len(es)))
		require.True(t, slices.IsSortedFunc(chosen, func(a, b *balancer.Endpoint) int {
			return slices.Index(es, a) - slices.Index(es, b)
		}), "in the order of the set")
		for _, e := range chosen {
			counts[e]++
		}
	}
	of := make([]float64, len(es))
	for i, e := range es {
		of[i] = counts[e]
	}
	return of
}

// added returns how many of a set are not in another.
func added(now, before balancer.Set) (n int) {
	for _, e := range now.Available {
		if !slices.Contains(before.Available, e) {
			n++
		}
	}
	return n
}

// The number of an endpoint's clients is binomial: of C, each chooses it with
// the probability p = k/n. So its variance is C·p·(1-p), and that of n such
// numbers is right within √(2/n) of it (the standard deviation).
func TestSubsetSpreadsAsChanceDoes(t *testing.T) {
	for _, c := range []struct{ clients, endpoints, size int }{{100, 300, 20}, {300, 100, 20}, {50, 20, 8}, {1000, 100, 25}} {
		counts := clientsOf(t, endpoints(c.endpoints), c.clients, c.size, func(i int) func(balancer.Policy) balancer.Policy {
			return client(fmt.Sprint("client-", i), c.size)
		})
		p := float64(c.size) / float64(c.endpoints)
		mean := float64(c.clients) * p
		variance := 0.0
		for _, n := range counts {
			variance += (n - mean) * (n - mean) / float64(len(counts))
		}
		t.Logf("%+v: max/mean %.2f, min/mean %.2f", c, slices.Max(counts)/mean, slices.Min(counts)/mean)
		assert.InDelta(t, mean*(1-p), variance, 6*mean*(1-p)*math.Sqrt(2/float64(c.endpoints)), "%+v", c)
	}
}

// A random identity lasts for a service.
func TestSubsetOfNobody(t *testing.T) {
	anybody := client("", 3)
	chosen := make(map[string]bool)
	for range 20 {
		es := endpoints(50)
		first := subsetOf(setOf(es), anybody)
		assert.Equal(t, first, subsetOf(setOf(es), anybody))
		chosen[fmt.Sprint(slices.Index(es, first.All[0]), slices.Index(es, first.All[1]))] = true
	}
	assert.Greater(t, len(chosen), 10)
	assert.Len(t, subsetOf(setOf(endpoints(50)), client("", 0)).All, balancer.DefaultSubset)
}

func TestSubsetIsTheSameEverywhere(t *testing.T) {
	var chosen []string
	for _, e := range subsetOf(setOf(endpoints(100)), client("orders-7d9f", 4)).Available {
		chosen = append(chosen, e.Addr())
	}
	assert.Equal(t, []string{"10.0.0.21:80", "10.0.0.50:80", "10.0.0.56:80", "10.0.0.67:80"}, chosen)
}

// One that joins or leaves changes one of a client's connections, or none: of
// k out of n it is one in k of n clients.
func TestSubsetChangesOneConnectionAtMost(t *testing.T) {
	es := endpoints(101)
	joined, left := 0, 0
	for i := range 500 {
		c := client(fmt.Sprint(i), 20)
		set, without := setOf(es), setOf(slices.Delete(slices.Clone(es), 50, 51))
		more, fewer := subsetOf(set, c), subsetOf(without, c)
		require.LessOrEqual(t, added(more, fewer), 1)
		require.LessOrEqual(t, added(fewer, more), 1)
		joined += added(more, fewer)
		left += added(fewer, more)
	}
	within(t, 20.0/101, joined, 500)
	assert.Equal(t, joined, left)
}

func TestSubsetStaysWhenEndpointsAreEjected(t *testing.T) {
	for name, wrap := range map[string]func(balancer.Policy) balancer.Policy{"Subset": client("c", 20), "Rocksteadier": numbered(3, 20)} {
		t.Run(name, func(t *testing.T) {
			es := endpoints(100)
			chosen := subsetOf(setOf(es), wrap).All
			eject := func(some []*balancer.Endpoint) balancer.Set {
				return subsetOf(balancer.Set{All: es, Available: slices.DeleteFunc(slices.Clone(es), func(e *balancer.Endpoint) bool {
					return slices.Contains(some, e)
				})}, wrap)
			}
			got := eject(chosen[:10])
			assert.Equal(t, balancer.Set{All: chosen, Available: chosen[10:]}, got, "half of it is left")

			got = eject(chosen[:13])
			assert.Len(t, got.Available, 10, "it has grown by the next three")
			assert.Zero(t, added(balancer.Set{Available: chosen[13:]}, got))
			assert.Len(t, got.All, 23)
			again := eject(append(slices.Clone(chosen[:13]), got.All[0]))
			assert.LessOrEqual(t, added(again, got), 1)

			got = eject(es[1:])
			assert.Equal(t, es[:1], got.Available, "there is but one")
		})
	}
}

func TestSubsetRetriesLeaveItAtLast(t *testing.T) {
	for name, wrap := range map[string]func(balancer.Policy) balancer.Policy{"Subset": client("c", 3), "Rocksteadier": numbered(3, 3)} {
		t.Run(name, func(t *testing.T) {
			es := endpoints(30)
			chosen := subsetOf(setOf(es), wrap).Available
			p := wrap(balancer.LeastRequest)(setOf(es))
			require.Len(t, tally(t, p, 1000), 3)
			require.Len(t, tally(t, p, 1000, chosen[0], chosen[2]), 1)
			counts := tally(t, p, 27_000, chosen...)
			require.Len(t, counts, 27)
			for _, n := range counts {
				within(t, 1.0/27, n, 27_000)
			}
		})
	}
}

func TestSubsetOfASmallSetIsAll(t *testing.T) {
	es := endpoints(20)
	assert.Equal(t, setOf(es), subsetOf(setOf(es), client("c", 20)))
	assert.Equal(t, setOf(es), subsetOf(setOf(es), numbered(1, 20)))
}

// Where lots are full, each endpoint has as many clients as the lots of clients
// that cover its lot. These differ by as much as arcs of the ring do, which
// begin at places of the van der Corput sequence.
func TestRocksteadierSpreadsEvenly(t *testing.T) {
	for _, c := range []struct {
		clients, endpoints, size int
		least, most              float64
	}{
		{100, 300, 20, 6, 8}, // 6.67 in the mean
		{300, 100, 20, 60, 60},
		{50, 20, 8, 20, 20},
		{1000, 1000, 20, 20, 20},
		{95, 303, 20, 5, 8}, // 6.27; the last lots are short
		{33, 57, 9, 4, 7},   // 5.21
		{7, 57, 9, 0, 2},    // 1.11
	} {
		counts := clientsOf(t, endpoints(c.endpoints), c.clients, c.size, func(i int) func(balancer.Policy) balancer.Policy {
			return numbered(uint(i), c.size)
		})
		mean := float64(c.clients*c.size) / float64(c.endpoints)
		t.Logf("%+v: max/mean %.2f, min/mean %.2f", c, slices.Max(counts)/mean, slices.Min(counts)/mean)
		assert.Equal(t, c.least, slices.Min(counts), "%+v", c)
		assert.Equal(t, c.most, slices.Max(counts), "%+v", c)
	}
}

func TestRocksteadierChangesLittleAtTheEnd(t *testing.T) {
	es := endpoints(302)
	for _, n := range []int{41, 100, 160, 299, 300, 301} {
		total, middle := 0, 0
		for i := range uint(100) {
			before, after := subsetOf(setOf(es[:n]), numbered(i, 20)), subsetOf(setOf(es[:n+1]), numbered(i, 20))
			require.LessOrEqual(t, added(after, before), 1)
			require.LessOrEqual(t, added(before, after), 1)
			total += added(after, before)
			middle += added(subsetOf(setOf(slices.Delete(slices.Clone(es[:n+1]), n/2, n/2+1)), numbered(i, 20)), after)
		}
		t.Logf("from %d on: %.2f connections of each client, %.1f amid the order", n, float64(total)/100, float64(middle)/100)
		// Evenly spread, the new one has C·k/n clients, and those alone change.
		assert.InDelta(t, 100*20/float64(n+1), total, 6, "%d", n)
	}
}

// Ten clients of a lot share no endpoint as long as they need no more than one
// of each lot, and no two clients have the same subset.
func TestRocksteadierSubsetsDiffer(t *testing.T) {
	es := endpoints(300)
	chosen := make(map[string]uint)
	used := make(map[*balancer.Endpoint]bool)
	for i := range uint(1000) {
		subset := subsetOf(setOf(es), numbered(i, 20)).Available
		key := ""
		for _, e := range subset {
			key += e.Addr()
			if i < 10 {
				require.False(t, used[e])
				used[e] = true
			}
		}
		other, same := chosen[key]
		require.False(t, same, "%d and %d", i, other)
		chosen[key] = i
	}
}

func TestRocksteadierIsTheSameEverywhere(t *testing.T) {
	var chosen []string
	for _, e := range subsetOf(setOf(endpoints(100)), numbered(42, 4)).Available {
		chosen = append(chosen, e.Addr())
	}
	assert.Equal(t, []string{"10.0.0.10:80", "10.0.0.25:80", "10.0.0.43:80", "10.0.0.63:80"}, chosen)
}
