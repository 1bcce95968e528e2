// Package transport provides the http.RoundTripper that lets a service call
// another by its name:
//
//	t := transport.New(registry)
//	defer t.Close()
//	client := &http.Client{Transport: t}
//	resp, err := client.Get("http://orders/v1/orders/42")
//
// The host of the URL is the name of a service. The [Transport] watches the
// registry for the copies of that service, keeps a connection pool to each,
// picks one for each call, and gets the call through when some of them fail.
// Cookies, redirects, contexts, http.Client.Timeout, httptrace and everything
// else that is done with an http.Client work as ever, with the service's name
// where the host would be.
//
// # The way of a call
//
//	http.Client
//	  └ RoundTrip ─────────── find the service by the URL's host; wait for the
//	      │                   registry's first answer if it is called first
//	      └ call ──────────── timeout of the call (off), retry budget; the service's
//	          │               guards (off): breaker, throttle, rate limit, limits
//	          └ attempts ──── retries on endpoints not tried yet, backoff; a hedge
//	              │           beside an attempt that is late (off)
//	              └ pick ──── the policy, among endpoints whose breaker is closed;
//	                  │       or a trial for one that is half-open; the endpoint's
//	                  │       limit (off)
//	                  └ send  timeout of the attempt (off), the endpoint's own
//	                          connection pool; the body's end is the attempt's
//
// In the code, [Transport.RoundTrip] leads to service.call in call.go, which
// is this picture read from top to bottom; the order of the service's guards is
// that of guards.enter in guards.go. What is off is an option away: see
// [WithHedging], [WithServiceBreaker], [WithThrottle], [WithRateLimit],
// [WithLimit], [WithAdaptiveLimit], [WithEndpointLimit], and [WithFallback] for a
// call that has failed. What a guard refuses fails with its [resilience.Reason].
//
// The caller's own request is what is sent: it is not copied, and the URL
// keeps the name. The endpoint's pool connects to the endpoint's address
// whatever the URL says. So Host, the TLS server name, cookies, redirects and
// the texts of errors are right, and a call allocates nothing that a bare
// http.Transport would not, but for one small object when the response has a
// body. Only where the caller's request cannot be sent is a shallow copy sent
// in its place: for retries with a body, timeouts, an instance that speaks TLS
// though the URL says http, and over a base of the user's ([WithBase]).
//
// # The way of a change
//
//	registry ─▶ a set ─▶ compared with the last by instance key
//	                       ├ who stays keeps its endpoint: connections, load, breaker
//	                       ├ who is new gets one, and waits if it is to be warmed up or checked
//	                       └ who is gone gets no more calls; those in flight finish,
//	                         then its connections close
//	                     ─▶ health applied ─▶ the policy builds a picker ─▶ calls see it
//
// # Names
//
// Every host is taken for a service's name, and nothing is ever looked up in
// the DNS or anywhere else: a name that the registry does not know fails with
// an [*Error] that wraps [discovery.ErrUnknownService], or
// [balancer.ErrNoEndpoints] where the registry cannot tell the two apart. Case
// does not matter, nor does one trailing dot, nor the scheme's default port;
// an internationalized name is looked up in its ASCII form (xn--...).
// Another port is part of the name: http://orders:9090/ calls the service
// "orders:9090".
//
// Names may come from outside the program. Those without endpoints are
// forgotten a minute or two after their last call, and there are never more than
// 1000 of them.
//
// Two options open the door by a hand's breadth: [WithPassThrough] for hosts
// that are no services, and [WithEndpointRedirects] for servers that redirect
// to the address they listen at.
//
// # Calls that belong together
//
// A copy that has in its memory what a call needs answers it sooner. [WithKey]
// says which calls belong together, and a policy that picks by key brings them
// together, without the callers or the copies knowing of each other:
//
//	transport.WithPolicy(balancer.RingHash(balancer.RingHashConfig{})),
//	transport.WithKey(transport.HeaderKey("X-User")),
//
// [WithStickyCookie] makes up the key where the call has none, and has the caller
// bring it along next time. A retry goes to the key's second copy, and so do its
// calls while the first is ejected; when that is half-open, its trial is a call
// of a key of its own, unless there is none for ten seconds.
//
// [WithClass] says which calls cost about the same, so that an expensive one is
// not held against its copy.
//
// # When an attempt is over
//
// An attempt counts as in flight until its response's body has been read to
// its end, has failed, or has been closed, whichever is first, and once. The
// body must be closed, as with any RoundTripper; but where a caller's context
// ends and the caller walks away, the attempt ends with it, within a second.
//
// # Which calls are repeated
//
// A call is repeated on another endpoint, without delay the first time, if
// that can do no harm:
//
//	the connection failed, TLS failed, or the     every call
//	server says it did not process the request
//	(421, 425, HTTP/2 REFUSED_STREAM)
//	the connection broke, the attempt timed       idempotent calls: GET, HEAD, OPTIONS,
//	out, 429, 502, 503, 504                       TRACE, PUT, DELETE, and those with an
//	                                              Idempotency-Key header
//	500 and everything else                       no call
//
// TLS counts as failed also when it is our certificate that is refused.
//
// Its body must be there to be sent again: there is none, the request has
// GetBody, or no more of it has been read than [WithReplayLimit] keeps. A
// request with trailers is not repeated.
//
// There are three attempts at most ([WithRetry]), and one call in five may be a
// retry ([WithBudget]), so that an outage does not multiply the load. A
// Retry-After header is honored within the deadline: that of a 429 always,
// that of a 503 only if no other endpoint is left, since it speaks for the copy
// that sent it.
//
// When attempts run out on a response, that response is what the caller gets,
// whatever its status. [Error] tells the rest.
//
// One attempt can reach a server more than once: net/http repeats by itself
// what it sent over a kept-alive connection that turns out to be dead, if the
// method is GET, HEAD, OPTIONS or TRACE or there is an Idempotency-Key. It
// also repeats, whatever the method, what an HTTP/2 server says it did not
// process, if there is no body or it has GetBody: on new connections at once,
// of which the pool allows about ten without a response before the call goes
// elsewhere; and where the server refuses streams (REFUSED_STREAM), on the same
// connection after 1, 2, 4 seconds and so on, until [WithAttemptTimeout] or the
// call's deadline ends that.
//
// [Repeatable] and [Unrepeatable] say of a single call whether it may be, and
// [WithRetryIf] adds to the responses that are worth it.
//
// # What counts against an endpoint
//
//	failed connection or TLS, broken        failure
//	connection, attempt timed out, body
//	broken off, 5xx but for the next two
//	501, 505; everything below 500          success
//	429, 503 with Retry-After               neither: it is busy, and says so,
//	                                        which counts as load
//	the caller canceled or its deadline     neither, but the time that passed
//	passed                                  counts as latency if it is longer
//	                                        than usual
//	the caller's header is at fault, or     neither
//	its body (one without GetBody)
//
// A response is a success at the end of its body, not at its header: a copy that
// sends quick headers and breaks off the bodies is a sick one.
//
// Five failures in a row, or half of at least twenty attempts within ten
// seconds, open an endpoint's breaker ([WithBreaker]): it is ejected. After
// some five seconds one call at a time is its trial, preferably one that can be
// repeated; the first success brings it back, a failure doubles the pause, up
// to a minute. If fewer than half of a service's endpoints would be left, all
// are used ([WithPanicThreshold]): then the fault is more likely in the looking
// than in the endpoints, and if not, the few left could not carry the load.
//
// # Health checks
//
// [WithHealthCheck] has endpoints asked whether they are well, also while
// nobody calls them. Three checks that fail in a row eject an endpoint, two
// that pass bring it back, and one that is new can be held back until the first
// has passed. An endpoint gets calls if both its breaker and its checks say so;
// the panic threshold holds for both together. [EndpointEvent] has the reason.
//
// # Outliers
//
// An endpoint that fails three calls in ten opens no breaker, and is worth leaving
// alone if the others fail none. [WithOutlierEjection] compares the endpoints of a
// service every 10 s, ejects one that fails far more often than the others for
// 30 s, and for longer if it does so again. It ends by the clock, without a
// trial, unless the breaker has opened meanwhile. An endpoint gets calls if its
// breaker, its checks and its ejection say so, and the panic threshold holds for
// all of them together.
//
// # While the registry cannot be asked
//
// Its last answer stands. An error is logged and told to [Hooks]. An empty set
// that follows one which was not empty is believed after a minute only
// ([WithEmptyGrace]). Instances that cannot be called are left out and named;
// if no other are left, the last set stands.
//
// # Defaults
//
//	policy               shortest delay     follows latency and load, asks nothing of servers
//	attempts             3                  WithRetry
//	retry budget         20 % + 3/s         WithBudget
//	breaker              5 in a row, 50 %   WithBreaker
//	panic threshold      50 %               WithPanicThreshold
//	health checks        none               WithHealthCheck
//	outlier ejection     none               WithOutlierEjection says why
//	dial timeout         2 s                WithDialTimeout
//	timeout of a call    none               WithTimeout; the caller's context has one
//	  of an attempt      none               WithAttemptTimeout says why
//	first answer         10 s               WithRegistryTimeout
//	empty set            1 min              WithEmptyGrace
//	replay buffer        64 KiB             WithReplayLimit
//	load reports         left alone         WithLoadReports
//	probes               none               WithProbes
//	idle connections     128 per endpoint,  WithPool
//	                     for 30 s
//	connections          2000               WithPool; idle ones give way
//	  being made         64 per endpoint    WithPool
//	  their age          no bound           WithPool
//	protocols            HTTP/1.1, HTTP/2   WithProtocols
//	                     over TLS
//	TLS handshake        5 s
//	response header      1 MiB
//	dead HTTP/2 peers    found within 20 s
//	proxies              never
//
// # Load that servers report
//
// What a client sees of an endpoint is its own calls. What the endpoint has from
// all its callers it can say itself, with each response ([WithLoadReports]) or
// when it is asked ([WithProbes]), to policies that listen: balancer.Prequal,
// balancer.C3, balancer.WeightedByUtilization, and yours. No other policy does,
// and none needs it.
//
// # The other side
//
// Package serve runs a server as a copy of a service, so that no call is lost
// when it comes and goes, takes up the deadlines that [WithDeadlineHeader]
// sends along, and reports its load. Package identity makes the TLS configurations of both sides.
//
// # Testing code that uses it
//
// [discovery.Memory] is a registry to change at will, [WithBase] takes any
// RoundTripper in place of the network, package fault has copies fail on
// purpose, and everything works inside a testing/synctest bubble, where time is
// virtual.
package transport
