// Package balancer chooses, for each attempt of a call, one endpoint of a
// service. It knows addresses, loads and chance, but nothing of HTTP.
//
// # Words
//
// An [Endpoint] is the live handle on one copy of a service: how many attempts
// are in flight, how long its answers take, whether it has failed of late. A
// [Policy] is given a [Set] of endpoints and builds a [Picker], which chooses
// one at each attempt. A new set means a new picker; the endpoints stay, and
// so does all that is known of them. (Elsewhere in Go an "endpoint" is a
// function or a URL. Here it is this handle.)
//
// # The life of a pick
//
//	set changes ──▶ Policy(set) ──▶ Picker     the slow path: rare, may sort, copy, index
//	                                  │
//	attempt ────▶ Pick(info) ◀────────┘        the fast path: no lock, no allocation
//	                  │
//	                  ▼
//	              a := e.Begin(info) ── false: retired since, pick again
//	                  │
//	              the response's header, or a failure
//	                  ▼
//	              a.Observe(outcome, latency)
//	                  │
//	              the end of the body
//	                  ▼
//	              a.End()
//
// An [Attempt] is reported by whoever makes it; the transport does. The
// endpoint itself counts those in flight. A policy that wants to know more has
// a [Meter] on each endpoint, which is told of every attempt there, so that
// nobody pays for what no policy asks for. What all endpoints of a service have
// in common, such as the mean latency, the clock and chance, is the [Service].
//
// A picker only reads. Between its reading and Begin another goroutine may pick
// the same endpoint: that costs nothing worth a lock.
//
// # Which policy
//
//	policy                 a pick looks at  when                                    when not
//	ShortestExpectedDelay  all up to 64,    as a rule; with classes where calls     all is alike: any will do
//	                       32 of more       differ 100-fold in cost
//	PeakEWMA               2 random         endpoints differ in speed or distance   calls differ in cost
//	LeastRequest           2 random         calls differ in cost; weights matter    few calls per client
//	LeastRequestOf         d random         calls are long and few at a time        no breakers
//	RoundRobin             1 addition       all endpoints and all calls are alike   anything is slower
//	WeightedRoundRobin     1 addition       capacities differ by known factors      load matters
//	Random                 1 random         calls are cheap; as a yardstick         long calls, small sets
//
//	What asks the servers:
//	Prequal                probes           many clients, noisy neighbors, servers  few endpoints, calls as
//	                                        that answer probes                      cheap as probes
//	C3                     3 random         servers report queue and service time   they report nothing
//	WeightedByUtilization  1 addition       capacities differ, few calls per        neighbors or health
//	                                        client                                  change within seconds
//
//	What goes by a key, whatever the load:
//	RingHash               2 or 3 points    copies cache or hold sessions           load must be even
//	Maglev                 1 slot           the same, and shares must be even       each key that moves is dear
//	Rendezvous             all              the same, exactly; up to some 100       thousands of endpoints
//
//	What wraps others:
//	ZoneAware              stays in the zone as far as the endpoints there can bear it
//	Priorities             goes to a spare level as far as those before it cannot bear it
//	Subset, Rocksteadier   keep thousands of clients from connecting to thousands of endpoints
//	SlowStart              gives new endpoints time to warm up
//	Filter, Prefer         have only some endpoints called: canaries, versions, tenants
//
// All of them leave out the endpoints that the call has tried, as long as there
// are others. What each costs and where it comes from is said with it; package
// laboratory runs them in simulated fleets, and its documentation has the table
// of how they fare.
//
// None looks at health: what is ejected, or has an open breaker, is not in
// Set.Available. The penalty of those that measure bridges the time until then.
//
// # Writing a policy
//
// A policy is a function. Put what can be prepared into it, and as little as
// possible into the picker it returns:
//
//   - Pick from Set.Available only, and treat the slices as read-only.
//   - Leave out PickInfo.Tried while another is left, then pick any.
//   - Do not Begin. Do not block, and take no lock that is ever held for long.
//   - Keep state that must outlive the picker on the endpoints, with a [Key].
//   - Break ties at random. Where all clients take the first of equals, they
//     all take the same.
//
// Policies wrap policies: see the example of [Policy], which stays in a zone,
// and that of [Key], which counts.
//
// # Testing a policy
//
// Package balancertest has a conformance suite for policies, the ones here
// included. For what a policy is good at, package laboratory runs it against
// simulated servers. For everything else a [Service] makes endpoints without a
// transport, by a clock and with chance of your own if you like; by default it
// follows package time, so in a bubble of testing/synctest an hour of traffic
// takes no time.
package balancer
