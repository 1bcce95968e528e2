package transport_test

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/resilience"
	"github.com/namesake-go/namesake/transport"
)

// A moment is when something happened to a copy, since the start.
type moment struct {
	what string
	at   time.Duration
}

// A class is a mesh whose copies are compared. They are called 50 times a
// second, in turns, in the middle of what an interval is made of.
type class struct {
	*mesh
	start time.Time
	sick  sync.Map     // the address of a copy that fails three calls in ten -> its calls, an *atomic.Int64
	down  sync.Map     // the address of one that fails all
	slow  atomic.Value // what the first copy has at /slow, a func(http.ResponseWriter, *http.Request)

	mu      sync.Mutex
	moments []moment
	calls   map[string]int
}

// inClass runs f with n copies.
func inClass(t *testing.T, n int, f func(t *testing.T, c *class), opts ...transport.Option) {
	t.Helper()
	c := &class{calls: make(map[string]int)}
	note := func(what string) func(transport.EndpointEvent) {
		return func(e transport.EndpointEvent) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.moments = append(c.moments, moment{fmt.Sprintf("%s %s %s", what, e.Endpoint.Addr(), e.Reason), time.Since(c.start)})
		}
	}
	opts = append([]transport.Option{
		transport.WithPolicy(steady),
		transport.WithHooks(transport.Hooks{
			EndpointEjected: note("ejected"), EndpointRestored: note("restored"),
			Pick: func(e transport.PickEvent) {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.calls[e.Endpoint.Addr()]++
			},
		}),
	}, opts...)
	inMesh(t, func(t *testing.T, m *mesh) {
		c.mesh, c.start = m, time.Now()
		for _, addr := range addrs(n) {
			m.serve(addr, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/slow" && addr == "10.0.0.1:80" {
					c.slow.Load().(func(http.ResponseWriter, *http.Request))(w, r)
					return
				}
				calls, sick := c.sick.Load(addr)
				_, down := c.down.Load(addr)
				if down || sick && calls.(*atomic.Int64).Add(1)*3%10 < 3 {
					w.WriteHeader(http.StatusInternalServerError)
				}
			})
		}
		m.registry.Set("orders", discovery.Addrs(addrs(n)...)...)
		_, _, err := m.get("http://orders/")
		require.NoError(t, err)
		time.Sleep(10 * time.Millisecond)
		f(t, c)
	}, opts...)
}

// fail has copies fail three calls in ten, never five in a row.
func (c *class) fail(addrs ...string) {
	for _, addr := range addrs {
		c.sick.Store(addr, new(atomic.Int64))
	}
}

// until makes calls until a time, and returns what happened meanwhile.
func (c *class) until(at time.Duration) []moment {
	c.t.Helper()
	for time.Since(c.start) < at {
		_, _, err := c.get("http://orders/")
		require.NoError(c.t, err)
		time.Sleep(20 * time.Millisecond)
	}
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	happened := c.moments
	c.moments = nil
	return happened
}

// takeCalls returns how many calls each copy got since it was called last.
func (c *class) takeCalls() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = make(map[string]int)
	return calls
}

const second = time.Second

// assertReturn checks that a copy came back after d, give or take 10 %.
func assertReturn(t *testing.T, happened []moment, addr string, ejected, d time.Duration) {
	t.Helper()
	require.Len(t, happened, 1)
	assert.Equal(t, "restored "+addr+" recovered", happened[0].what)
	assert.InDelta(t, d.Seconds(), (happened[0].at - ejected).Seconds(), d.Seconds()/10)
}

// no breakers, so that nothing but outliers is ejected.
var noBreaker = transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: -1, FailureRatio: -1})

// What no breaker notices: of five copies, one fails three calls in ten. It is
// ejected at the end of the interval, for 30 s, and when it has not changed, for
// 60 s.
func TestOutlierEjection(t *testing.T) {
	const sick = "10.0.0.3:80"
	inClass(t, 5, func(t *testing.T, c *class) {
		c.fail(sick)
		assert.Empty(t, c.until(9990*time.Millisecond))
		calls := c.takeCalls()
		for _, addr := range addrs(5) {
			assert.InDelta(t, 100, calls[addr], 1)
		}
		assert.Equal(t, []moment{{"ejected 10.0.0.3:80 low success rate", 10 * second}}, c.until(36*second))
		calls = c.takeCalls()
		assert.Zero(t, calls[sick])
		for _, addr := range []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.4:80", "10.0.0.5:80"} {
			assert.InDelta(t, 26*50/4, calls[addr], 1, addr)
		}
		assertReturn(t, c.until(44*second), sick, 10*second, 30*second)

		// At 40 s, its calls are too few to tell, if it is back already.
		assert.Equal(t, []moment{{"ejected 10.0.0.3:80 low success rate", 50 * second}}, c.until(103*second))
		c.sick.Delete(sick)
		assertReturn(t, c.until(117*second), sick, 50*second, 60*second)
		assert.Empty(t, c.until(150*second))
	}, transport.WithOutlierEjection(transport.OutlierEjectionConfig{
		Outliers: resilience.OutlierConfig{SuccessRateRequests: 50},
	}))
}

// An interval without fault forgives an ejection, a part of one does not.
func TestOutlierForgiven(t *testing.T) {
	const sick = "10.0.0.3:80"
	inClass(t, 5, func(t *testing.T, c *class) {
		c.fail(sick)
		assert.Equal(t, []moment{{"ejected 10.0.0.3:80 low success rate", 10 * second}}, c.until(32*second))
		assertReturn(t, c.until(38*second), sick, 10*second, 25*second)
		// At 40 s, its calls are too few to tell.
		assert.Equal(t, []moment{{"ejected 10.0.0.3:80 low success rate", 50 * second}}, c.until(94*second))
		c.sick.Delete(sick)
		assertReturn(t, c.until(106*second), sick, 50*second, 50*second)
		assert.Empty(t, c.until(130*second))
		c.fail(sick)
		assert.Equal(t, []moment{{"ejected 10.0.0.3:80 low success rate", 140 * second}}, c.until(162*second))
		assertReturn(t, c.until(168*second), sick, 140*second, 25*second)
	}, transport.WithOutlierEjection(transport.OutlierEjectionConfig{
		Outliers: resilience.OutlierConfig{SuccessRateRequests: 80},
		Ejection: resilience.EjectionConfig{Base: 25 * second},
	}))
}

// Where all fail alike, the fault is elsewhere; and what fails here and there a
// little more than the others is no outlier.
func TestNoOutliersAmongEquals(t *testing.T) {
	inClass(t, 5, func(t *testing.T, c *class) {
		c.fail(addrs(5)...)
		assert.Empty(t, c.until(60*second))
		assert.InDelta(t, 600, c.takeCalls()["10.0.0.1:80"], 1)
	}, transport.WithOutlierEjection(transport.OutlierEjectionConfig{}))
}

// byRatio finds who fails three calls in ten, whatever the others do.
func byRatio(maxEjected float64) transport.ServiceOption {
	return transport.WithOutlierEjection(transport.OutlierEjectionConfig{
		Outliers: resilience.OutlierConfig{StdevFactor: -1, FailureRatio: 0.25, MinEndpoints: 2, MaxEjected: maxEjected},
		Ejection: resilience.EjectionConfig{Base: 100 * second},
	})
}

// No more are ejected than may be, and who is left out by a breaker counts.
func TestOutlierShare(t *testing.T) {
	inClass(t, 5, func(t *testing.T, c *class) {
		c.fail("10.0.0.2:80", "10.0.0.3:80", "10.0.0.5:80")
		assert.Equal(t, []moment{
			{"ejected 10.0.0.2:80 high failure ratio", 10 * second}, {"ejected 10.0.0.3:80 high failure ratio", 10 * second},
		}, c.until(60*second))
	}, byRatio(0.4), noBreaker)
	inClass(t, 5, func(t *testing.T, c *class) {
		c.down.Store("10.0.0.1:80", true)
		c.fail("10.0.0.2:80")
		happened := c.until(60 * second)
		require.Len(t, happened, 1)
		assert.Equal(t, "ejected 10.0.0.1:80 breaker open", happened[0].what)
	}, byRatio(0))
}

// The panic threshold holds for breakers and outliers together, and with it the
// one reason gives way to the other.
func TestOutliersInPanic(t *testing.T) {
	inClass(t, 5, func(t *testing.T, c *class) {
		c.fail("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80")
		assert.Empty(t, c.until(20*second), "two of five would be left")
		calls := c.takeCalls()
		for _, addr := range addrs(5) {
			assert.InDelta(t, 200, calls[addr], 1)
		}
	}, byRatio(1))

	inClass(t, 5, func(t *testing.T, c *class) {
		c.fail("10.0.0.1:80", "10.0.0.2:80")
		assert.Equal(t, []moment{
			{"ejected 10.0.0.1:80 high failure ratio", 10 * second}, {"ejected 10.0.0.2:80 high failure ratio", 10 * second},
		}, c.until(20*second))
		c.takeCalls()
		c.down.Store("10.0.0.3:80", true)
		happened := c.until(22 * second)
		require.Len(t, happened, 2)
		assert.Equal(t, "restored 10.0.0.1:80 too few left", happened[0].what)
		assert.Equal(t, "restored 10.0.0.2:80 too few left", happened[1].what)
		assert.InDelta(t, 20, c.takeCalls()["10.0.0.1:80"], 3)
		c.down.Delete("10.0.0.3:80")
		happened = c.until(32 * second)
		require.Len(t, happened, 2, "its breaker has closed")
		assert.Equal(t, "ejected 10.0.0.1:80 high failure ratio", happened[0].what)
		assert.Equal(t, "ejected 10.0.0.2:80 high failure ratio", happened[1].what)
	}, byRatio(1))
}

// slowly makes calls in the background of which the first copy gets n, and
// which it answers when it is told to: with a failure, or with a body that
// breaks off.
func (c *class) slowly(n int, breaksOff bool) (fail func()) {
	told := make(chan struct{})
	c.slow.Store(func(w http.ResponseWriter, _ *http.Request) {
		if breaksOff {
			_, _ = io.WriteString(w, "begin")
			_ = http.NewResponseController(w).Flush()
			<-told
			panic(http.ErrAbortHandler)
		}
		<-told
		w.WriteHeader(http.StatusInternalServerError)
	})
	var ended sync.WaitGroup
	for range 5 * n {
		ended.Go(func() { _, _, _ = c.get("http://orders/slow") })
	}
	synctest.Wait()
	return sync.OnceFunc(func() {
		close(told)
		ended.Wait()
	})
}

// Attempts that began before an ejection say nothing about the endpoint when it
// has come back: neither to its breaker nor to those who compare.
func TestOutlierAttemptsFromBefore(t *testing.T) {
	const sick = "10.0.0.1:80"
	for name, test := range map[string]struct {
		breaksOff bool
		at        time.Duration // the return is between 32.5 s and 37.5 s
		opts      []transport.Option
	}{
		"header, with a breaker":      {false, 38 * second, nil},
		"header, without a breaker":   {false, 38 * second, []transport.Option{noBreaker}},
		"body, with a breaker":        {true, 38 * second, nil},
		"body, without a breaker":     {true, 38 * second, []transport.Option{noBreaker}},
		"header, before the return":   {false, 32 * second, []transport.Option{noBreaker}},
		"body, before the return":     {true, 32 * second, []transport.Option{noBreaker}},
		"header, while it is ejected": {false, 15 * second, []transport.Option{noBreaker}},
	} {
		t.Run(name, func(t *testing.T) {
			inClass(t, 5, func(t *testing.T, c *class) {
				c.fail(sick)
				assert.Empty(t, c.until(9*second))
				fail := c.slowly(30, test.breaksOff)
				defer fail()
				happened := c.until(min(test.at, 32*second))
				assert.Equal(t, []moment{{"ejected 10.0.0.1:80 low success rate", 10 * second}}, happened)
				c.sick.Delete(sick)
				happened = c.until(test.at)
				fail()
				assertReturn(t, append(happened, c.until(55*second)...), sick, 10*second, 25*second)
			}, append(test.opts, transport.WithOutlierEjection(transport.OutlierEjectionConfig{
				Outliers: resilience.OutlierConfig{SuccessRateRequests: 25},
				Ejection: resilience.EjectionConfig{Base: 25 * second},
			}))...)
		})
	}
}

// Who is ejected gets no trial before its time is over, and then needs one if its
// breaker has opened meanwhile.
func TestOutlierOnTrial(t *testing.T) {
	const sick = "10.0.0.1:80"
	inClass(t, 5, func(t *testing.T, c *class) {
		c.fail(sick)
		assert.Empty(t, c.until(9*second))
		fail := c.slowly(5, false)
		defer fail()
		assert.Equal(t, []moment{{"ejected 10.0.0.1:80 low success rate", 10 * second}}, c.until(12*second))
		c.takeCalls()
		c.sick.Delete(sick)
		fail() // five in a row: half-open within 5.5 s
		assert.Empty(t, c.until(36*second))
		assert.Zero(t, c.takeCalls()[sick])
		assertReturn(t, c.until(44*second), sick, 10*second, 30*second)
	}, transport.WithOutlierEjection(transport.OutlierEjectionConfig{}))
}

// Off, which is the default, there is nothing: no counter and no timer.
func TestOutlierEjectionOff(t *testing.T) {
	for name, opts := range map[string][]transport.Option{
		"by default": nil,
		"for one service": {
			transport.WithOutlierEjection(transport.OutlierEjectionConfig{}),
			transport.ForService("orders", transport.WithOutlierEjection(transport.OutlierEjectionConfig{Interval: -1})),
		},
	} {
		t.Run(name, func(t *testing.T) {
			inClass(t, 5, func(t *testing.T, c *class) {
				c.fail("10.0.0.3:80")
				assert.Empty(t, c.until(31*second))
				on, ran := transport.StopComparing(transport.ServiceOf(c.rt, "orders"))
				assert.False(t, on)
				assert.False(t, ran)
			}, opts...)
		})
	}
}

// The timer runs while there are endpoints, and not after Close.
func TestOutlierTimer(t *testing.T) {
	inClass(t, 5, func(t *testing.T, c *class) {
		s := transport.ServiceOf(c.rt, "orders")
		c.registry.Set("orders")
		time.Sleep(11 * second)
		_, ran := transport.StopComparing(s)
		assert.False(t, ran, "nobody to look at")

		c.registry.Set("orders", discovery.Addrs(addrs(5)...)...)
		synctest.Wait()
		start := time.Since(c.start)
		c.fail("10.0.0.3:80")
		assert.Equal(t, []moment{{"ejected 10.0.0.3:80 low success rate", start + 10*second}}, c.until(start+15*second))

		c.rt.Close()
		on, ran := transport.StopComparing(s)
		assert.True(t, on)
		assert.False(t, ran)
		time.Sleep(time.Hour)
		assert.Len(t, c.moments, 0)
	}, transport.WithOutlierEjection(transport.OutlierEjectionConfig{}), transport.WithEmptyGrace(-1))
}

// Close waits for who is told of an ejection, and nobody is told later.
func TestCloseWaitsForOutlierHooks(t *testing.T) {
	var told atomic.Bool
	inClass(t, 5, func(t *testing.T, c *class) {
		c.fail("10.0.0.3:80")
		c.until(9990 * time.Millisecond)
		time.Sleep(time.Until(c.start.Add(10*second)) + time.Millisecond)
		c.rt.Close()
		assert.True(t, told.Load())
		assert.Equal(t, 11*second, time.Since(c.start))
	}, transport.WithOutlierEjection(transport.OutlierEjectionConfig{}), transport.WithHooks(transport.Hooks{
		EndpointEjected: func(transport.EndpointEvent) {
			time.Sleep(second)
			told.Store(true)
		},
	}))
}
