package eurekaserver

import (
	"container/heap"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

func leasesForTest(n int, interval, duration int, renewed time.Time) []*lease {
	leases := make([]*lease, n)
	for i := range leases {
		leases[i] = &lease{renewed: renewed, info: wire.Instance{Lease: wire.Lease{RenewalInterval: interval, Duration: duration}}}
	}
	return leases
}

// Ten clients make a threshold of 17: the loss of one is let pass, the loss of
// two stops everything. That is how it is after ten instances have been copied
// from another server.
func TestNetflixThreshold(t *testing.T) {
	for lost, want := range map[int]int{0: 1, 1: 1, 2: 0} {
		start := time.Now()
		n := newNetflixRules(NetflixConfig{ExpectedClients: 10}, start)
		leases := leasesForTest(10, 30, 90, start)
		for beat := range 2 {
			for _, l := range leases[lost:] {
				n.renewed(l, start.Add(time.Duration(beat)*30*time.Second))
			}
		}
		_, _ = n.admit(0, leases, start.Add(30*time.Second))
		assert.True(t, n.protecting(), "in the first minute no heartbeats count")
		allowed, _ := n.admit(1, leases, start.Add(time.Minute))
		p := n.state(leases, start.Add(time.Minute))
		assert.EqualValues(t, 20, p.Expected)
		assert.EqualValues(t, 17, p.Threshold)
		assert.EqualValues(t, 20-2*lost, p.Received)
		assert.Equal(t, want, allowed)
		assert.Equal(t, want == 0, p.Active)
		assert.Equal(t, 1-want, p.Held)
		assert.Zero(t, n.state(leases, start.Add(3*time.Minute)).Received, "nothing in the last minute")
	}
}

func TestNetflixCompensation(t *testing.T) {
	start := time.Now()
	n := newNetflixRules(NetflixConfig{}, start)
	run := n.next(start, start)
	assert.Equal(t, time.Minute, run.Sub(start))
	assert.Equal(t, -time.Nanosecond, n.cutoff(run).Sub(run))
	late := run.Add(7 * time.Second)
	assert.Equal(t, -7*time.Second-time.Nanosecond, n.cutoff(late).Sub(late), "each lease gets as much time more")
	n.admit(0, nil, late)
	assert.Equal(t, time.Minute, n.next(start, late).Sub(late))

	// A server without leases makes no runs, and comes too late for none.
	idle := late.Add(10*time.Minute + 3*time.Second)
	assert.Equal(t, 11*time.Minute, n.next(idle.Add(90*time.Second), idle).Sub(late))
}

// How the heartbeats of a silent instance fade.
func TestFading(t *testing.T) {
	for _, tt := range []struct {
		interval, duration int
		silent             time.Duration
		want               float64 // of one heartbeat
	}{
		{30, 90, 0, 1},
		{30, 90, 30 * time.Second, 1},
		{30, 90, 45 * time.Second, 0.75},
		{30, 90, 60 * time.Second, 0.5},
		{30, 90, 90 * time.Second, 0},
		{30, 90, time.Hour, 0},
		{30, 300, 60 * time.Second, 0.5}, // a window, and not the whole lease
		{5, 15, 10 * time.Second, 0.5},   // by the end of the lease
		{30, 20, 19 * time.Second, 1},    // a lease that its heartbeats cannot keep
		{30, 20, 20 * time.Second, 0},
	} {
		now := time.Now()
		p := newPreservation(PreservationConfig{}, now)
		p.measure(leasesForTest(1, tt.interval, tt.duration, now.Add(-tt.silent)), now)
		assert.InDelta(t, 60/float64(tt.interval), p.expected, 1e-9)
		assert.InDelta(t, tt.want*p.expected, p.received, 1e-9, "%+v", tt)
	}
}

func TestPreservationDefaults(t *testing.T) {
	want := PreservationConfig{Threshold: 0.85, MinInstances: 10, Window: time.Minute, MaxHold: 15 * time.Minute}
	assert.Equal(t, want, PreservationConfig{}.withDefaults())
	assert.Equal(t, want, PreservationConfig{Threshold: 1.5, Window: -1}.withDefaults())
	assert.Equal(t, 1, PreservationConfig{MinInstances: -1}.withDefaults().MinInstances)
	assert.Greater(t, PreservationConfig{MaxHold: -1}.withDefaults().MaxHold, 100*365*24*time.Hour)
	assert.Equal(t, NetflixConfig{Threshold: 0.85, ExpectedInterval: 30 * time.Second, EvictionInterval: time.Minute},
		NetflixConfig{Threshold: -1, ExpectedClients: -1}.withDefaults())
}

// When leases end in masses, chance says which, and not their age.
func TestPortionsAreRandom(t *testing.T) {
	r := registryForTest(t)
	for i := range 100 {
		r.register(instanceForTest("APP", fmt.Sprintf("%02d", i)), false)
	}
	r.mu.Lock()
	for i := range 100 {
		l := r.lease(key{"APP", fmt.Sprintf("%02d", i)})
		l.renewed = l.renewed.Add(time.Duration(i-1000) * time.Second)
		l.due = l.expires()
	}
	heap.Init(&r.expiry)
	r.mu.Unlock()
	r.evict()
	left, _ := r.application("APP")
	require.Len(t, left.records, 85)
	assert.NotEqual(t, "15", left.records[0].id, "the oldest 15, once in 250 quadrillion runs")
}
