package balancertest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
)

// sizes are numbers of endpoints at which policies tend to take another path.
var sizes = []int{1, 2, 3, 4, 5, 8, 13, 100}

// available: only available endpoints are picked, and picking is all that Pick
// does: the attempt is counted by whoever makes it.
func available(t reporter, policy balancer.Policy) {
	for _, n := range sizes {
		all := endpoints(2 * n)
		var some []*balancer.Endpoint
		for i, e := range all {
			if i%2 == 1 {
				some = append(some, e)
			}
		}
		p := build(t, policy, balancer.Set{Available: some, All: all})
		if p == nil {
			return
		}
		for i := range 50 * n {
			e := p.pick(t, nil)
			if e == nil {
				return
			}
			attempt(e, i)
		}
		for _, e := range all {
			if e.InFlight() != 0 {
				t.Errorf("%d calls in flight to %s after all have ended: Pick must not Begin", e.InFlight(), e.Key())
				return
			}
		}
	}
}

// oneEndpoint: the only endpoint is picked whatever has been tried.
func oneEndpoint(t reporter, policy balancer.Policy) {
	only, gone := endpoints(1), endpoints(1)
	p := build(t, policy, setOf(only))
	if p == nil {
		return
	}
	for _, tried := range [][]*balancer.Endpoint{nil, {}, only, gone, {gone[0], only[0], only[0]}} {
		p.pick(t, tried)
	}
}

// tried: as long as others are left, none of the tried ones is picked. The list
// may hold endpoints twice, and such as have left the set since.
func tried(t reporter, policy balancer.Policy) {
	for _, n := range sizes {
		es := endpoints(n)
		p := build(t, policy, setOf(es))
		if p == nil {
			return
		}
		for i := range 400 {
			few := rand.IntN(min(n, 10))
			if i%4 == 0 {
				few = n - 1
			}
			tried := some(es, few)
			if i%3 == 0 {
				tried = append(tried, tried...)
				tried = append(tried, endpoints(1)...)
			}
			e := p.pick(t, tried)
			if e == nil {
				return
			}
			if slices.Contains(tried, e) {
				t.Errorf("picked %s, which has been tried, though %d of %d endpoints have not", e.Key(), n-few, n)
				return
			}
			attempt(e, i)
		}
	}
}

// allTried: when there is nothing new to try, something is picked all the same.
func allTried(t reporter, policy balancer.Policy) {
	for _, n := range sizes {
		es := endpoints(n)
		p := build(t, policy, setOf(es))
		if p == nil {
			return
		}
		for i := range 20 {
			e := p.pick(t, es)
			if e == nil {
				return
			}
			attempt(e, i)
		}
	}
}

// setUntouched: the slices belong to someone else, up to their capacity.
func setUntouched(t reporter, policy balancer.Policy) {
	es := endpoints(20)
	all, available := slices.Clone(es), slices.Clone(es)
	p := build(t, policy, balancer.Set{Available: available[:10], All: all[:15]})
	if p == nil {
		return
	}
	tried := slices.Clone(es[:5])
	for i := range 200 {
		e := p.pick(t, tried[:i%5])
		if e == nil {
			return
		}
		attempt(e, i)
	}
	if !slices.Equal(available, es) || !slices.Equal(all, es) {
		t.Errorf("the set's slices have been modified")
	}
	if !slices.Equal(tried, es[:5]) {
		t.Errorf("PickInfo.Tried has been modified")
	}
}

// weights: none, equal, unequal and enormous ones; zones and priorities too.
func weights(t reporter, policy balancer.Policy) {
	for _, weight := range []func(i int) uint32{
		func(int) uint32 { return 0 },
		func(int) uint32 { return math.MaxUint32 },
		func(i int) uint32 { return uint32(i) },
		func(i int) uint32 { return uint32(i%2) * math.MaxUint32 },
	} {
		es := endpoints(10)
		for i, e := range es {
			in := e.Instance()
			in.Weight = weight(i)
			in.Zone = fmt.Sprintf("zone-%d", i%3)
			in.Priority = uint32(i % 2)
			e.SetInstance(in)
		}
		p := build(t, policy, setOf(es))
		if p == nil {
			return
		}
		for i := range 200 {
			tried := some(es, i%10)
			e := p.pick(t, tried)
			if e == nil {
				return
			}
			if slices.Contains(tried, e) {
				t.Errorf("picked %s, which has been tried, though others of lesser weight, zone or priority have not", e.Key())
				return
			}
			attempt(e, i)
		}
	}
}

// setInstance: the registry's facts may change under a picker's feet.
func setInstance(t reporter, policy balancer.Policy) {
	es := endpoints(6)
	p := build(t, policy, setOf(es))
	if p == nil {
		return
	}
	for i := range 200 {
		changed := es[i%len(es)]
		in := changed.Instance()
		in.Weight = uint32(rand.IntN(100))
		in.Zone = fmt.Sprintf("zone-%d", i%4)
		in.Priority = uint32(i % 3)
		in.Metadata = map[string]string{"version": fmt.Sprint(i)}
		changed.SetInstance(in)
		e := p.pick(t, nil)
		if e == nil {
			return
		}
		attempt(e, i)
	}
}

// retired: a picker that is about to be replaced may still hold endpoints that
// have been retired. Picking one is no harm, its Begin reports false; but the
// others must be found when it has been tried.
func retired(t reporter, policy balancer.Policy) {
	es := endpoints(4)
	p := build(t, policy, setOf(es))
	if p == nil {
		return
	}
	for i := range es {
		es[i].Retire(nil)
		for k := range 50 {
			e := p.pick(t, nil)
			if e == nil {
				return
			}
			attempt(e, k)
			if e = p.pick(t, es[:i+1]); e == nil {
				return
			}
			if i+1 < len(es) && slices.Contains(es[:i+1], e) {
				t.Errorf("picked %s, which is retired and has been tried, though others have not", e.Key())
				return
			}
		}
	}
}

// rebuild: a picker knows the set it was built for and no other, however the
// sets before and after it overlap.
func rebuild(t reporter, policy balancer.Policy) {
	es := endpoints(12)
	for i := range 100 {
		var set []*balancer.Endpoint
		for _, e := range es {
			if rand.IntN(2) == 0 {
				set = append(set, e)
			}
		}
		if len(set) == 0 {
			set = es[:1]
		}
		p := build(t, policy, setOf(set))
		if p == nil {
			return
		}
		for k := range 20 {
			e := p.pick(t, nil)
			if e == nil {
				return
			}
			attempt(e, i+k)
		}
	}
}

// concurrent: many goroutines pick while the set is rebuilt. The race detector
// sees what this cannot.
func concurrent(t reporter, policy balancer.Policy) {
	es := endpoints(8)
	var current atomic.Pointer[picker]
	next := func(i int) bool {
		p := build(t, policy, setOf(es[i%4:4+i%5]))
		if p != nil {
			current.Store(p)
		}
		return p != nil
	}
	if !next(0) {
		return
	}
	var wg sync.WaitGroup
	var rebuilt atomic.Bool
	for g := range 8 {
		wg.Go(func() {
			var p *picker
			var tried []*balancer.Endpoint
			for i := 0; i < 1000 || !rebuilt.Load(); i++ {
				switch i % 10 {
				case 0: // else go on with one that may be outdated
					p = current.Load()
				case 5: // and will be, on a single processor too
					runtime.Gosched()
				}
				e := p.pick(t, tried)
				if e == nil {
					return
				}
				attempt(e, g+i)
				if tried = append(tried, e); len(tried) == 3 {
					tried = tried[:0]
				}
			}
		})
	}
	for i := 0; i < 100 && next(i); i++ {
		runtime.Gosched()
	}
	rebuilt.Store(true)
	wg.Wait()
}

// everyTurn: no endpoint is forgotten. Even with picks at random, one of 10 is
// missed by 2000 of them with a probability of 10 · 0.9^2000 < 1e-90.
func everyTurn(t reporter, policy balancer.Policy) {
	es := endpoints(10)
	p := build(t, policy, setOf(es))
	if p == nil {
		return
	}
	counts := p.counts(t, 2000, nil)
	for i, n := range counts {
		if n == 0 {
			t.Errorf("%s got none of 2000 calls", es[i].Key())
		}
	}
}

// evenSpread compares the shares of 20,000 calls with what chance allows. If
// each endpoint is picked with the same probability, the statistic
//
//	X² = Σ (got − want)² / want
//
// has very nearly the chi-squared distribution with k = n−1 degrees of freedom,
// for which Laurent and Massart (2000, lemma 1) prove
//
//	P(X² ≥ k + 2·√(k·x) + 2·x) ≤ e^−x
//
// With x = 21 a policy that is even fails once in a billion runs. For 10
// endpoints the bound is 78, which an endpoint with 1.25 times its share
// exceeds in the mean (X² = 20000 · (0.25/10)² · 10 · 10/9 = 139).
func evenSpread(t reporter, policy balancer.Policy) {
	const x, calls = 21, 20_000
	for _, n := range []int{2, 3, 10} {
		es := endpoints(n)
		p := build(t, policy, setOf(es))
		if p == nil {
			return
		}
		for _, tried := range [][]*balancer.Endpoint{nil, es[:1]} {
			counts := p.counts(t, calls, tried)[len(tried):]
			want := float64(calls) / float64(len(counts))
			var chi float64
			for _, got := range counts {
				chi += (float64(got) - want) * (float64(got) - want) / want
			}
			k := float64(len(counts) - 1)
			if bound := k + 2*math.Sqrt(k*x) + 2*x; chi > bound {
				t.Errorf("shares of %d calls with %d of %d endpoints tried: %v, chi-squared %.0f, want at most %.0f",
					calls, len(tried), n, counts, chi, bound)
				return
			}
		}
	}
}

// A picker remembers what it was built for.
type picker struct {
	balancer.Picker
	set []*balancer.Endpoint
}

func build(t reporter, policy balancer.Policy, set balancer.Set) *picker {
	t.Helper()
	built := policy(set)
	if built == nil {
		t.Errorf("the policy returned no picker for %d endpoints", len(set.Available))
		return nil
	}
	return &picker{built, slices.Clone(set.Available)}
}

// pick returns nil after having reported what is wrong with the choice.
func (p *picker) pick(t reporter, tried []*balancer.Endpoint) *balancer.Endpoint {
	t.Helper()
	e, err := p.Pick(balancer.PickInfo{Tried: tried})
	switch {
	case err != nil:
		t.Errorf("Pick from %d endpoints, %d tried: %v", len(p.set), len(tried), err)
		return nil
	case e == nil:
		t.Errorf("Pick from %d endpoints, %d tried: neither an endpoint nor an error", len(p.set), len(tried))
	case !slices.Contains(p.set, e):
		t.Errorf("picked %s, which is not available", e.Key())
		return nil
	}
	return e
}

// counts makes calls that are all alike, one after the other.
func (p *picker) counts(t reporter, calls int, tried []*balancer.Endpoint) []int {
	t.Helper()
	counts := make([]int, len(p.set))
	for range calls {
		e := p.pick(t, tried)
		if e == nil {
			break
		}
		if a, ok := e.Begin(balancer.PickInfo{}); ok {
			a.Observe(balancer.Success, time.Millisecond)
			a.End()
		}
		counts[slices.Index(p.set, e)]++
	}
	return counts
}

// attempt goes through the motions of one, with some variety.
func attempt(e *balancer.Endpoint, i int) {
	a, ok := e.Begin(balancer.PickInfo{})
	if !ok {
		return
	}
	a.Observe(balancer.Outcome(i%3), time.Duration(1+i%7)*time.Millisecond)
	a.End()
}

// some returns n of the endpoints, at random.
func some(es []*balancer.Endpoint, n int) []*balancer.Endpoint {
	var picked []*balancer.Endpoint
	for _, i := range rand.Perm(len(es))[:n] {
		picked = append(picked, es[i])
	}
	return picked
}

func setOf(es []*balancer.Endpoint) balancer.Set { return balancer.Set{Available: es, All: es} }

// endpoints returns n new ones, ordered by key.
func endpoints(n int) []*balancer.Endpoint {
	service := new(balancer.Service)
	es := make([]*balancer.Endpoint, n)
	for i := range es {
		es[i] = service.NewEndpoint(discovery.Instance{Addr: fmt.Sprintf("10.0.0.%03d:80", i)})
	}
	return es
}
