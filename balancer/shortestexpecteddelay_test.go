package balancer_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
)

// A world is a service under a clock that the test moves, and with chance that
// is the same each time.
type world struct {
	now     time.Duration
	service *balancer.Service
}

func newWorld() *world {
	w := &world{now: time.Hour}
	w.service = balancer.NewService(balancer.ServiceConfig{
		Now:  func() time.Duration { return w.now },
		Rand: rand.NewPCG(1, 2).Uint64,
	})
	return w
}

func (w *world) endpoints(from, to int) []*balancer.Endpoint {
	var es []*balancer.Endpoint
	for i := from; i < to; i++ {
		es = append(es, w.service.NewEndpoint(discovery.Instance{Addr: fmt.Sprintf("10.0.%d.%d:80", i/250, i%250)}))
	}
	return es
}

// answer carries out an attempt that ends now.
func (w *world) answer(e *balancer.Endpoint, outcome balancer.Outcome, latency time.Duration) {
	a, _ := e.Begin(balancer.PickInfo{Now: w.now - latency})
	a.Observe(outcome, latency)
	a.End()
}

// shares returns what part of 1000 picks goes to each endpoint, none of them
// being carried out.
func (w *world) shares(t *testing.T, p balancer.Picker, es []*balancer.Endpoint, info balancer.PickInfo) []float64 {
	t.Helper()
	shares := make([]float64, len(es))
	info.Now = w.now
	for range 1000 {
		e, err := p.Pick(info)
		require.NoError(t, err)
		shares[slices.Index(es, e)] += 0.001
	}
	return shares
}

// With the seed of newWorld, what is equally likely differs by less than this.
const fair = 0.06

func TestShortestExpectedDelayTakesTheLeast(t *testing.T) {
	for _, n := range []int{2, 3, 64, 65, 1000} {
		w := newWorld()
		es := w.endpoints(0, n)
		p := balancer.ShortestExpectedDelay(setOf(es))
		for i, e := range es {
			w.answer(e, balancer.Success, time.Duration(10+i%10)*time.Millisecond)
		}
		w.answer(es[n/2], balancer.Success, time.Microsecond)
		for range 10 * n { // from many endpoints it takes a while to find the best
			_, _ = p.Pick(balancer.PickInfo{Now: w.now})
		}
		assert.InDelta(t, 1, w.shares(t, p, es, balancer.PickInfo{})[n/2], 1e-9, n)
		tried := es[n/2 : n/2+1]
		assert.Zero(t, w.shares(t, p, es, balancer.PickInfo{Tried: tried})[n/2], n)
	}
}

func TestShortestExpectedDelayIsFairToEquals(t *testing.T) {
	w := newWorld()
	es := w.endpoints(0, 4)
	p := balancer.ShortestExpectedDelay(setOf(es))
	for i, e := range es {
		w.answer(e, balancer.Success, []time.Duration{100, 100, 106, 200}[i]*time.Millisecond)
	}
	shares := w.shares(t, p, es, balancer.PickInfo{})
	assert.InDelta(t, 0.5, shares[0], fair)
	assert.InDelta(t, 0.5, shares[1], fair)
	assert.Zero(t, shares[2], "5 %% is noise, 6 %% is not")
}

func TestShortestExpectedDelayBeforeAnythingIsKnown(t *testing.T) {
	w := newWorld()
	es := w.endpoints(0, 3)
	p := balancer.ShortestExpectedDelay(setOf(es))
	for _, share := range w.shares(t, p, es, balancer.PickInfo{}) {
		assert.InDelta(t, 1./3, share, fair)
	}
	for i := range 9 { // a burst is spread, though nothing has been answered
		w.now += time.Millisecond
		e, err := p.Pick(balancer.PickInfo{Now: w.now})
		require.NoError(t, err)
		_, _ = e.Begin(balancer.PickInfo{Now: w.now})
		most := slices.MaxFunc(es, func(a, b *balancer.Endpoint) int { return int(a.InFlight() - b.InFlight()) })
		assert.Equal(t, int64(i/3+1), most.InFlight())
	}
}

// Weights decide between equals, and how much a call in flight is.
func TestShortestExpectedDelayOfWeights(t *testing.T) {
	w := newWorld()
	light := w.service.NewEndpoint(discovery.Instance{Addr: "light:80", Weight: 1})
	heavy := w.service.NewEndpoint(discovery.Instance{Addr: "heavy:80", Weight: 3})
	es := []*balancer.Endpoint{heavy, light}
	p := balancer.ShortestExpectedDelay(setOf(es))
	for _, e := range es {
		w.answer(e, balancer.Success, 10*time.Millisecond)
	}
	for _, c := range []struct {
		light, heavy int // more in flight
		want         float64
	}{
		{0, 0, 5. / 6}, // 1-1/(2·3): of two uniform numbers, the second is three times as long
		{0, 3, 0},      // 1+3·2/3 against 1
		{1, 0, 5. / 6}, // against 1+1·2
		{1, 0, 1},      // against 1+2·2
	} {
		busy(light, c.light)
		busy(heavy, c.heavy)
		assert.InDelta(t, c.want, w.shares(t, p, es, balancer.PickInfo{})[0], fair, "%+v", c)
	}

	// A canary among many gets about as much less as it weighs.
	es = w.endpoints(0, 19)
	es = append(es, w.service.NewEndpoint(discovery.Instance{Addr: "canary:80", Weight: 1}))
	for _, e := range es[:19] {
		in := e.Instance()
		in.Weight = 10
		e.SetInstance(in)
	}
	p = balancer.ShortestExpectedDelay(setOf(es))
	for _, e := range es {
		w.answer(e, balancer.Success, 10*time.Millisecond)
	}
	var canary float64
	for range 20 {
		canary += w.shares(t, p, es, balancer.PickInfo{})[19] / 20
	}
	assert.InDelta(t, 1./191, canary, 0.0026) // five times the deviation of 20,000 picks
}

// New endpoints are tried by each client at a moment of its own within ten
// seconds, one call at a time; those that a new client finds are not new.
func TestShortestExpectedDelayTriesNewEndpointsOneByOne(t *testing.T) {
	w := newWorld()
	es := w.endpoints(0, 12)
	old, all := es[:2], setOf(es)
	balancer.ShortestExpectedDelay(setOf(old))
	for _, e := range old {
		w.answer(e, balancer.Success, 10*time.Millisecond)
	}
	w.now += 2 * time.Second
	p := balancer.ShortestExpectedDelay(all)
	tried := map[*balancer.Endpoint]time.Duration{}
	start := w.now
	for w.now < start+11*time.Second {
		w.now += 10 * time.Millisecond
		for _, e := range old {
			w.answer(e, balancer.Success, 10*time.Millisecond)
		}
		info := balancer.PickInfo{Now: w.now}
		e, err := p.Pick(info)
		require.NoError(t, err)
		if _, ok := tried[e]; !ok && !slices.Contains(old, e) {
			tried[e] = w.now - start
			_, _ = e.Begin(info) // and no answer: it gets no second call
		} else {
			assert.Contains(t, old, e)
		}
	}
	assert.Len(t, tried, 10)
	early := 0
	for _, after := range tried {
		if after < 5*time.Second {
			early++
		}
	}
	assert.InDelta(t, 5, early, 3)

	// In need, when all others have ten times their usual load, the gate opens.
	w = newWorld()
	es = w.endpoints(0, 2)
	balancer.ShortestExpectedDelay(setOf(es[:1]))
	w.answer(es[0], balancer.Success, 10*time.Millisecond)
	w.now += 2 * time.Second
	p = balancer.ShortestExpectedDelay(setOf(es))
	for _, c := range []struct{ busy, want int }{{0, 0}, {8, 0}, {3, 1}} {
		for range c.busy {
			_, _ = es[0].Begin(balancer.PickInfo{Now: w.now})
		}
		assert.InDelta(t, 1, w.shares(t, p, es, balancer.PickInfo{})[c.want], 1e-9, "%+v", c)
	}
}

// An endpoint that was slow and has become the fastest is found again.
func TestShortestExpectedDelayStarvesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shares := simulate(balancer.ShortestExpectedDelay, 5, 10, 60*time.Second, 70*time.Second, func(i int, now time.Duration) server {
			switch {
			case i > 0:
				return server{10 * time.Millisecond, balancer.Success}
			case now < 5*time.Second:
				return server{time.Second, balancer.Success}
			default:
				return server{5 * time.Millisecond, balancer.Success}
			}
		})
		t.Logf("shares %.4f", shares)
		assert.Greater(t, shares[0], 0.2)
	})
}

// A black hole takes a call from each caller at most, then none while it is
// silent.
func TestShortestExpectedDelayAvoidsABlackHole(t *testing.T) {
	w := newWorld()
	es := w.endpoints(0, 3)
	p := balancer.ShortestExpectedDelay(setOf(es))
	lost := 0
	for range 10_000 {
		w.now += time.Millisecond
		info := balancer.PickInfo{Now: w.now}
		e, err := p.Pick(info)
		require.NoError(t, err)
		a, _ := e.Begin(info)
		if e == es[0] {
			lost++
			continue
		}
		a.Observe(balancer.Success, 500*time.Microsecond)
		a.End()
	}
	assert.LessOrEqual(t, lost, 1)
}

// An expensive call is not taken for a slow endpoint when its class is known.
func TestShortestExpectedDelayKnowsClasses(t *testing.T) {
	w := newWorld()
	es := w.endpoints(0, 2)
	p := balancer.ShortestExpectedDelay(setOf(es))
	dear, cheap := w.service.Class("dear"), w.service.Class("cheap")
	serve := func(e *balancer.Endpoint, class *balancer.Class, latency time.Duration) {
		a, _ := e.Begin(balancer.PickInfo{Now: w.now, Class: class})
		w.now += latency
		a.Observe(balancer.Success, latency)
		a.End()
	}
	for range 200 {
		serve(es[0], cheap, 10*time.Millisecond)
		serve(es[1], cheap, 10*time.Millisecond)
	}
	for range 20 {
		serve(es[0], dear, 100*time.Millisecond)
	}
	for range 20 {
		serve(es[1], cheap, 10*time.Millisecond)
		serve(es[0], dear, 100*time.Millisecond)
	}
	shares := w.shares(t, p, es, balancer.PickInfo{Class: cheap})
	t.Logf("shares %.3f, %v and %v", shares, es[0].Latency(), es[1].Latency())
	assert.InDelta(t, 1, float64(es[0].Latency())/float64(es[1].Latency()), 0.3)
	_, _ = es[1].Begin(balancer.PickInfo{Now: w.now, Class: dear})
	_, _ = es[0].Begin(balancer.PickInfo{Now: w.now, Class: cheap})
	assert.InDelta(t, 1, w.shares(t, p, es, balancer.PickInfo{Class: cheap})[0], 1e-9, "a dear call in flight is more load")
}
