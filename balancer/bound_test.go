package balancer_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
)

// hold begins an attempt of a key where the picker says, and does not end it.
func hold(t *testing.T, p balancer.Picker, key string) balancer.Attempt {
	t.Helper()
	info := balancer.PickInfo{Key: key}
	e, err := p.Pick(info)
	require.NoError(t, err)
	a, ok := e.Begin(info)
	require.True(t, ok)
	return a
}

// A thousand calls in flight, of keys as unequal as words of a text, and one of
// them ends whenever another begins: no call begins where the bound has been
// reached, and only then does a call not begin at home. Ten endpoints are asked,
// thirty counted.
func TestBoundedLoads(t *testing.T) {
	const c, inFlight = 1.25, 1000
	keys := keys(10_000)
	for _, p := range byKey {
		for _, n := range []int{10, 30} {
			for _, weights := range []uint32{1, 3} {
				es := endpoints(n)
				var sum float64
				for i, e := range es {
					in := e.Instance()
					in.Weight = 1 + uint32(i)%weights
					e.SetInstance(in)
					sum += float64(in.Weight)
				}
				picker, free := p.policy(c)(setOf(es)), p.policy(0)(setOf(es))
				r := rand.New(rand.NewPCG(1, 2))
				zipf := rand.NewZipf(r, 1.1, 1, uint64(len(keys)-1))
				var held []balancer.Attempt
				atHome := 0
				for i := range 10 * inFlight {
					if len(held) == inFlight {
						k := r.IntN(len(held))
						held[k].End()
						held[k] = held[len(held)-1]
						held = held[:len(held)-1]
					}
					room := func(e *balancer.Endpoint) bool {
						return e.InFlight() < max(4, int64(math.Ceil(c*float64(len(held)+1)*float64(e.Weight())/sum)))
					}
					info := balancer.PickInfo{Key: keys[zipf.Uint64()]}
					home, _ := free.Pick(info)
					e, err := picker.Pick(info)
					require.NoError(t, err)
					require.True(t, room(e), "%s: %d in flight of %d", p.name, e.InFlight(), len(held))
					if room(home) {
						require.Same(t, home, e)
					}
					if e == home && i >= inFlight {
						atHome++
					}
					a, _ := e.Begin(info)
					held = append(held, a)
				}
				var most float64
				for _, e := range es {
					most = max(most, float64(e.InFlight())*sum/float64(e.Weight())/inFlight)
				}
				t.Logf("%s, %d endpoints, weights to %d: %.1f %% at home, most %.2f of the mean", p.name, n, weights, float64(atHome)/90, most)
				assert.LessOrEqual(t, most, c+1.0*sum/inFlight)
				assert.Greater(t, atHome, 9*inFlight/2)
			}
		}
	}
}

// A hundred calls of one key are too much for one of ten: it has 1.25 times its
// share at last, as have the next, which are the same for every client.
func TestOneHotKeyIsShared(t *testing.T) {
	for _, p := range byKey {
		var orders [2][]string
		for i := range orders {
			es := endpoints(10)
			picker := p.policy(1.25)(setOf(es))
			for range 100 {
				a := hold(t, picker, "celebrity")
				orders[i] = append(orders[i], a.Endpoint().Key())
			}
			for _, e := range es {
				assert.LessOrEqual(t, e.InFlight(), int64(13), p.name) // ceil(1.25 · 101 / 10)
			}
		}
		assert.Equal(t, orders[0], orders[1], p.name)
	}
}

// What goes over does not go all to one: of the heirs of an endpoint that is
// full, none has most of its keys.
func TestOverflowIsSpread(t *testing.T) {
	for _, p := range byKey {
		es := endpoints(10)
		free, picker := p.policy(0)(setOf(es)), p.policy(1.25)(setOf(es))
		busy(es[0], 10)
		heirs, total := map[*balancer.Endpoint]int{}, 0
		keys := keys(5000)
		for i, home := range serves(t, free, keys) {
			if home == es[0] {
				heirs[serves(t, picker, keys[i:i+1])[0]]++
				total++
			}
		}
		assert.NotContains(t, heirs, es[0])
		assert.Len(t, heirs, 9)
		for _, n := range heirs { // each a ninth, with RingHash give or take 8 %, and √(500/9)/500 = 1.5 % by chance
			assert.InDelta(t, 1./9, float64(n)/float64(total), 0.09, p.name)
		}
	}
}

// While there are few calls, they are at home.
func TestBoundLetsFewCallsBe(t *testing.T) {
	for _, p := range byKey {
		for _, n := range []int{2, 10, 30} {
			picker := p.policy(1)(setOf(endpoints(n)))
			home := hold(t, picker, "celebrity")
			for range 3 {
				a := hold(t, picker, "celebrity")
				assert.Same(t, home.Endpoint(), a.Endpoint(), p.name)
			}
		}
	}
}

// The bound of a part of a service is about that part: what others have in
// flight does not widen it.
func TestBoundOfAPart(t *testing.T) {
	for _, p := range byKey {
		few := endpoints(10)
		picker := p.policy(1.25)(balancer.Set{Available: few[:3], All: few})
		busy(few[5], 1000)
		for range 30 {
			hold(t, picker, "celebrity")
		}
		for _, e := range few[:3] {
			assert.LessOrEqual(t, e.InFlight(), int64(13), p.name) // ceil(1.25 · 31 / 3)
		}
	}
}

// If all that is left has no room, the least loaded has it.
func TestNoRoomAnywhere(t *testing.T) {
	for _, p := range byKey {
		es := endpoints(4)
		picker := p.policy(1)(setOf(es))
		for i, n := range []int{0, 90, 80, 85} {
			busy(es[i], n)
		}
		assert.Same(t, es[0], serves(t, picker, []string{"a"})[0], p.name)
		assert.Same(t, es[2], serves(t, picker, []string{"a"}, es[0])[0], p.name)
		assert.Same(t, es[0], serves(t, picker, []string{"a"}, es...)[0], p.name)
	}
}
