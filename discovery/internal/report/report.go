// Package report yields what a watch of a registry has found, as the contract of
// a watcher wants it: a set when it is news, and what is wrong with it once.
package report

import (
	"fmt"
	"slices"

	"github.com/namesake-go/namesake/discovery"
)

// A Reporter reports on one service to one reader. It is for one goroutine.
type Reporter struct {
	prefix string
	yield  func([]discovery.Instance, error) bool

	last     []discovery.Instance
	known    bool   // there is a last set
	failed   bool   // since then
	standing string // what is wrong with the last set
	over     bool
}

// New returns a reporter whose errors begin with a prefix.
func New(prefix string, yield func([]discovery.Instance, error) bool) *Reporter {
	return &Reporter{prefix: prefix, yield: yield}
}

// Over says that the reader has gone.
func (r *Reporter) Over() bool { return r.over }

// Found reports a clean set, and a fault that says what it lacks, or nil. An
// empty set with a fault is none: the last one stands. It returns whether
// anyone still listens.
func (r *Reporter) Found(set []discovery.Instance, fault error) bool {
	if len(set) == 0 && fault != nil {
		return r.complain(fault)
	}
	recovered := r.failed || r.standing != "" && (fault == nil || fault.Error() != r.standing)
	if !r.known || recovered || !slices.EqualFunc(set, r.last, discovery.Instance.Equal) {
		r.last, r.known, r.failed, r.standing = set, true, false, ""
		if !r.tell(set, nil) {
			return false
		}
	}
	if fault != nil {
		return r.complain(fault)
	}
	return true
}

// Failed reports that the service cannot be read: each time, since how long
// that lasts is news. It returns whether anyone still listens.
func (r *Reporter) Failed(err error) bool {
	r.failed = true
	return r.tell(nil, fmt.Errorf("%s: %w", r.prefix, err))
}

// complain reports a fault of a set, unless it stands already.
func (r *Reporter) complain(fault error) bool {
	if fault.Error() == r.standing {
		return true
	}
	r.standing = fault.Error()
	return r.tell(nil, fmt.Errorf("%s: %w", r.prefix, fault))
}

func (r *Reporter) tell(set []discovery.Instance, err error) bool {
	if r.over || !r.yield(set, err) {
		r.over = true
	}
	return !r.over
}
