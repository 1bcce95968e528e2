// Package consul follows and announces services in Consul, by the HTTP API of
// its agents and servers.
//
//	registry := consul.New("http://127.0.0.1:8500", consul.WithTokenFile("/etc/orders/consul-token"))
//	defer registry.Close()
//
// A [Client] is a [discovery.Watcher] and a [discovery.Registrar]. The
// examples show both sides.
//
// # Following a service
//
// [Client.Watch] yields the copies of a service whose checks, and those of
// their nodes, are all passing or warning. Copies with a critical check are
// left out, and so are those in maintenance, which is such a check.
//
//	ID         node/ID: an ID is unique on its agent only
//	Addr       address of the service or, without one, of its node, and port
//	Scheme     metadata "scheme": "http" or "https"
//	Zone       metadata "zone", or the locality of the service or its node, or
//	           the node's metadata "zone"
//	Weight     that of the state that the copy is in; one with the weight 0 is
//	           left out
//	Priority   metadata "priority", if that is a number from 0 to 4294967295
//	Metadata   all metadata, and the tags as "tags", comma-separated
//
// A service that is not listed is an empty set, since Consul does not tell an
// unknown service from one without copies.
//
// # How old a set may be
//
// Each service that is watched has a request waiting (a blocking query), which
// is answered when something changes: within milliseconds. Changes in quick
// succession are fetched together, up to 10 times a second. The rules of
// https://developer.hashicorp.com/consul/api-docs/features/blocking hold: an
// index that goes back is forgotten, and one that is missing or 0 is not
// repeated in a tight loop; an agent that does not wait is soon asked only as
// often as it is meant to wait ([WithWait]).
//
// A copy that crashes is listed until its check fails: with [Client.Register]
// for 15 s ([WithTTL]).
//
// # Failures
//
// A failure to read, by which is meant no answer in time, a status other than 200
// or an answer that makes no sense, is yielded as an error, and the last set
// stands. The next agent is asked, if there are several, after a delay that
// begins below 1 s and grows to at most 30 s. When the service has been read
// again, its set is yielded again. Answers of which a part makes sense are used
// as far as they do, with an error that names the rest. An empty answer is a
// failure if it comes from an agent that knows no leader, or if there are
// copies that the token may not see.
//
// An answer with a status that means failure is a [*StatusError]. One of 400 to
// 499 other than 408 and 429 is a rejection: [Client.Register] does not repeat
// what has been rejected. A client that has been closed returns [ErrClosed].
//
// # Security
//
// Tokens travel in a header, and appear in no error and no log. Redirects are
// not followed. Certificates are always verified; [WithHTTPClient] sets the TLS
// configuration. Whoever can register services decides where calls go: let
// tokens allow no more than their own service:write.
package consul
