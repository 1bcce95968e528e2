// Package eureka follows and announces services in Eureka registries:
// Netflix's server, Spring Cloud's, and the one in package eurekaserver.
//
//	registry := eureka.New("http://localhost:8761/eureka")
//	defer registry.Close()
//
// A [Client] is a [discovery.Watcher] and a [discovery.Registrar]. It needs no
// more than the servers' URLs, comma-separated; Netflix's own server usually
// has the path /eureka/v2. The examples show both sides.
//
// # Following a service
//
// [Client.Watch] yields the copies of the application with the service's name
// in any case or, if there is none, those that have the name among their
// virtual addresses (VIPs), plain or secure. Of those it yields the ones with status UP that
// can be called:
//
//	ID         instance id
//	Addr       IP address, or host name where there is none (WithHostNames: the
//	           other way round), with the secure port if that is enabled, and
//	           the plain port if not
//	Scheme     "https" with the secure port, "http" with the plain one
//	Zone       Amazon's availability zone, or metadata "zone"
//	Weight     metadata "weight", if that is a number from 0 to 4294967295
//	Priority   metadata "priority", likewise
//	Metadata   all metadata
//
// A copy that cannot be called, such as one without an enabled port, is left
// out with a line in the log at debug level, and without an error, since many
// that register are not meant to be called. A service that is not listed is an
// empty set, since Eureka does not tell an unknown service from one without
// copies.
//
// All watches share one registry in memory and one loop that keeps it up to
// date. The loop runs while something is watched. [WithFetchByService] fetches
// only what is watched instead, for programs that need little of a large
// registry. [WithRegions] asks for copies of other regions as well.
//
// # How old a set may be
//
// With the server of package eurekaserver the loop always has a request
// waiting there, which is answered when something changes. A change is seen
// within milliseconds. Changes in quick succession are fetched together, up to
// 10 times a second.
//
// Other servers are asked for changes every 30 s ([WithPollInterval]), and
// usually serve answers that are up to 30 s old themselves. What is missed is
// noticed by a count of copies by status, upon which the whole registry is read.
// It is also read about every 10 minutes, and when changes have not been read
// for longer than servers keep them, 3 minutes.
//
// A copy that crashes stays listed until its lease runs out: 90 s with our
// server, 180 s and more with Netflix's.
//
// [Client.Stats] says how long ago the registry was read.
//
// # Choosing a server
//
// The servers of a cluster tell each other everything, so one is as good as
// another. A client reads from one and writes to one, and stays with them until
// they fail. Which ones these are is left to chance, so that a fleet of clients
// spreads over the servers, unless [WithServersInOrder] makes the first the
// preferred one. After about 20 min (10 to 30) the choice is made anew: a server
// that was away gets its share of the load back.
//
// With [WithZone] the servers of the client's own zone come first. A client that
// had to leave its zone tries to return after about 5 min (2.5 to 7.5).
//
// Servers that come and go are found by a function, [WithServers], or by TXT
// records, [DNS].
//
// # Failures
//
// A request is tried on up to three servers. Servers that failed are avoided
// until all have failed, or the choice is made anew; those that have not been
// tried yet come before them whatever their zone. When the registry cannot be
// read from any, that is yielded as an error to all watches, which says for how
// long it has not been read. The last set stands for as long as it takes, and is
// yielded again when the registry has been read, to say that the failure is
// over. Retries begin within a second and slow down to the poll interval.
//
// A program that starts while no server answers knows no copies. Who wants to
// start all the same has others to fall back on:
//
//	discovery.Fallback(registry, discovery.Static{"orders": discovery.Addrs("10.0.0.7:8080")})
//
// A server that suddenly lists less than half of all copies has more often than
// not just been restarted, and calls must not all go to the few that it knows
// again. That is an error too, and is believed when it is said again after the
// longest time in which one of the copies renews its lease, or the poll interval
// if that is shorter. A server that lists changes one by one is believed at
// once.
//
// An answer that makes no sense, or is larger than 64 MiB, counts as a failure
// of its server.
//
// Answers with a status that means failure are a [StatusError]. One of 400 to
// 499 other than 408 and 429 is a rejection: [Client.Register] does not repeat
// what has been rejected. A client that has been closed returns [ErrClosed].
//
// # Announcing a copy
//
// [Client.Register] returns when a server has accepted the copy. From then on
// a heartbeat renews its lease every 30 s ([WithLease]); a server that does not
// know the copy, such as one that has been restarted, is told again at once.
// Heartbeats that fail are logged ([WithLogger]) and otherwise repeated.
//
// Close the registration before the copy stops to take calls, with some time
// left in the context: it withdraws the copy, and nothing is said of it
// afterwards.
//
// [Registration.SetStatus] takes a copy out of service and back, and
// [Registration.Update] changes its weight, its metadata and all else but its
// id. A copy that cannot take calls yet is announced with [WithInitialStatus],
// and a [WithHealthCheck] takes it out while it is not well.
// [Registration.RemoteStatus] says what has become of that: an operator may have
// set another status, which then stands, also for a copy that has crashed out of
// service and comes back with the same id.
//
// A copy that announces itself should leave its Zone, Weight and Priority to
// the fields of [discovery.Instance]; they become metadata, and replace keys
// of the same name. One without a Scheme is announced as "http".
//
// # Security
//
// User and password in a server's URL are sent to that server with each
// request, as Basic authentication, and appear in no error and no log. Redirects
// are not followed. Certificates are always verified; [WithHTTPClient] sets
// the TLS configuration, with a certificate of the client where servers want
// one, or a transport that adds tokens. The default transport uses no proxy.
// Whoever can write to the registry decides where calls go, and whoever can
// write to the DNS of [DNS.Servers] decides who is asked, and who is told the
// password.
package eureka
