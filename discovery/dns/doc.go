// Package dns follows services in DNS: any server, a Consul agent, the names of
// Kubernetes or of a network of containers.
//
//	registry := dns.NewSRV("_%s._tcp.example.internal")
//	registry := dns.NewHost("%s.default.svc.cluster.local", 8080)
//
// A [Client] is a [discovery.Watcher]. It asks the servers of /etc/resolv.conf,
// or those of [WithServers], by itself, since Go's [net.Resolver] does not say
// for how long an answer holds, nor what a missing answer means.
//
// # Names
//
// The service's name takes the place of "%s" in the client's pattern. Names are
// absolute: the search list of the machine is for people who type, and with it a
// service could turn into another one that happens to have its name. Services
// are named as in a URL, with letters, digits, hyphens, underscores and dots;
// what cannot be a name is an error. Case does not matter.
//
// # Copies
//
// An SRV record names a host, a port, a priority and a weight. Each address of
// the host is a copy:
//
//	ID         none: the address tells copies apart
//	Addr       address of the target, and the record's port
//	Priority   the record's
//	Weight     the record's; see below for 0
//	Metadata   "target": the host's name
//
// A target is one host, so one family of its addresses is used: IPv4 if it has
// any, and IPv6 otherwise ([WithFamily]). [WithHostNames] leaves the target's
// name in Addr instead, and looking it up, in both families, to whoever dials
// it. Addresses that come along with SRV records are used for targets in the
// domain of the records; the others are asked for, 16 at a time. The target "."
// means that there is no copy.
//
// A weight of 0 in an SRV record says nothing if all records of its priority
// have it: then it is the usual weight. Otherwise it means next to no calls (RFC
// 2782): such a copy has weight 1, and the weights of the others are multiplied by
// 100.
//
// [NewHost] makes each address of a name a copy. DNS does not say which IPv4 and
// IPv6 addresses of a name are the same copy's, and using both would count it
// twice. So here too it is IPv4 addresses if there are any, and IPv6 addresses
// otherwise, unless [WithFamily] says [Both].
//
// # What an answer means
//
//	answer                                    means
//	records                                   the set
//	no records (NODATA); SRV target "."       an empty set
//	no such name (NXDOMAIN)                   [discovery.ErrUnknownService]; the last set stands
//	SERVFAIL, REFUSED and other codes         an error, if no other server answers; the last set stands
//	silence, or nobody there                  the same
//	a referral to other servers               the same: the server is no resolver
//	what cannot be parsed                     the same
//	truncated, or too long                    asked again over TCP; a part is never used
//	another id, question, type or class       not heard, and waited on; an error after 100
//	FORMERR, NOTIMP, BADVERS                  asked again without EDNS, and then an error
//	more than 12 CNAME records in a row       an error; the last set stands
//	an SRV target without address             a set of the others, and an error that names it
//	an SRV target that cannot be looked up    its last addresses, and an error that names it
//	one family of two fails (Both)            its last addresses, and an error
//	one family NXDOMAIN, the other records    the records
//	an SRV record with port 0, an address     a set of the others, and an error
//	 that is 0.0.0.0, :: or multicast
//
// A service whose last copy leaves is an empty set where its name still has
// records of any kind. Where the name goes with it, as with Consul, the service
// is unknown: DNS does not tell that from a name that was deleted by mistake, so
// that the last set stands, and [discovery.Fallback] does not replace it.
//
// Records in another order are no news. A server that answers with a part of a
// large set, each time another, makes each part a set, since a copy that is left
// out may as well be gone. A Consul agent does so over UDP, where about 20 copies fit
// into an answer; over TCP it lists all ([WithTCP]). An answer is
// 64 KiB long at most, which is about a thousand SRV records or four thousand
// addresses; a service with more is an error.
//
// # How old a set may be
//
// A service is asked for again when its answer expires, by the shortest TTL of
// all records that led to it, but not before 5 s and not after 5 min
// ([WithInterval]), and up to a tenth later, at random. What is missing expires by
// the SOA record (RFC 2308), or after 5 s if there is none. Only the questions whose
// answers have expired are asked again. A cache between this client and
// the zone passes on what is left of the TTL: a change is seen after the TTL, 5
// s and a tenth, at the most.
//
// So choose a TTL of about the time that a stopped copy may go on being called, such as
// 5 s. A copy that fails sooner is the business of guards, not of DNS.
//
// After a failure the wait is random, up to a limit that doubles from 1 s to
// 30 s.
//
// # Servers
//
// Servers are asked one after the other, beginning with the one that answered last;
// each has 2 s ([WithTimeout]) for an answer, and those that said nothing
// are asked once more. A lookup with all its questions takes 30 s at most.
// Files such as /etc/resolv.conf are read again when they have changed.
//
// Each question has a random id, and a socket of its own, so that the system
// chooses a port that is hard to guess, over UDP with EDNS and 1232 octets at most, or
// over TCP. This keeps out those who can only guess. Answers are not signed, and
// DNSSEC is not checked: whoever is on the way to the server, or can write to the zone,
// decides where calls go. Use a resolver on the same machine or in a network that
// you trust, and TLS to the copies.
//
// # Others
//
// What is known of other resolvers, and done in another way here:
//
//   - [net.Resolver] has no TTLs, makes one error of NXDOMAIN and NODATA,
//     applies the search list, and draws an order of SRV records instead of
//     returning their weights whole.
//   - The resolver of gRPC-Go is made of it: it asks again only when a
//     connection breaks, and at most every 30 s, so that it does not notice new
//     copies; a name that is not found is an empty set; SRV records are for one
//     kind of balancer; addresses of both families count as endpoints.
//   - Envoy's STRICT_DNS asks every 5 s whatever the TTL, unless told
//     otherwise, and has no SRV records.
package dns
