package balancertest_test

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/balancer/balancertest"
)

type (
	set  = balancer.Set
	info = balancer.PickInfo
	ends = []*balancer.Endpoint
)

// pickWith makes a policy of what it does at each pick.
func pickWith(pick func(s set, i info) (*balancer.Endpoint, error)) balancer.Policy {
	return func(s set) balancer.Picker {
		return balancer.PickerFunc(func(i info) (*balancer.Endpoint, error) { return pick(s, i) })
	}
}

// fair picks at random among those not tried.
func fair(from, tried ends) *balancer.Endpoint {
	e, _ := balancer.Random(set{Available: from}).Pick(info{Tried: tried})
	return e
}

func TestSuiteAcceptsAFairPolicy(t *testing.T) {
	policy := pickWith(func(s set, i info) (*balancer.Endpoint, error) { return fair(s.Available, i.Tried), nil })
	assert.Empty(t, balancertest.Failures(policy))
	balancertest.TestPolicy(t, policy, balancertest.EvenSpread())
}

func TestSuiteAcceptsASelectivePolicy(t *testing.T) {
	firstUntried := pickWith(func(s set, i info) (*balancer.Endpoint, error) {
		for _, e := range s.Available {
			if !slices.Contains(i.Tried, e) {
				return e, nil
			}
		}
		return s.Available[0], nil
	})
	balancertest.TestPolicy(t, firstUntried, balancertest.Selective())
}

// Each broken policy breaks one promise. The check made for it must notice,
// and complain of what is wrong.
func TestSuiteRejectsBrokenPolicies(t *testing.T) {
	var (
		lastSet ends
		newest  atomic.Pointer[ends]
		turn    int
	)
	for _, c := range []struct {
		name      string
		check     string
		complaint string
		policy    balancer.Policy
	}{
		{"picks from all", "Available", "which is not available", pickWith(func(s set, i info) (*balancer.Endpoint, error) {
			return fair(s.All, i.Tried), nil
		})},
		{"begins the attempt", "Available", "Pick must not Begin", pickWith(func(s set, i info) (*balancer.Endpoint, error) {
			e := fair(s.Available, i.Tried)
			_, _ = e.Begin(balancer.PickInfo{})
			return e, nil
		})},
		{"returns nothing", "Available", "neither an endpoint nor an error", pickWith(func(set, info) (*balancer.Endpoint, error) {
			return nil, nil
		})},
		{"builds nothing", "Available", "no picker", func(set) balancer.Picker { return nil }},
		{"needs two", "OneEndpoint", "panic", pickWith(func(s set, i info) (*balancer.Endpoint, error) {
			_ = rand.IntN(len(s.Available) - 1)
			return fair(s.Available, i.Tried), nil
		})},
		{"forgets what was tried", "Tried", "which has been tried", pickWith(func(s set, _ info) (*balancer.Endpoint, error) {
			return fair(s.Available, nil), nil
		})},
		{"gives up looking for others", "Tried", "which has been tried", pickWith(func(s set, i info) (*balancer.Endpoint, error) {
			var e *balancer.Endpoint
			for range 3 {
				if e = fair(s.Available, nil); !slices.Contains(i.Tried, e) {
					break
				}
			}
			return e, nil
		})},
		{"knows only the last tried", "Tried", "which has been tried", pickWith(func(s set, i info) (*balancer.Endpoint, error) {
			return fair(s.Available, i.Tried[max(0, len(i.Tried)-1):]), nil
		})},
		{"refuses when all are tried", "AllTried", "nothing left", pickWith(func(s set, i info) (*balancer.Endpoint, error) {
			e := fair(s.Available, i.Tried)
			if slices.Contains(i.Tried, e) {
				return nil, errors.New("nothing left")
			}
			return e, nil
		})},
		{"shuffles the set", "SetUntouched", "set's slices", func(s set) balancer.Picker {
			rand.Shuffle(len(s.Available), func(i, j int) { s.Available[i], s.Available[j] = s.Available[j], s.Available[i] })
			return balancer.Random(s)
		}},
		{"appends to the set", "SetUntouched", "set's slices", pickWith(func(s set, i info) (*balancer.Endpoint, error) {
			if len(s.All) > len(s.Available) {
				_ = append(s.Available, s.Available[0])
			}
			return fair(s.Available, i.Tried), nil
		})},
		{"sorts what was tried", "SetUntouched", "PickInfo.Tried", pickWith(func(s set, i info) (*balancer.Endpoint, error) {
			slices.SortFunc(i.Tried, func(a, b *balancer.Endpoint) int { return cmp.Compare(b.Key(), a.Key()) })
			return fair(s.Available, i.Tried), nil
		})},
		{"sums weights in 32 bits", "Weights", "panic", pickWith(func(s set, i info) (*balancer.Endpoint, error) {
			var sum uint32
			for _, e := range s.Available {
				sum += e.Weight()
			}
			if sum < s.Available[0].Weight() {
				panic("overflow")
			}
			return fair(s.Available, i.Tried), nil
		})},
		{"never leaves its zone", "Weights", "which has been tried", pickWith(func(s set, i info) (*balancer.Endpoint, error) {
			home := slices.DeleteFunc(slices.Clone(s.Available), func(e *balancer.Endpoint) bool {
				return e.Instance().Zone != s.Available[0].Instance().Zone
			})
			return fair(home, i.Tried), nil
		})},
		{"trusts the facts to stand", "SetInstance", "weights changed", func(s set) balancer.Picker {
			weight := s.Available[0].Weight()
			return balancer.PickerFunc(func(i info) (*balancer.Endpoint, error) {
				if s.Available[0].Weight() != weight {
					return nil, errors.New("weights changed")
				}
				return fair(s.Available, i.Tried), nil
			})
		}},
		{"insists on a live endpoint", "Retired", "all retired", pickWith(func(s set, i info) (*balancer.Endpoint, error) {
			for _, e := range s.Available {
				if a, ok := e.Begin(balancer.PickInfo{}); ok {
					a.End()
					return fair(s.Available, i.Tried), nil
				}
			}
			return nil, errors.New("all retired")
		})},
		{"goes on with the last set", "Rebuild", "which is not available", func(s set) balancer.Picker {
			old := lastSet
			lastSet = s.Available
			if len(old) == 0 {
				old = s.Available
			}
			return balancer.Random(set{Available: old})
		}},
		{"looks at the newest set", "Concurrent", "which is not available", func(s set) balancer.Picker {
			newest.Store(&s.Available)
			return balancer.PickerFunc(func(i info) (*balancer.Endpoint, error) {
				return fair(*newest.Load(), i.Tried), nil
			})
		}},
		{"always picks the first", "EveryTurn", "none of 2000", pickWith(func(s set, i info) (*balancer.Endpoint, error) {
			if !slices.Contains(i.Tried, s.Available[0]) {
				return s.Available[0], nil
			}
			return fair(s.Available, i.Tried), nil
		})},
		{"favors the first", "EvenSpread", "chi-squared", pickWith(func(s set, i info) (*balancer.Endpoint, error) {
			if rand.IntN(20) == 0 && !slices.Contains(i.Tried, s.Available[0]) {
				return s.Available[0], nil
			}
			return fair(s.Available, i.Tried), nil
		})},
		{"steps over to the neighbor", "EvenSpread", "1 of 3 endpoints tried", func(s set) balancer.Picker {
			return balancer.PickerFunc(func(i info) (*balancer.Endpoint, error) {
				turn++
				for k := range s.Available {
					if e := s.Available[(turn+k)%len(s.Available)]; !slices.Contains(i.Tried, e) {
						return e, nil
					}
				}
				return s.Available[0], nil
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if complaints := balancertest.Failures(c.policy, c.check)[c.check]; assert.NotEmpty(t, complaints) {
				assert.Contains(t, complaints[0], c.complaint)
			}
		})
	}
}
