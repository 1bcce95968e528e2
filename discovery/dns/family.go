package dns

// A Family chooses among the addresses of a host.
//
// DNS does not say which IPv4 and which IPv6 addresses of a name belong to the
// same copy. Using both would count each copy of two families twice, in load
// and in failures, so that only [Both] does.
type Family int

const (
	// AnyFamily is the host's IPv4 addresses or, if it has none, its IPv6
	// addresses.
	AnyFamily Family = iota

	// IPv4 is IPv4 addresses only.
	IPv4

	// IPv6 is IPv6 addresses only.
	IPv6

	// Both is the addresses of both families, each of them a copy. It is for
	// names whose copies have one address each. For the target of an SRV
	// record, which is one host, it means AnyFamily.
	Both
)
