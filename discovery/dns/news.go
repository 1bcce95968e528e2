package dns

import (
	"slices"

	"github.com/namesake-go/namesake/discovery"
)

// news is what a watch has been told so far, so that it is told what is new
// and nothing else.
type news struct {
	last     []discovery.Instance
	known    bool
	standing string // the error since the last set, if any
}

// tell yields a finding: a set if it is new, or ends an error; and an error
// whenever it takes the place of a set, but only once after a set. It reports
// whether the reader goes on.
func (n *news) tell(f finding, yield func([]discovery.Instance, error) bool) bool {
	var fault string
	if f.err != nil {
		fault = f.err.Error()
	}
	if f.err != nil && len(f.set) == 0 {
		n.standing = fault
		return yield(nil, f.err)
	}
	over := n.standing != "" && n.standing != fault
	if !n.known || over || !slices.EqualFunc(n.last, f.set, discovery.Instance.Equal) {
		n.last, n.known, n.standing = f.set, true, ""
		if !yield(f.set, nil) {
			return false
		}
	}
	if n.standing == fault {
		return true
	}
	n.standing = fault
	return yield(nil, f.err)
}
