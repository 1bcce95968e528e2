package kubernetes

import (
	"context"
	"fmt"
	"slices"

	"github.com/namesake-go/namesake/discovery"
)

// A reader makes sets of what a board shows, for one who ranges.
type reader struct {
	yield func([]discovery.Instance, error) bool
	name  name
	port  string // wanted; "" means the usual
	ipv6  bool

	edition  uint64 // of the slices that were read last
	failures uint64 // when an error was yielded last
	set      []discovery.Instance
	known    bool   // a set has been yielded
	standing string // the error that has been yielded since the last set, if any
}

// take yields what is new, and reports whether to go on.
func (r *reader) take(ctx context.Context, n news) bool {
	if n.edition != r.edition {
		r.edition = n.edition
		if !r.read(ctx, n.slices) {
			return false
		}
	}
	if n.err != nil && n.failures != r.failures {
		r.failures = n.failures
		return r.fail(ctx, n.err)
	}
	return true
}

// read yields the set that slices make, if it differs from the last or ends an
// error, and then the error that names what cannot be used, if it is another
// than before.
func (r *reader) read(ctx context.Context, of []*slice) bool {
	set, err := merge(of, r.port, r.ipv6)
	fault := ""
	if err != nil {
		err = fmt.Errorf("kubernetes: endpoint slices of %s: %w", r.name, err)
		fault = err.Error()
	}
	usable := err == nil || len(set) > 0
	over := r.standing != "" && r.standing != fault
	if usable && (!r.known || over || !slices.EqualFunc(r.set, set, discovery.Instance.Equal)) {
		r.set, r.known, r.standing = set, true, ""
		if ctx.Err() != nil || !r.yield(set, nil) {
			return false
		}
	}
	if err != nil && r.standing != fault {
		return r.fail(ctx, err)
	}
	return true
}

func (r *reader) fail(ctx context.Context, err error) bool {
	r.standing = err.Error()
	return ctx.Err() == nil && r.yield(nil, err)
}
