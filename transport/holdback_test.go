package transport_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
)

// A copy that joins gets calls when its first check has passed, which is made
// at once.
func TestHoldBack(t *testing.T) {
	inWard(t, 4, true, func(t *testing.T, w *ward) {
		w.begin(addrs(2)...)
		assert.Equal(t, []string{"added 10.0.0.1:80 held back", "added 10.0.0.2:80 held back"}, w.rec.take())
		assert.Equal(t, addrs(2), w.shares(20), "there are no others")

		start := time.Now()
		w.ill("10.0.0.3:80", answer(http.StatusServiceUnavailable, ""))
		w.ill("10.0.0.4:80", func(http.ResponseWriter, *http.Request) { time.Sleep(400 * time.Millisecond) })
		w.registry.Set("orders", discovery.Addrs(addrs(4)...)...)
		synctest.Wait()
		assert.Equal(t, []string{"added 10.0.0.3:80 held back", "added 10.0.0.4:80 held back"}, w.rec.take())
		require.Len(t, w.of("10.0.0.3:80"), 1)
		assert.Equal(t, start, w.of("10.0.0.3:80")[0].at)
		time.Sleep(399 * time.Millisecond)
		assert.Equal(t, addrs(2), w.shares(40))
		time.Sleep(time.Millisecond)
		synctest.Wait()
		assert.Equal(t, []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.4:80"}, w.shares(40))

		w.well("10.0.0.3:80")
		passed := w.next("10.0.0.3:80", 1)[0]
		assert.True(t, passed.healthy)
		assert.Equal(t, addrs(4), w.shares(40))
		assert.Empty(t, w.rec.take(), "it was never ejected")
	}, transport.HealthCheckConfig{HoldBack: true})
}

// One that never passes is held back, then ejected; and so it counts when too
// few would be left.
func TestHoldBackOfTheSick(t *testing.T) {
	inWard(t, 4, false, func(t *testing.T, w *ward) {
		list := addrs(4)
		w.begin(list[0])
		for _, addr := range list[1:] {
			w.ill(addr, answer(http.StatusServiceUnavailable, ""))
		}
		w.rec.take()
		w.registry.Set("orders", discovery.Addrs(list[:2]...)...)
		synctest.Wait()
		w.next(list[1], 1)
		assert.Equal(t, list[:1], w.shares(10))
		assert.True(t, w.of(list[1])[1].healthy, "not known yet")
		w.next(list[1], 1)
		assert.Equal(t, []string{"added 10.0.0.2:80 held back", "ejected 10.0.0.2:80 health check failed"}, w.rec.take())
		assert.Equal(t, list[:1], w.shares(10))

		w.registry.Set("orders", discovery.Addrs(list...)...)
		synctest.Wait()
		assert.Equal(t, list[:1], w.shares(10), "those who are held back are not missed")
		time.Sleep(3 * mostInterval)
		assert.Equal(t, list, w.shares(40), "but one of four is too few")
		assert.Contains(t, w.rec.take(), "restored 10.0.0.2:80 too few left")
	}, transport.HealthCheckConfig{HoldBack: true})
}

// When a set is replaced by another, nobody waits, and the first that passes
// does not get the calls of all.
func TestHoldBackOfAWholeSet(t *testing.T) {
	inWard(t, 5, false, func(t *testing.T, w *ward) {
		list := addrs(5)
		for _, addr := range list[3:] {
			w.ill(addr, answer(http.StatusServiceUnavailable, ""))
		}
		w.begin(list[:2]...)
		w.registry.Set("orders", discovery.Addrs(list[2:]...)...)
		synctest.Wait()
		w.rec.take()
		assert.Equal(t, list[2:], w.shares(30))
		assert.True(t, w.of(list[2])[0].healthy)
		w.well(list[3])
		w.next(list[4], 3)
		assert.Equal(t, []string{"ejected 10.0.0.5:80 health check failed"}, w.rec.take(), "like any other")
	}, transport.HealthCheckConfig{HoldBack: true})
}

// Those who warm up and are held back wait for both.
func TestHoldBackAndWarmUp(t *testing.T) {
	inWard(t, 2, false, func(t *testing.T, w *ward) {
		w.ill("10.0.0.2:80", answer(http.StatusServiceUnavailable, ""))
		w.begin("10.0.0.1:80")
		w.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
		synctest.Wait()
		assert.Equal(t, []string{"added 10.0.0.1:80 warming up", "added 10.0.0.2:80 warming up"}, w.rec.take())
		assert.Equal(t, []string{"10.0.0.1:80"}, w.shares(10))
		w.well("10.0.0.2:80")
		w.next("10.0.0.2:80", 1)
		assert.Equal(t, addrs(2), w.shares(10))
	}, transport.HealthCheckConfig{HoldBack: true}, transport.WithPool(transport.PoolConfig{Warm: 1}))
}

// Clients that start together do not ask together, not at first and not later.
func TestHealthCheckJitter(t *testing.T) {
	const copies = 50
	inWard(t, 0, false, func(t *testing.T, w *ward) {
		start := time.Now()
		w.begin(addrs(copies)...)
		time.Sleep(time.Hour)
		least, most := time.Hour, time.Duration(0)
		earliest, latest := time.Hour, time.Duration(0)
		for _, addr := range addrs(copies) {
			list := w.of(addr)
			assert.InDelta(t, 360, len(list), 12) // 360 intervals with a standard deviation of 0.58 s
			first := list[0].at.Sub(start)
			earliest, latest = min(earliest, first), max(latest, first)
			for i, c := range list[1:] {
				gap := c.at.Sub(list[i].at)
				least, most = min(least, gap), max(most, gap)
			}
		}
		assert.GreaterOrEqual(t, least, leastInterval)
		assert.LessOrEqual(t, most, mostInterval)
		// 18,000 draws all miss a twentieth of the range with a probability of
		// 0.95^18000, which is nothing; 50 draws miss three tenths with 0.7^50 < 2e-8.
		assert.Less(t, least, leastInterval+100*time.Millisecond)
		assert.Greater(t, most, mostInterval-100*time.Millisecond)
		assert.Less(t, earliest, 3*time.Second)
		assert.Greater(t, latest, 7*time.Second)
		assert.Less(t, latest, 10*time.Second)
	}, transport.HealthCheckConfig{}, transport.WithLogger(nil),
		transport.WithBase(roundTripFunc(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
		})))
}

// Without the option, for one service or for all, nobody is asked.
func TestNoHealthChecks(t *testing.T) {
	for name, opts := range map[string][]transport.Option{
		"for any": nil,
		"for one": {
			transport.WithHealthCheck(transport.HealthCheckConfig{}),
			transport.ForService("orders", transport.WithHealthCheck(transport.HealthCheckConfig{Interval: -1})),
		},
	} {
		t.Run(name, func(t *testing.T) {
			inMesh(t, func(t *testing.T, m *mesh) {
				var requests atomic.Int64
				m.serve("10.0.0.1:80", func(http.ResponseWriter, *http.Request) { requests.Add(1) })
				m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
				_, _, err := m.get("http://orders/")
				require.NoError(t, err)
				time.Sleep(time.Hour)
				assert.Equal(t, int64(1), requests.Load())
				assert.Zero(t, m.net.Open("10.0.0.1:80"))
			}, opts...)
		})
	}
}

// With an endpoint, its checks end, and with the Transport all do, even in the
// middle of one. The bubble sees to it that no goroutine is left.
func TestHealthChecksEnd(t *testing.T) {
	inWard(t, 3, true, func(t *testing.T, w *ward) {
		hang := "10.0.0.3:80"
		w.ill(hang, hangs)
		w.begin(addrs(3)...)
		for len(w.of("10.0.0.1:80")) < 2 {
			time.Sleep(time.Second)
		}
		w.registry.Set("orders", discovery.Addrs(addrs(3)[1:]...)...)
		synctest.Wait()
		seen := len(w.of("10.0.0.1:80"))
		for len(w.of("10.0.0.2:80")) < 5 {
			time.Sleep(time.Second)
		}
		assert.Len(t, w.of("10.0.0.1:80"), seen, "gone")
		if w.mode.over != overUsersBase {
			assert.Zero(t, w.net.Open("10.0.0.1:80"))
		}

		checks := w.of(hang)
		time.Sleep(time.Until(checks[len(checks)-1].at.Add(mostInterval + 500*time.Millisecond)))
		before := len(w.of("10.0.0.2:80")) + len(w.of(hang))
		start := time.Now()
		w.rt.Close()
		assert.Zero(t, time.Since(start), "it does not wait for what hangs")
		time.Sleep(time.Minute)
		assert.Equal(t, before, len(w.of("10.0.0.2:80"))+len(w.of(hang)))
		if w.mode.over != overUsersBase {
			for _, addr := range addrs(3) {
				assert.Zero(t, w.net.Open(addr), addr)
			}
		}
	}, transport.HealthCheckConfig{})
}

// An answer that comes when its endpoint has gone is no news.
func TestHealthCheckOfTheGone(t *testing.T) {
	inWard(t, 2, true, func(t *testing.T, w *ward) {
		asked := make(chan struct{}, 1)
		w.ill("10.0.0.1:80", func(_ http.ResponseWriter, r *http.Request) {
			asked <- struct{}{}
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		})
		w.begin(addrs(2)...)
		<-asked
		w.registry.Set("orders", discovery.Addrs("10.0.0.2:80")...)
		time.Sleep(time.Minute)
		assert.Empty(t, w.of("10.0.0.1:80"))
		assert.Empty(t, asked)
	}, transport.HealthCheckConfig{UnhealthyThreshold: 1})
}

// Checks take the connections of calls, and bodies cost no more than they may.
func TestHealthCheckConnections(t *testing.T) {
	for name, test := range map[string]struct {
		check http.HandlerFunc
		dials int // for a call and 20 checks
	}{
		"a short body": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<10)) }, 1},
		"a long body":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) }, 20},
		"no end": {func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, 20},
	} {
		t.Run(name, func(t *testing.T) {
			inWard(t, 1, false, func(t *testing.T, w *ward) {
				w.ill("10.0.0.1:80", test.check)
				w.begin("10.0.0.1:80")
				for _, c := range w.next("10.0.0.1:80", 20) {
					assert.True(t, c.healthy, fmt.Sprint(c.err))
					assert.Zero(t, c.latency, "until the header")
				}
				assert.Equal(t, test.dials, w.net.Dials("10.0.0.1:80"))
			}, transport.HealthCheckConfig{})
		})
	}
}
