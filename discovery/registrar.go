package discovery

import "context"

// A Registrar announces copies of services: the write side of a registry. Its
// methods may be called concurrently.
type Registrar interface {
	// Register announces one copy of a service and keeps it announced:
	// renewing its lease, and announcing it again when the registry has
	// forgotten it, until the Registration is closed. It returns when the
	// registry has accepted the copy. While the registry cannot be reached it
	// tries again until ctx is done; an instance that is invalid or that the
	// registry rejects is an error at once, and so is a Registrar that has
	// been closed. After an error nothing stays announced. ctx bounds the
	// announcement only, not the life of the Registration.
	//
	// A copy announced with the ID of another of the same service takes that
	// one's place.
	Register(ctx context.Context, service string, in Instance) (Registration, error)
}

// A Registration is one announced copy. Its methods may be called
// concurrently.
type Registration interface {
	// Close withdraws the copy and waits until the registry has confirmed it
	// or ctx is done. Whatever it returns, the copy is no longer kept
	// announced: a registry that could not be told will see the lease run
	// out. Calls after the first do nothing and return what the first did.
	Close(ctx context.Context) error
}
