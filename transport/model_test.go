package transport_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
)

// S82: whatever the registry says, one after the other: as soon as it has
// sunk in, calls go where a simple model says, and nowhere else. In the end
// the shares are those of the weights.
func TestAgainstAModel(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			var picked *balancer.Endpoint
			picks := map[string]int{}
			inMesh(t, func(t *testing.T, m *mesh) {
				dice := rand.New(rand.NewPCG(seed, 82))
				set := map[string]discovery.Instance{}       // what was said last
				var believed map[string]discovery.Instance   // what calls should follow
				endpoints := map[string]*balancer.Endpoint{} // by key, of those believed
				addresses := func() string { return fmt.Sprintf("10.0.%d.%d:80", dice.IntN(3), 1+dice.IntN(5)) }
				call := func() error {
					resp, err := m.rt.RoundTrip(m.request(http.MethodPost, "http://orders/", ""))
					if err == nil {
						_ = resp.Body.Close()
					}
					return err
				}
				_ = call() // begins to watch
				var emptySince time.Time
				for range 200 {
					key := fmt.Sprint("copy-", dice.IntN(8))
					switch dice.IntN(6) {
					case 0, 1: // added, or at another address
						set[key] = discovery.Instance{ID: key, Addr: addresses(), Weight: 1}
					case 2: // another weight
						if in, ok := set[key]; ok {
							in.Weight = 1 + dice.Uint32N(9)
							set[key] = in
						}
					case 3, 4:
						delete(set, key)
					case 5:
						if dice.IntN(4) == 0 {
							clear(set)
						}
					}
					list := slices.Collect(maps.Values(set))
					dice.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
					m.registry.Set("orders", list...)
					synctest.Wait()
					switch {
					case len(set) > 0:
						believed, emptySince = maps.Clone(set), time.Time{}
					case emptySince.IsZero():
						emptySince = time.Now()
					}
					if pause := time.Duration(dice.Int64N(int64(40 * time.Second))); dice.IntN(3) == 0 {
						time.Sleep(pause)
						synctest.Wait()
					}
					if !emptySince.IsZero() && time.Since(emptySince) >= transport.DefaultEmptyGrace {
						believed = nil
					}

					if len(believed) == 0 {
						require.ErrorIs(t, call(), balancer.ErrNoEndpoints)
						clear(endpoints)
						continue
					}
					for key, e := range endpoints { // those who went, or moved
						if in, ok := believed[key]; !ok || in.Addr != e.Addr() {
							delete(endpoints, key)
						}
					}
					for range 20 {
						require.NoError(t, call())
						in, ok := believed[picked.Key()]
						require.True(t, ok, "%s is gone", picked.Key())
						require.Equal(t, in, picked.Instance())
						if known := endpoints[in.ID]; known != nil {
							require.Same(t, known, picked, "who stays keeps its endpoint")
						}
						endpoints[in.ID] = picked
					}
				}

				total := uint32(0)
				list := make([]discovery.Instance, 5)
				for i := range list {
					list[i] = discovery.Instance{ID: fmt.Sprint("last-", i), Addr: addresses(), Weight: 1 + dice.Uint32N(9)}
					total += list[i].Weight
				}
				m.registry.Set("orders", list...)
				synctest.Wait()
				clear(picks)
				const calls = 5000
				for range calls {
					require.NoError(t, call())
				}
				for _, in := range list {
					assert.InDelta(t, float64(in.Weight)/float64(total), float64(picks[in.ID])/calls, 0.03, in.ID)
				}
			}, transport.WithPolicy(byWeight), transport.WithLogger(nil),
				transport.WithBase(roundTripFunc(func(*http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
				})),
				transport.WithHooks(transport.Hooks{Pick: func(e transport.PickEvent) {
					picked = e.Endpoint
					picks[e.Endpoint.Key()]++
				}}))
		})
	}
}

// byWeight is a policy that draws lots in proportion to weights, those of the
// moment at which it was asked for a picker.
func byWeight(set balancer.Set) balancer.Picker {
	var lots []*balancer.Endpoint
	for _, e := range set.Available {
		lots = append(lots, slices.Repeat([]*balancer.Endpoint{e}, int(e.Weight()))...)
	}
	return balancer.PickerFunc(func(balancer.PickInfo) (*balancer.Endpoint, error) {
		if len(lots) == 0 {
			return nil, balancer.ErrNoEndpoints
		}
		return lots[rand.IntN(len(lots))], nil
	})
}
