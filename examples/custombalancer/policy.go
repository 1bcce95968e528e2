package main

import (
	"slices"

	"github.com/namesake-go/namesake/balancer"
)

// inZone prefers the copies that run in one zone, and has another policy
// choose among them. Retries that have tried all of those, and callers in a
// zone without copies, use the others.
func inZone(zone string, next balancer.Policy) balancer.Policy {
	return func(set balancer.Set) balancer.Picker {
		far := func(e *balancer.Endpoint) bool { return e.Instance().Zone != zone }
		near := slices.DeleteFunc(slices.Clone(set.Available), far)
		if len(near) == 0 {
			return next(set)
		}
		local, all := next(balancer.Set{Available: near, All: set.All}), next(set)
		return balancer.PickerFunc(func(info balancer.PickInfo) (*balancer.Endpoint, error) {
			if e, err := local.Pick(info); err == nil && !slices.Contains(info.Tried, e) {
				return e, nil
			}
			return all.Pick(info)
		})
	}
}
