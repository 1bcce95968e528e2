package transport_test

import (
	"iter"
	"slices"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
)

type iterSeq = iter.Seq2[[]discovery.Instance, error]

// inOrder is a policy that picks the first endpoint by key that has not been
// tried: it makes tests say which endpoint comes first.
func inOrder(set balancer.Set) balancer.Picker {
	return balancer.PickerFunc(func(info balancer.PickInfo) (*balancer.Endpoint, error) {
		for _, e := range set.Available {
			if !slices.Contains(info.Tried, e) {
				return e, nil
			}
		}
		return set.Available[0], nil
	})
}
