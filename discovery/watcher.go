package discovery

import (
	"context"
	"errors"
	"iter"
)

// ErrUnknownService says that the registry was asked and does not know the
// service. A Watcher yields an error that wraps it, where its registry tells
// an unknown service from one that has no copies at the moment.
var ErrUnknownService = errors.New("discovery: unknown service")

// A Watcher follows the instances of services: the read side of a registry.
// Its methods may be called concurrently.
type Watcher interface {
	// Watch returns the sets of instances of a service: the first as soon as
	// it is known, and another after every change. Each is whole, not a
	// difference to the one before, and holds every ID once. The receiver
	// must not modify it. An empty set is an answer: the service has no
	// copies now.
	//
	// A pair with a non-nil error carries no set. It is news, not the end:
	// the last set stands, and the sequence goes on. A watcher paces itself;
	// it neither repeats an error in a tight loop nor gives up.
	//
	// An error stands until the next set: a watcher that has recovered yields
	// its set even if nothing in it has changed. An answer that can be used
	// only in part is a set of that part, followed by an error that names the
	// rest.
	//
	// The sequence ends when ctx is done or the caller stops ranging, and has
	// by then released all that it held. It does nothing before it is ranged
	// over, and is for one use by one goroutine.
	Watch(ctx context.Context, service string) iter.Seq2[[]Instance, error]
}

// WatcherFunc makes a Watcher of a function.
type WatcherFunc func(ctx context.Context, service string) iter.Seq2[[]Instance, error]

// Watch calls f.
func (f WatcherFunc) Watch(ctx context.Context, service string) iter.Seq2[[]Instance, error] {
	return f(ctx, service)
}
