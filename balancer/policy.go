package balancer

import (
	"errors"
	"time"
)

// ErrNoEndpoints is what a pick from nothing returns.
var ErrNoEndpoints = errors.New("balancer: no endpoints")

// A Policy builds a Picker for one set of endpoints. It is called whenever the
// set or its health changes, never concurrently for one service, and is where
// the work belongs that need not be done at each pick. What it wants to keep
// from one set to the next it keeps on the endpoints, with a [Key].
//
// The simplest policy looks at set.Available only.
type Policy func(set Set) Picker

// A Set is what a Policy chooses from. Both slices are ordered by instance
// key and must not be modified.
type Set struct {
	// Available are the endpoints that may be picked. Never empty: while too
	// few endpoints look healthy, health is disbelieved and all of them are
	// here.
	Available []*Endpoint

	// All are the endpoints that the registry lists, available or not, for
	// policies that weigh groups (zones, priorities) by the share of each
	// that is available.
	All []*Endpoint
}

// A Picker chooses among the endpoints it was built for. Pick is called
// concurrently for every attempt: it must not block, and the ones here neither
// lock nor allocate.
type Picker interface {
	// Pick returns one endpoint of the set, which is not one of info.Tried
	// as long as the set has another. An error fails the call; a picker for a
	// set that is never empty has no reason for one.
	Pick(info PickInfo) (*Endpoint, error)
}

// PickInfo is what a Picker may know of the attempt. It is a struct so that it
// can grow; a policy that wraps others hands it on as it is, but for Tried.
type PickInfo struct {
	// Tried are the endpoints that this call has been sent to already. It is
	// nil at the first attempt, short afterwards, and must not be kept.
	Tried []*Endpoint

	// Now is the time on the service's clock. A transport reads it anyway, to
	// measure the attempt; 0 means that whoever needs it reads the clock.
	Now time.Duration

	// Key says which calls belong together, such as those of one user: policies
	// that hash send calls of the same key to the same endpoint. Empty means
	// that the call has none.
	Key string

	// Class is the kind of call that it is, or nil.
	Class *Class
}

// now returns the time of the pick.
func (i *PickInfo) now(s *Service) time.Duration {
	if i.Now != 0 {
		return i.Now
	}
	return s.Now()
}

// PickerFunc makes a Picker of a function.
type PickerFunc func(info PickInfo) (*Endpoint, error)

// Pick calls f.
func (f PickerFunc) Pick(info PickInfo) (*Endpoint, error) { return f(info) }
