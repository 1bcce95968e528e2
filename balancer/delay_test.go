package balancer

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery"
)

// A delayed is an endpoint under a clock that the test moves.
type delayed struct {
	now      time.Duration
	service  *Service
	endpoint *Endpoint
	delay    *delay
}

func newDelayed() *delayed {
	d := &delayed{now: time.Hour}
	d.service = NewService(ServiceConfig{Now: func() time.Duration { return d.now }, Rand: rand.NewPCG(1, 2).Uint64})
	d.endpoint = d.service.NewEndpoint(discovery.Instance{Addr: "10.0.0.1:80"})
	d.delay = delays.Of(d.endpoint)
	return d
}

func (d *delayed) begin(class *Class) Attempt {
	a, _ := d.endpoint.Begin(PickInfo{Now: d.now, Class: class})
	return a
}

// observe carries out an attempt that ends now.
func (d *delayed) observe(outcome Outcome, latency time.Duration) {
	a, _ := d.endpoint.Begin(PickInfo{Now: d.now - latency})
	a.Observe(outcome, latency)
	a.End()
}

// expected is the expectation in milliseconds where the mean of the service is
// 50 ms.
func (d *delayed) expected() float64 { return d.expectedOf(Unit) }

func (d *delayed) expectedOf(cost float64) float64 {
	return d.delay.expected(&moment{now: d.now, stamp: stamp(d.now), mean: 50e6, cost: cost}, 1) / 1e6
}

const exact = 1e-4 // as float32 is, in milliseconds

func TestDelayIsAGeometricAverage(t *testing.T) {
	d := newDelayed()
	assert.Zero(t, d.endpoint.Latency())
	d.observe(Success, 100*time.Millisecond)
	assert.InDelta(t, 100, d.expected(), exact, "the first sample is the average")
	d.observe(Success, 10*time.Millisecond)
	assert.InDelta(t, 100*math.Pow(0.1, 0.1), d.expected(), exact, "in no time, a sample counts a tenth")
	d.now += 3 * time.Second
	before := float64(d.endpoint.Latency()) / 1e6
	d.observe(Success, 40*time.Millisecond)
	assert.InDelta(t, math.Pow(before, 1/math.E)*math.Pow(40, 1-1/math.E), d.expected(), 1e-3, "after 3 s, 63 %")
	d.now += time.Hour
	d.observe(Success, 7*time.Millisecond)
	assert.InDelta(t, 7, d.expected(), 1e-3, "after an hour, all of it")
}

func TestDelayFadesToTheMean(t *testing.T) {
	d := newDelayed()
	d.observe(Success, 10*time.Millisecond)
	for _, c := range []struct {
		after time.Duration
		want  float64
	}{
		{0, 10}, {100 * time.Millisecond, 10}, {10 * time.Second, 50 - 40/2.7083}, {30 * time.Second, 50 - 40/16.375}, {1000 * time.Hour, 50},
	} {
		start := d.now
		d.now += c.after
		assert.InDelta(t, c.want, d.expected(), 0.01, c.after)
		d.now = start
	}
}

func TestDelayGrowsWithTheLoad(t *testing.T) {
	d := newDelayed()
	d.observe(Success, 10*time.Millisecond)
	first, second := d.begin(nil), d.begin(nil)
	assert.InDelta(t, 30, d.expected(), exact)
	first.End()
	assert.InDelta(t, 20, d.expected(), exact)
	second.Observe(Success, 10*time.Millisecond)
	assert.InDelta(t, 20, d.expected(), exact, "a response that is being read is load")
	second.End()
	assert.InDelta(t, 10, d.expected(), exact)
}

func TestDelayOfWhatIsStuck(t *testing.T) {
	d := newDelayed()
	d.observe(Success, 10*time.Millisecond)
	stuck := d.begin(nil)
	for _, ms := range []float64{19, 21, 1000, 60_000} {
		d.now = stuck.Start() + time.Duration(ms*1e6)
		fade := math.Exp(-ms / 10_000)
		assert.InDelta(t, max(ms, 2*(50-fade*40)), d.expected(), 0.5, "%v ms without an answer", ms)
	}
	answered := d.begin(nil)
	answered.Observe(Busy, time.Millisecond)
	answered.End()
	assert.Less(t, d.expected(), 500., "any answer is a sign of life")
	d.now += 10 * time.Second
	gone := d.begin(nil)
	gone.Observe(Ignored, time.Millisecond)
	gone.End()
	assert.Greater(t, d.expected(), 9_000., "a caller who gives up is none")
	stuck.Observe(Success, d.now-stuck.Start())
	stream := d.expected()
	d.now += time.Hour
	assert.Less(t, d.expected(), stream, "a response that takes long to read is not stuck")
	stuck.End()
	assert.Zero(t, d.delay.load.Load())
}

func TestDelayOfFailures(t *testing.T) {
	d := newDelayed()
	d.observe(Success, 10*time.Millisecond)
	for i, want := range []float64{110, 210, 310} {
		d.observe(Failure, time.Microsecond)
		assert.InDelta(t, want, d.expected(), exact, "%d failures", i+1)
	}
	d.now += 5 * time.Second
	assert.Equal(t, 10*time.Millisecond, d.endpoint.Latency().Round(time.Microsecond), "a fast failure is no latency")
	assert.InDelta(t, 1+30/math.E, d.endpoint.Penalty(), 1e-4)
	d.observe(Success, 10*time.Millisecond)
	assert.InDelta(t, 1+15/math.E, d.endpoint.Penalty(), 1e-4)
	for _, outcome := range []Outcome{Failure, Busy, Ignored} {
		d := newDelayed()
		d.observe(Success, 10*time.Millisecond)
		d.observe(outcome, 70*time.Millisecond)
		assert.InDelta(t, 70, float64(d.endpoint.Latency())/1e6, exact, "it takes at least that long")
	}
}

// A response that breaks off is a failure, and its length says nothing.
func TestDelayOfABrokenResponse(t *testing.T) {
	d := newDelayed()
	a := d.begin(nil)
	d.now += 10 * time.Millisecond
	a.Observe(Success, 10*time.Millisecond)
	d.now += time.Minute
	a.Observe(Failure, time.Minute)
	a.End()
	assert.Equal(t, 11., d.endpoint.Penalty())
	assert.InDelta(t, 10, float64(d.endpoint.Latency())/1e6, exact)
	assert.Zero(t, d.delay.load.Load())
}

func TestDelayOfAnUnmeasuredEndpoint(t *testing.T) {
	d := newDelayed()
	assert.InDelta(t, 50, d.expected(), exact, "like the others")
	a := d.begin(nil)
	assert.InDelta(t, 1000, d.expected(), exact, "one at a time")
	a.End()
	d.observe(Failure, time.Millisecond)
	assert.InDelta(t, 50*(1+10+1), d.expected(), exact, "an endpoint that only ever failed is not average")

	d = newDelayed()
	d.service.mean.add(50e6)
	d.observe(Ignored, 50*time.Millisecond)
	assert.Zero(t, d.endpoint.Latency())
	assert.Equal(t, 2., d.endpoint.Penalty(), "a caller who gives up proves little")
	d.observe(Ignored, 3*time.Second)
	assert.InDelta(t, 3000*2, d.expected(), exact, "unless he has waited for long")

	d = newDelayed()
	d.delay.gate.Store(int64(d.now + time.Second))
	assert.InDelta(t, 500, d.expected(), exact, "at the gate")
	d.now += time.Second
	assert.InDelta(t, 50, d.expected(), exact)
}

func TestDelayOfClasses(t *testing.T) {
	d := newDelayed()
	cheap, dear := d.service.Class("cheap"), d.service.Class("dear")
	assert.Equal(t, int32(Unit), d.service.cost(cheap), "nothing known")
	serve := func(c *Class, latency time.Duration) {
		a := d.begin(c)
		d.now += latency
		a.Observe(Success, latency)
		a.End()
	}
	for range 2000 {
		serve(cheap, 10*time.Millisecond)
		serve(dear, 160*time.Millisecond)
	}
	// The mean of all is the geometric one, 40 ms.
	assert.InDelta(t, 40, float64(d.service.Latency())/1e6, 8)
	assert.InDelta(t, 10, float64(cheap.Latency())/1e6, 0.01)
	assert.InDelta(t, 16, float64(d.service.cost(dear))/float64(d.service.cost(cheap)), 0.1)
	average := float64(d.endpoint.Latency()) / float64(d.service.Latency())
	assert.InDelta(t, 1, average, 0.05, "a dear call does not make its endpoint look slow")
	a := d.begin(dear)
	assert.InDelta(t, float64(a.Cost())/Unit+1, d.expected()*1e6/float64(d.endpoint.Latency()), 0.01, "it is more load than a cheap one")
	for range 1000 { // what it costs may change before it ends
		serve(cheap, 20*time.Millisecond)
	}
	a.End()
	assert.Zero(t, d.delay.load.Load())
}

func TestClassesAreBounded(t *testing.T) {
	s := new(Service)
	for range 2 {
		seen := map[*Class]bool{}
		for i := range 1000 {
			seen[s.Class(string(rune('a'+i)))] = true
		}
		assert.Len(t, seen, maxClasses+1)
	}
}

// However attempts end, nothing stays on the books.
func TestDelayOfAttemptsThatEndInAnyWay(t *testing.T) {
	d := newDelayed()
	chance := rand.New(rand.NewPCG(3, 4))
	classes := []*Class{nil, d.service.Class("a"), d.service.Class("b")}
	var open []Attempt
	for range 20_000 {
		d.now += time.Duration(chance.IntN(1e6))
		switch {
		case len(open) < 10 || chance.IntN(2) == 0:
			open = append(open, d.begin(classes[chance.IntN(3)]))
		default:
			i := chance.IntN(len(open))
			a := &open[i]
			for range chance.IntN(3) {
				a.Observe(Outcome(chance.IntN(4)), d.now-a.Start())
			}
			a.End()
			open[i] = open[len(open)-1]
			open = open[:len(open)-1]
		}
	}
	for i := range open {
		open[i].End()
	}
	assert.Zero(t, d.delay.load.Load())
	assert.Zero(t, d.endpoint.InFlight())
}

func TestTowards(t *testing.T) {
	for _, x := range []float64{1e-3, 0.5, 0.949, 0.951, 0.99, 1, 1.01, 1.049, 1.051, 2, 1e6} {
		for _, w := range []float64{0.01, 0.1, 0.5, 1} {
			assert.InEpsilon(t, math.Pow(x, w), towards(1, x, w), 1e-6, "%v^%v", x, w)
		}
	}
}
