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
// register again.
//
//	an instance       until it is canceled, or its lease ends: exactly the
//	                  duration it declared (90 s if none) after its last
//	                  heartbeat
//	an override       as long as the lease, and 1 h after an eviction
//	a change          3 min in deltas, at most 65,536 instances
//	encoded answers   until the next change
//
// An override is the status that an operator has set by PUT .../status. It
// belongs to one instance of one application.
//
// There is no cache with a time of its own. Answers are encoded once per
// format when they are first asked for, and a change is visible to the next
// request. Heartbeats are not changes: the lastRenewalTimestamp in lists is
// that of the last change of the registry, and exact in answers about one
// instance.
//
// # Differences from Netflix's server
//
//	                            Netflix               here
//	lease of N seconds ends     2 N after a beat      N after a beat
//	eviction                    every 60 s, at most   when the lease ends, all
//	                            15 % of instances
//	change visible              after up to 30 s      at once
//	delta entry ages            within 30 s           exactly
//	overrides belong to         an id                 an id of an application
//	bad status or timestamp     500                   400
//	status by heartbeat         not in deltas         a change like any other
//	v2 XML of one instance      hides OUT_OF_SERVICE  shows it
//	GET without gzip            406                   uncompressed
//	double slashes in paths     404                   accepted
//
// Not there yet: copies on other servers, the protection of leases when many
// heartbeats stop at once (which Eureka calls self-preservation), regions
// other than the server's own (the parameter is accepted and means nothing),
// Amazon's auto-scaling groups, and authentication.
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
// requests wait already ([WaitConfig]), the answer is 304 at once, with
// Retry-After instead of Preference-Applied. The WriteTimeout of an [http.Server]
// begins when the wait is over.
//
// # The page
//
// At "/" the server shows itself to browsers: applications and instances with
// their status, zone, metadata and links, leases that count down, and what has
// changed, as it happens. It can be searched, and it can be read without
// scripts, on a phone and in the dark. All paths on it are relative, so that
// it can stand below the path of a larger site; what it loads is at page/.
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
// after ten minutes at the latest, for the client to ask again.
//
// # Limits
//
// Bodies may have 1 MiB, compressed or not ([WithMaxBody]), which also bounds
// the metadata of an instance. The number of instances is not bounded: whoever
// can reach the server can register, so let only those reach it who may.
package eurekaserver
