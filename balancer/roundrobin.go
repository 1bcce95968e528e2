package balancer

import "sync/atomic"

// RoundRobin picks the endpoints in turn, in an order that is random for each
// client and each set, and so from a random start: clients that shared them
// would march over the endpoints in step.
//
// Use it where all endpoints and all calls are alike. It looks at no load: an
// endpoint three times as slow as the others gets as many calls, and is
// overloaded when they are at a third of what they can take. With many
// clients it is no better than [Random], because their turns mix.
//
// A retry goes to a random endpoint that has not been tried.
//
// A pick costs one atomic addition to a counter that all callers share.
// Building costs a copy of the set.
func RoundRobin(set Set) Picker {
	if len(set.Available) == 0 {
		return PickerFunc(noEndpoints)
	}
	p := &roundRobin{chooser: chooserOf(set)}
	p.endpoints = p.shuffled()
	return p
}

type roundRobin struct {
	chooser
	_    [64]byte // the turn is written at each pick, the rest only read
	turn atomic.Uint32
	_    [60]byte
}

func (p *roundRobin) Pick(info PickInfo) (*Endpoint, error) {
	if len(info.Tried) > 0 {
		// The next in turn after the tried one would get all of the failing
		// endpoint's calls on top of its own.
		return p.endpoints[p.one(info.Tried)], nil
	}
	return p.endpoints[p.turn.Add(1)%uint32(len(p.endpoints))], nil
}
