// Package life ends what a client of a registry does with the client: its
// requests and its watches.
package life

import (
	"context"
	"iter"

	"github.com/namesake-go/namesake/discovery"
)

// Within returns ctx, done when owner is done as well, with the cause of
// whichever was first.
func Within(ctx, owner context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(owner, func() { cancel(context.Cause(owner)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// Watch watches a service by w until owner is done, and then yields the cause.
func Watch(ctx, owner context.Context, w discovery.Watcher, service string) iter.Seq2[[]discovery.Instance, error] {
	return func(yield func([]discovery.Instance, error) bool) {
		if ctx.Err() != nil {
			return
		}
		bound, cancel := Within(ctx, owner)
		defer cancel()
		if owner.Err() == nil {
			for set, err := range w.Watch(bound, service) {
				if owner.Err() != nil {
					break
				}
				if !yield(set, err) {
					return
				}
			}
		}
		if owner.Err() != nil && ctx.Err() == nil {
			yield(nil, context.Cause(owner))
		}
	}
}
