// Package eurekaserver is a service registry that speaks the protocol of
// Netflix's Eureka: clients in Java, Spring, Node, Python, C# and Go register
// with it and read from it as they do with Eureka itself. It is an
// [http.Handler] to embed in a program or a test, and needs nothing else.
//
// # Embedding
//
// [New] returns a [Server]; give it to an [http.Server], and give clients the
// URL of its prefix, such as http://127.0.0.1:8761/eureka/. See the example.
// Serve it directly, or behind middleware, rather than through an
// [http.ServeMux]: a mux answers paths with double slashes, which many clients
// send, with a redirect, and redirected registrations are lost. Middleware
// must leave answers without a body as they are, since clients in Java take
// text in the answer to a heartbeat for a broken server.
//
// # What it keeps, and for how long
//
// All state is in memory. After a restart the registry is empty and fills up
// as the heartbeats of instances are answered with 404, upon which they
// register again. With [WithSnapshot] it is complete at once, and with
// [WithPeers] as soon as it is copied from a peer: see below.
//
//	an instance       until it is canceled, or its lease ends: exactly the
//	                  duration it declared (90 s if none) after its last
//	                  heartbeat, or later if leases are protected
//	an override       as long as the lease, and 1 h after an eviction, then
//	                  at most 65,536
//	a change          3 min in deltas, at most 65,536 instances
//	encoded lists     until the next change
//	an encoded instance, in each format asked for, until it changes
//
// An override is the status that an operator has set by PUT .../status. It
// belongs to one instance of one application.
//
// There is no cache with a time of its own: a change is visible to the next
// request. Lists are put together, and compressed, once per change and format,
// when they are first asked for, out of instances that are encoded already,
// and while nobody is kept waiting. Heartbeats are not changes: the
// lastRenewalTimestamp in lists is as it was at the instance's last change,
// and exact in answers about one instance.
//
// # Differences from Netflix's server
//
//	                            Netflix               here
//	lease of N seconds ends     2 N after a beat      N after a beat
//	eviction                    every 60 s, at most   when the lease ends, at
//	                            15 % of instances     most 15 % in 15 s
//	expected heartbeats         two a minute from     what each instance has
//	                            each instance         promised
//	protected without end       yes                   15 min
//	protected when alone        always, or up to 5    from 10 instances on
//	                            instances
//	change visible              after up to 30 s      at once
//	delta entry ages            within 30 s           exactly
//	overrides belong to         an id                 an id of an application
//	bad status or timestamp     500                   400
//	status by heartbeat         not in deltas         a change like any other
//	v2 XML of one instance      hides OUT_OF_SERVICE  shows it
//	GET without gzip            406                   uncompressed
//	double slashes in paths     404                   accepted
//
// [WithNetflixRules] brings the left side back as far as leases are concerned.
//
// Request bodies may be packed with gzip, and ids may contain escaped slashes,
// as with Netflix's server. Spring's reads no packed bodies, and answers such
// ids with 400.
//
// Not there yet: regions other than the server's own (the parameter is accepted
// and means nothing), and Amazon's auto-scaling groups.
//
// # Protected leases
//
// When the heartbeats of many instances stop at once, it is more likely that
// the network is broken than that so many instances are. Then no lease ends
// until enough heartbeats come back: Eureka calls it self-preservation. The
// rules ([WithSelfPreservation]):
//
//   - Expected are the heartbeats that all instances have promised by their
//     renewal interval. Received is the same, but the heartbeats of an
//     instance that has missed one fade away: within a minute, or by the end of
//     its lease if that is earlier. What an instance sends beyond its promise
//     does not count, so that it does not hide the silence of others.
//   - When a lease runs out while less than 85 % is received, leases are
//     protected from then on, until more is received.
//   - Registries of less than 10 instances are not protected, nor are those of
//     a server that is younger than two minutes.
//   - After 15 minutes leases end all the same.
//   - Whenever leases end, in a registry of 10 or more, it is at most 15 % of
//     them in 15 seconds; if there are more, chance chooses. So a mistake costs
//     little before the instances have had the time for another heartbeat.
//
// Heartbeats that peers have heard count like others. What has run out is not
// copied to a peer that starts, even if it is protected here.
//
// While leases are protected, lists may show instances that are gone. Answers
// to GET apps and GET apps/delta say so in a header with the time since when:
//
//	X-Namesake-Protected: since=2026-08-01T12:00:00Z
//
// Beginning and end are logged with the reason, and [Server.Stats] and the
// metrics show the figures.
//
// # Waiting for changes
//
// Clients that know this package need not poll. Answers to GET apps and GET
// apps/delta name the revision of the registry that they show:
//
//	X-Namesake-Revision: 1x2y3z.42
//	ETag: "1x2y3z.42"
//
// The part before the dot is the epoch, which is another after a restart;
// within it the number grows with every change. A client that sends the tag
// back in If-None-Match gets 304 if nothing has changed. From apps/delta it
// otherwise gets exactly what has changed since that revision or, if that is
// too old or of another epoch, the whole registry, with the header
//
//	X-Namesake-Full: true
//
// With "Prefer: wait=25" (RFC 7240) as well, the answer of apps/delta comes as
// soon as there is a change, or as 304 after 25 seconds. Preference-Applied
// says how long the server was ready to wait, at most 60 seconds. When 10,000
// requests wait already ([WaitConfig]), or 2000 of the same client ([Limits]),
// the answer is 304 at once, with Retry-After instead of Preference-Applied.
// The WriteTimeout of an [http.Server] begins when the wait is over.
//
// # Peers
//
// A server with [WithPeers] is one of a cluster. Every server takes every
// write, and forwards it to all others within 25 milliseconds, heartbeats
// within 250. What comes from a peer is forwarded to nobody. Peers may be
// servers of this package, Netflix's and Spring's, in any mix: all send each
// other the standard batches to peerreplication/batch. All servers can have
// the same list of URLs. A server recognizes itself in it by a random id,
// which it sends in
//
//	X-Namesake-Server: 1x2y3z
//
// and by which servers of this package recognize each other, too.
//
// For each peer and instance there is one place in a queue, and what is sent is
// what is known at that moment. So nothing overtakes anything, however quickly
// an instance registers, is canceled and registers again, and an instance that
// sends heartbeats all the time delays no other. A peer that answers 503 or
// nothing within 5 seconds is left alone for 1 second; after other failures the
// pause grows from 100 milliseconds to 5 seconds. Up to 65,536 instances wait
// for a peer.
//
// Servers of this package agree on what is known of an instance wherever and
// in whatever order it was said, also in the halves of a cluster that could
// not talk to each other. They tell each other when each part was said last, by
// clocks that never run behind each other:
//
//	is it there        if it has registered since it was last canceled.
//	                   Heartbeats and changes of its metadata are no
//	                   registrations
//	its data           of the registration with the later
//	                   lastDirtyTimestamp; with the same one, the later change.
//	                   What it said before it was canceled counts no more
//	its own status     what was said last: by its registrations, or by setting
//	                   an override or removing it
//	its override       what was said last: set, removed, or canceled with the
//	                   instance
//	its lease          the last heartbeat, whoever heard it. It ends at the same
//	                   time everywhere. Evictions are for each server to find
//	                   out, and are not forwarded
//
// The status that is shown is the override if its own status is UP or
// OUT_OF_SERVICE, and else its own. Cancellations are remembered for 1 hour, at
// most 65,536, in the snapshot too, so that nothing comes back that is gone.
// [Limits] hold for what comes from peers as well, and are better the same on
// all servers: what one has no room for it refuses. Every 10 to 20 seconds
// ([PeersConfig]) two servers compare digests of all that, and repair the
// differences. So a cluster agrees again within 30 seconds after an outage,
// whatever was lost.
//
// Towards Netflix's and Spring's servers there is only the lastDirtyTimestamp,
// and otherwise the order in which things arrive. Of a heartbeat they answer
// with 404 they get the registration, and from a 409 the newer instance is
// taken. What they send with an old timestamp for an instance that was canceled
// here in the last 30 seconds is not taken for a new registration. After more
// than 30 seconds out of reach they are told all instances and overrides.
//
// A server that starts copies the registry of a peer, with leases, overrides
// and cancellations. Until that is done it answers requests for lists with
// 403, so that clients ask another server instead of believing that nobody is
// there; instances can be read and written one by one, and the page shows what
// there is. A server with a snapshot does the same, since that may be out of
// date. The gate opens when the list of a peer was copied that does not hold it
// back itself, or the lists of all peers, and in any case after 30 seconds. A
// server without peers has no gate.
//
// [Server.Peers] tells how the peers are doing. [Server.Close] sends what is
// queued, if that takes less than a second.
//
// # Access
//
// By default whoever can reach the server may do everything. [WithAccess] asks
// for a password ([BasicAuth], which every Eureka client can), a token
// ([BearerTokens]), a certificate ([ClientCertificates]), or what else you
// like ([AuthenticatorFunc]), and tells apart
//
//	Read      GET and HEAD of anything
//	Write     registration, heartbeat, metadata and cancellation, of all
//	          applications or some
//	Operate   setting a status and taking it back, by the page as well
//	Peer      whatever else bears X-Netflix-Discovery-Replication, and what
//	          only servers send
//
// The page is read like the registry. Its style and script are for everybody,
// and [Server.Metrics] is not served here. Who is refused gets 401 or 403
// without a body. At most once a second there is a line in the log, which never
// shows what was sent to get in.
//
// # The page
//
// At "/" the server shows itself to browsers: applications and instances with
// their status, zone, metadata and links, leases that count down, and what has
// changed, as it happens; how the peers are; and why leases are protected. It
// can be searched, and it can be read without scripts, on a phone and in the
// dark. Whoever may read the registry may read it; for [Limits] it is a list.
// All paths on it are relative, so that it can stand below the path of a larger
// site; what it loads is at page/.
//
// [WithPage] gives it a title, takes it away, or adds buttons that take
// instances out of service and back. The buttons are forms, sent by POST,
// which browsers cannot be made to send by another site (see
// [http.CrossOriginProtection]). The page sets no cookie; middleware that lets
// people in by one should make it SameSite=Lax or Strict.
//
// Large registries are shown in parts: up to 200 applications a page, of each
// 10 instances, rather those that are not up than others, and up to 200
// instances in all. An application by itself is shown 200 instances a page.
//
// page/events streams changes as server-sent events to programs as well:
//
//	id: 1x2y3z.42
//	event: change
//	data: {"revision":"1x2y3z.42","kind":"registered","app":"ORDERS","id":"orders-1","status":"UP","at":"2026-01-02T15:04:05Z"}
//
// The kind is registered, changed, canceled or expired, and the id is the
// revision (see Waiting for changes). With Last-Event-ID, or the parameter
// "since", the stream begins after that revision; if that is not among the
// last 1000 changes, with the event "reset", and then from now on. It ends
// after ten minutes at the latest, for the client to ask again. There are 100
// streams at most ([PageConfig]), then the answer is 503.
//
// # Limits
//
// Everything that a client can make grow has a bound: bodies ([WithMaxBody]),
// instances, texts, metadata, batches, requests that wait, streams of the page
// ([WithLimits], [WithWait], [WithPage]), and what is remembered of those that
// are gone. A body has ten seconds to arrive. On top of that, registrations and
// lists can be limited in number for each client; then the heartbeats of others
// come through however much one client asks for. Batches of peers are not
// limited in number: without [WithAccess] anybody may send them. Set the
// timeouts of the [http.Server] as well, IdleTimeout and ReadHeaderTimeout above
// all.
//
// # Snapshot
//
// With [WithSnapshot] the registry is written to a file, at most every 5
// seconds and when the server is closed, and read at the start. Instances get
// a whole lease from then on: that the server was away is not their fault. A
// file that is damaged, or from something else, is kept aside, and the
// registry starts empty. What does not work on disk is logged and stops
// nothing. A server that was away for more than 15 minutes leaves instances
// out, and keeps what operators have set. Servers with peers also write down
// what they need to agree: when each part was said last, and what was canceled.
// So it makes no difference in which order they are restarted.
//
// # Metrics
//
// [Server.Metrics] serves these to Prometheus, and [Server.Stats] the same to
// programs. All begin with eurekaserver_; URLs are without credentials:
//
//	instances{status}                    gauge
//	applications                         gauge
//	overrides                            gauge    statuses set by operators
//	waiting_requests                     gauge
//	heartbeats_expected_per_minute       gauge
//	heartbeats_received_per_minute       gauge
//	heartbeats_threshold_per_minute      gauge
//	protection_active                    gauge    1 or 0: alert on it
//	protection_changed_timestamp_seconds gauge
//	leases_held                          gauge    run out, but not ended
//	start_timestamp_seconds              gauge
//	changes_total                        counter
//	registrations_total                  counter  of new instances
//	heartbeats_total                     counter
//	cancellations_total                  counter
//	evictions_total                      counter
//	snapshot_restored_instances          gauge
//	snapshot_saved_timestamp_seconds     gauge
//	snapshot_failing                     gauge    1 or 0: alert on it
//	peer_reachable{url}                  gauge    1 or 0: alert on it
//	peer_queue{url}                      gauge    instances with news to send
//	peer_lag_seconds{url}                gauge    of the oldest of these news
//	requests_total{method,resource,code} counter  resource as in apps/{}/{}
package eurekaserver
