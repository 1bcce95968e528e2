// Package xds follows services that an xDS control plane knows: the
// endpoints (EDS) that it sends over the aggregated stream (ADS) of gRPC, as
// it sends them to Envoy and to gRPC's own clients.
//
//	conn, err := grpc.NewClient("dns:///plane.example:18000",
//		append(xds.DialOptions(), grpc.WithTransportCredentials(credentials.NewTLS(tls)))...)
//	…
//	registry := xds.New(conn, xds.WithNode(xds.Node{ID: "orders-1", Zone: "eu-1a"}))
//	defer registry.Close()
//
// A [Client] is a [discovery.Watcher]. It is a module of its own, because it
// brings gRPC and the types of Envoy.
//
// # Services
//
// A service is a resource of the type ClusterLoadAssignment by the same name,
// or by one that is made of it ([WithResourceName]). Names of the new kind,
// which begin with xdstp:, can be watched as they are. Clusters are not looked
// up: if one has another service_name for EDS, watch that.
//
// Both variants of the protocol are spoken: the state of the world and, with
// [WithDelta], the incremental one. All services that are watched share one
// stream.
//
// # Layout
//
//	ID         none: the address tells copies apart
//	Addr       address and port_value of the socket address
//	Scheme     metadata "scheme": "http" or "https"
//	Zone       zone of the locality or, without one, its region
//	Weight     see below
//	Priority   priority of the locality; 129 more for one that is DEGRADED
//	Metadata   the endpoint's filter_metadata under "envoy.lb", see
//	           [WithMetadataNamespace], as far as it is text, a number or a truth
//	           value; and, unless there are such, its "hostname", and "region",
//	           "zone" and "sub_zone" of its locality
//
// Endpoints that are HEALTHY or UNKNOWN are used, and so are those that are
// DEGRADED, after all others, which is Envoy's order. Those that are UNHEALTHY,
// DRAINING or TIMEOUT are left out. Of an endpoint with additional addresses
// the first counts, and it is one copy.
//
// # Weights
//
// An endpoint has the weight that it is given, and 1 by default. Where no
// locality of a priority has a weight, that is all. Where one has, weights of
// localities are those of whole localities: an endpoint has
//
//	weight of the locality × weight of the endpoint / sum of those in the locality
//
// in the smallest whole numbers that say so, or nearly so, if the greatest
// were above 1,000,000. Endpoints that cannot be used count in the sum: as a
// locality fails, its share of calls shrinks, and those that are left there get
// no more than before. A locality without a weight gets no calls, where others
// of its priority have one: its endpoints are left out.
//
// Not looked at are the policy of an assignment (overprovisioning,
// drop_overload, endpoint_stale_after), the time to live of resources, and the
// proximity of localities. The last set stands however long a plane is away.
//
// # What makes no sense
//
// An endpoint that cannot be called is left out, with an error that names it:
// one with a pipe, a port by name, an address that is internal to Envoy or not
// of TCP, or the weight 0; so are all but one that share an address. A resource
// of which nothing is left, or that breaks the protocol as a whole (it cannot be
// read, sums of weights are above 4,294,967,295, priorities above 128, or there
// are more than 100,000 endpoints), changes nothing: the last set stands. Both
// are told to the plane as well (NACK), by the name of the resource and what is
// wrong with it. If the plane insists, it is told less and less often, every
// 10 s at most.
//
// # Unknown services
//
// A resource that the plane does not send within 15 s of being asked for
// ([WithResourceTimeout]), that it removes (with [WithDelta]), or for which it
// reports NOT_FOUND, is an error that wraps [discovery.ErrUnknownService], and
// is waited for all the same. Who has a set keeps it: a service whose copies
// have all gone is one that is sent without endpoints, and that is an empty set.
// In the state of the world a response without a resource says nothing about
// it.
//
// # How old a set may be
//
// Changes are seen when the plane sends them, which is within milliseconds.
//
// # Failures
//
// When there is no stream, that is yielded as an error, and the last set
// stands. The next is tried after a delay that begins below 1 s and grows to at
// most 30 s. A stream that the plane ends after it has answered is opened again
// at once, without a word, since planes end streams to spread their load; but
// no more than one a second. A new stream asks for what has changed since, if
// no error stands, and else for everything.
//
// A connection that has gone dead is noticed only with keepalive, which
// [DialOptions] sets. Responses are read up to 16 MiB.
//
// # Security
//
// Credentials and TLS are the connection's. Whoever can write to the control
// plane, or stand in for it, decides where calls go: do not use it in plain
// text beyond loopback.
package xds
