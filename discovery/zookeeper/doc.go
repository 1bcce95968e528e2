// Package zookeeper follows and announces services in ZooKeeper, in the layout
// of Curator's service discovery, which Spring Cloud uses too, or in that of
// Twitter's server sets ([WithServerSets]).
//
//	registry := zookeeper.New("10.0.0.1:2181,10.0.0.2:2181,10.0.0.3:2181")
//	defer registry.Close()
//
// A [Client] is a [discovery.Watcher] and a [discovery.Registrar]. It is a
// module of its own, because of the client that it requires,
// github.com/go-zookeeper/zk, which requires nothing further.
//
// # Layout
//
// A copy is a node ROOT/SERVICE/ID ([WithRoot]; "/services" by default), which
// is ephemeral: it goes when the session of its owner ends. Its data is an
// object:
//
//	            Curator                          server sets
//	ID          name of the node                 likewise, without "member_"
//	Addr        address, and port or sslPort     host and port of serviceEndpoint, or
//	                                             of an additional one (WithEndpoint)
//	Scheme      "https" if there is only an      metadata "scheme"
//	            sslPort, or metadata "scheme"
//	Zone        metadata "zone"                  likewise
//	Weight      metadata "weight"                likewise
//	Priority    metadata "priority"              likewise
//	Metadata    payload.metadata                 metadata
//
// A copy that is not enabled, or of a server set with another status than
// ALIVE, is left out. A service without a node is an empty set: the node of a
// service may go with its last copy.
//
// # How old a set may be
//
// Changes are seen within milliseconds. A copy that crashes stays listed until
// its session ends: 10 s for those that this package announces
// ([WithSessionTimeout]), within the bounds that the servers set.
//
// # Failures
//
// When there is no connection to any server, that is yielded as an error, and
// the last set stands. When there is one again, everything is read anew and the
// set is yielded again; nothing that has changed meanwhile is missed. When the
// session was lost, copies are announced again in the new one. What was to be
// withdrawn while there was no connection is withdrawn when there is one. A node whose
// data makes no sense is left out, with an error that names it.
//
// # Security
//
// [WithDialer] connects with TLS, [WithAuth] authenticates, and [WithACL] sets
// who may do what with nodes that are made here: by default everybody, as with
// Curator. Whoever can write there decides where calls go.
package zookeeper
