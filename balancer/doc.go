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
//	policy         a pick costs    when                                      when not
//	PeakEWMA       2 random, O(1)  as a rule: endpoints differ in speed      calls differ 100-fold in cost
//	               and one clock   or distance, or fall ill
//	LeastRequest   2 random, O(1)  calls differ in cost; weights matter      few calls per client
//	RoundRobin     1 addition      all endpoints and all calls are alike     anything is slower than the rest
//	Random         1 random        calls are cheap; as a yardstick           long calls, small sets
//
// All of them leave out the endpoints that the call has tried, as long as
// there are others; look at two endpoints at most, however large the set; and
// treat endpoints that are alike alike.
//
// None looks at health: what is ejected, or has an open breaker, is not in
// Set.Available. The penalty of PeakEWMA bridges the time until then.
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
// included. For what a policy is good at, [NewEndpoint] makes endpoints without
// a transport, and everything timed here follows package time, so in a bubble
// of testing/synctest an hour of traffic takes no time.
package balancer
