package eurekaserver_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// A herd is instances of one application that send heartbeats.
type herd struct {
	t *testing.T
	s *eurekaserver.Server
}

// herding runs a test on a clock of its own.
func herding(t *testing.T, run func(t *testing.T, h herd), opts ...eurekaserver.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := eurekaserver.New(opts...)
		defer s.Close()
		run(t, herd{t, s})
	})
}

// register announces instances from first to below last.
func (h herd) register(first, last int, edits ...edit) {
	h.t.Helper()
	for i := first; i < last; i++ {
		w := serve(h.t.Context(), h.s, "POST", "/apps/APP", body("APP", append(edits, edit{"instanceId": fmt.Sprint(i)})...))
		require.Equal(h.t, http.StatusNoContent, w.Code)
	}
}

// beat has instances send heartbeats for so long, the first at once and then
// every interval.
func (h herd) beat(first, last int, interval, long time.Duration) {
	h.t.Helper()
	for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(interval) {
		for i := first; i < last; i++ {
			w := serve(h.t.Context(), h.s, "PUT", fmt.Sprint("/apps/APP/", i), "")
			require.Equal(h.t, http.StatusOK, w.Code, "instance %d after %v", i, time.Since(end.Add(-long)))
		}
	}
	synctest.Wait()
}

func (h herd) leases() int { return h.s.Stats().Leases }

// sizes returns the size of the registry after each of so many intervals.
func (h herd) sizes(interval time.Duration, n int) (sizes []int) {
	for range n {
		time.Sleep(interval)
		synctest.Wait()
		sizes = append(sizes, h.leases())
	}
	return sizes
}

const beatInterval = 30 * time.Second

func TestLeasesAreProtected(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
		Level: slog.LevelInfo,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	herding(t, func(t *testing.T, h herd) {
		h.register(0, 20)
		h.beat(0, 20, beatInterval, 5*time.Minute)
		p := h.s.Stats().Preservation
		assert.Equal(t, eurekaserver.Preservation{Rules: "namesake", Expected: 40, Received: 40, Threshold: 34}, p)

		// The last four fall silent: 32 heartbeats a minute are less than 34.
		// They have sent the last one 30 s ago.
		log.Reset()
		h.beat(0, 16, beatInterval, 30*time.Second)
		assert.InDelta(t, 36, h.s.Stats().Preservation.Received, 1e-9, "half faded")
		h.beat(0, 16, beatInterval, 30*time.Second)
		p = h.s.Stats().Preservation
		began := time.Now()
		assert.Equal(t, eurekaserver.Preservation{
			Rules: "namesake", Expected: 40, Received: 32, Threshold: 34,
			Active: true, Since: began, Reason: "32 heartbeats a minute of 40", Held: 4,
		}, p)
		assert.Equal(t, 20, h.leases())
		for _, path := range []string{"/apps", "/apps/delta"} {
			w := serve(t.Context(), h.s, "GET", path, "")
			assert.Equal(t, "since="+began.UTC().Format(time.RFC3339), w.Header().Get("X-Namesake-Protected"), path)
		}

		// After 15 minutes they are taken for lost after all: as many at once
		// as leave 85 %, and the rest a quarter of a window later.
		h.beat(0, 16, beatInterval, 15*time.Minute-time.Nanosecond)
		assert.Equal(t, 17, h.leases())
		assert.Empty(t, serve(t.Context(), h.s, "GET", "/apps", "").Header().Get("X-Namesake-Protected"))
		p = h.s.Stats().Preservation
		assert.Equal(t, 1, p.Held)
		assert.Equal(t, "held for long enough", p.Reason)
		assert.Equal(t, 15*time.Minute, p.Since.Sub(began))
		time.Sleep(15*time.Second - 1)
		assert.Equal(t, 17, h.leases())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		assert.Equal(t, 16, h.leases())
		h.beat(0, 16, beatInterval, time.Hour)
	}, eurekaserver.WithLogger(logger))
	assert.Contains(t, log.String(), `level=WARN msg="leases protected" why="32 heartbeats a minute of 40" held=4`)
	assert.Contains(t, log.String(), `level=INFO msg="leases no longer protected" why="held for long enough" held=1`)
}

func TestProtectionEndsWhenHeartbeatsComeBack(t *testing.T) {
	herding(t, func(t *testing.T, h herd) {
		h.register(0, 20)
		h.beat(0, 20, beatInterval, 5*time.Minute)
		time.Sleep(10 * time.Minute) // nobody gets through
		synctest.Wait()
		assert.Equal(t, 20, h.leases())
		p := h.s.Stats().Preservation
		assert.True(t, p.Active)
		assert.Zero(t, p.Received)
		assert.Equal(t, 20, p.Held)

		// All but one come back.
		h.beat(0, 19, beatInterval, time.Minute)
		p = h.s.Stats().Preservation
		assert.False(t, p.Active)
		assert.Equal(t, "38 heartbeats a minute of 40", p.Reason)
		assert.Equal(t, 19, h.leases())
	})
}

// What is no larger share than 15 % ends exactly when it runs out.
func TestFewLeasesEndAtOnce(t *testing.T) {
	herding(t, func(t *testing.T, h herd) {
		h.register(0, 20)
		h.beat(0, 20, beatInterval, 5*time.Minute)
		h.beat(0, 17, beatInterval, time.Minute-1)
		assert.Equal(t, 17, h.leases())
		assert.False(t, h.s.Stats().Preservation.Active)
	})
}

// Whoever sends more than promised does not hide that others are silent.
func TestEagerHeartbeatsCountOnce(t *testing.T) {
	herding(t, func(t *testing.T, h herd) {
		h.register(0, 20)
		h.beat(0, 20, beatInterval, 5*time.Minute)
		h.beat(0, 16, time.Second, 2*time.Minute)
		assert.Equal(t, 20, h.leases())
		assert.True(t, h.s.Stats().Preservation.Active)
	})
}

// Each lease counts with the interval that it declared.
func TestExpectedHeartbeats(t *testing.T) {
	herding(t, func(t *testing.T, h herd) {
		h.register(0, 10, edit{"leaseInfo": map[string]any{"renewalIntervalInSecs": 5, "durationInSecs": 15}})
		h.register(10, 20, edit{"leaseInfo": map[string]any{"renewalIntervalInSecs": 120, "durationInSecs": 360}})
		p := h.s.Stats().Preservation
		assert.InDelta(t, 120+5, p.Expected, 1e-9)
		assert.InDelta(t, 120+5, p.Received, 1e-9)
		time.Sleep(10*time.Second - 1)
		assert.InDelta(t, 60+5, h.s.Stats().Preservation.Received, 1e-6, "the short leases are half faded")
	})
}

func TestNoProtection(t *testing.T) {
	end := func(t *testing.T, h herd, instances int, grown time.Duration) {
		h.register(0, instances)
		if grown > 0 {
			h.beat(0, instances, beatInterval, grown)
			time.Sleep(time.Minute)
		} else {
			time.Sleep(90 * time.Second)
		}
		synctest.Wait()
	}
	t.Run("of nine instances", func(t *testing.T) {
		herding(t, func(t *testing.T, h herd) {
			end(t, h, 9, 5*time.Minute)
			assert.Zero(t, h.leases())
		})
	})
	t.Run("at the start", func(t *testing.T) {
		herding(t, func(t *testing.T, h herd) {
			end(t, h, 20, 0)
			assert.Equal(t, 17, h.leases(), "but in portions")
			assert.False(t, h.s.Stats().Preservation.Active)
			assert.Equal(t, []int{14, 14}, h.sizes(15*time.Second, 2), "and after two windows it begins")
		})
	})
	t.Run("when it is off", func(t *testing.T) {
		herding(t, func(t *testing.T, h herd) {
			end(t, h, 20, 5*time.Minute)
			assert.Zero(t, h.leases())
			assert.Equal(t, "off", h.s.Stats().Preservation.Rules)
		}, eurekaserver.WithSelfPreservation(eurekaserver.PreservationConfig{Off: true}))
	})
}

// How masses of leases end.
func TestPortions(t *testing.T) {
	herding(t, func(t *testing.T, h herd) {
		h.register(0, 100)
		h.beat(0, 100, beatInterval, 5*time.Minute)
		time.Sleep(16*time.Minute - 15*time.Second)
		assert.Equal(t, 100, h.leases())
		time.Sleep(15 * time.Second)
		synctest.Wait()
		assert.Equal(t, 85, h.leases())
		assert.Equal(t, []int{72, 61, 51, 43}, h.sizes(15*time.Second, 4))
	})
}

// The figures that were measured with Netflix's server: case 62.
func TestNetflixPortions(t *testing.T) {
	herding(t, func(t *testing.T, h herd) {
		h.register(0, 1, lease(1))
		h.register(1, 21, lease(2))
		h.register(21, 25, lease(90))
		assert.Equal(t, 25, h.leases())
		time.Sleep(500 * time.Millisecond)
		assert.Equal(t, []int{25, 24, 20, 17, 14, 11, 9, 7, 5, 4, 4}, h.sizes(time.Second, 11))
	}, eurekaserver.WithNetflixRules(eurekaserver.NetflixConfig{NoPreservation: true, EvictionInterval: time.Second}))

	herding(t, func(t *testing.T, h herd) {
		h.register(0, 20, lease(1))
		h.register(20, 25, lease(90))
		time.Sleep(500 * time.Millisecond)
		assert.Equal(t, []int{25, 21}, h.sizes(time.Second, 2))
	}, eurekaserver.WithNetflixRules(eurekaserver.NetflixConfig{NoPreservation: true, EvictionInterval: time.Second}))
}

// Case 61 with the switch: a lease lasts twice its duration after a heartbeat,
// and says so.
func TestNetflixLease(t *testing.T) {
	herding(t, func(t *testing.T, h herd) {
		start := time.Now().Add(500 * time.Millisecond)
		time.Sleep(500 * time.Millisecond)
		h.register(0, 2, lease(2))
		h.beat(1, 2, time.Nanosecond, 1)
		w := serve(t.Context(), h.s, "GET", "/apps/APP/1", "")
		assert.Contains(t, w.Body.String(), fmt.Sprintf(`"lastRenewalTimestamp":%d`, start.Add(2*time.Second).UnixMilli()))
		assert.Equal(t, []int{2, 2, 1, 1, 0}, h.sizes(time.Second, 5))
	}, eurekaserver.WithNetflixRules(eurekaserver.NetflixConfig{NoPreservation: true, EvictionInterval: time.Second}))
}

// A server that starts with nothing expects nothing for ever, and one of
// Spring's never lets one of five clients end.
func TestNetflixStandalone(t *testing.T) {
	for _, tt := range []struct{ clients, expected, threshold, left int }{
		{clients: 20, expected: 0, threshold: 0, left: 20},
		{clients: 5, expected: 1, threshold: 10, left: 5},
		{clients: 6, expected: 1, threshold: 11, left: 6},
	} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			herding(t, func(t *testing.T, h herd) {
				h.register(0, tt.clients)
				assert.EqualValues(t, tt.threshold, h.s.Stats().Preservation.Threshold)
				time.Sleep(time.Second)
				h.beat(0, tt.clients, beatInterval, 5*time.Minute)
				enabled := 2*tt.clients > tt.threshold && tt.threshold > 0
				assert.Equal(t, tt.clients == 6, enabled)
				assert.Equal(t, !enabled, h.s.Stats().Preservation.Active)
				assert.Equal(t, tt.left, h.leases())
				time.Sleep(time.Hour)
				synctest.Wait()
				assert.Equal(t, tt.left, h.leases())
			}, eurekaserver.WithNetflixRules(eurekaserver.NetflixConfig{ExpectedClients: tt.expected}))
		})
	}
}
