// Package etcd follows and announces services in etcd, in the layout of etcd's
// own naming package (go.etcd.io/etcd/client/v3/naming): gRPC programs that use
// that find what is announced here, and the other way round.
//
//	client, err := clientv3.New(etcd.Config("http://10.0.0.1:2379"))
//	…
//	registry := etcd.New(client)
//	defer registry.Close()
//
// A [Client] is a [discovery.Watcher] and a [discovery.Registrar]. It is a
// module of its own, because etcd's client brings gRPC.
//
// # Layout
//
// A copy is a key, the service's name, a slash and the copy's ID, with a prefix
// if there is one ([WithPrefix]). Its value is
//
//	{"Op":0,"Addr":"10.0.0.7:8080","Metadata":{"zone":"eu-1a","weight":"3"}}
//
//	ID         what follows the slash
//	Addr       Addr
//	Scheme     metadata "scheme": "http" or "https"
//	Zone       metadata "zone"
//	Weight     metadata "weight", if that is a number from 0 to 4294967295
//	Priority   metadata "priority", likewise
//	Metadata   all metadata that is text, a number or a truth value
//
// A service without keys is an empty set, since etcd does not tell an unknown
// service from one without copies.
//
// # How old a set may be
//
// Changes are seen within milliseconds; those that come within 10 ms of each
// other are seen together. A copy that crashes is listed until its lease runs
// out: 15 s for those that this package announces ([WithTTL]).
//
// # Failures
//
// When the cluster cannot be read, or has no leader, that is yielded as an
// error, and the last set stands; a watch of etcd would say nothing, so it is
// checked every 10 s ([WithCheckInterval]). When the service has been read
// again, its set is yielded again. A history that was compacted away is no
// failure: the service is read anew. A key whose value makes no sense is left
// out, with an error that names it.
//
// With passwords, the client of etcd 3.7 was seen to take minutes to log in again
// after a member of version 3.4 was restarted. Prefer client certificates there.
//
// # Security
//
// Credentials and TLS are the etcd client's. A role that follows services needs
// to read their prefix, and one that announces copies to write it. Whoever can
// write there decides where calls go.
package etcd
