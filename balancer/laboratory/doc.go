// Package laboratory tries out balancing policies: it runs the real ones, not
// copies of them, against simulated servers in virtual time. A minute of
// traffic to a hundred servers takes less than a second, and is the same each
// time.
//
// # Words
//
// A [Scenario] is a fleet of servers, its callers, and what befalls them. A
// [Candidate] is a policy with a name, and what it may ask of servers. [Run]
// tries every candidate in every scenario, and [Table] prints what came of it.
//
// # The model
//
// Each client has a [balancer.Service] of its own, whose clock is virtual and
// whose chance is seeded, and makes attempts as a transport does: Pick, Begin,
// Observe, End. Calls arrive as a Poisson process and not in answer to others,
// so that a slow fleet gets no fewer of them.
//
// A server shares its cores evenly among the calls that it has: with n of them
// each runs at speed · min(1, cores / n), as goroutines do. It queues nothing,
// and refuses nothing but what exceeds its limit, if it has one. What it can do
// may change with time: antagonists take cores away, it fails, hangs, or
// restarts cold. See [Course].
//
// The network takes [Scenario].Network either way, a quarter more or less. A
// call that meets its deadline is given up: its attempt ends as
// [balancer.Ignored], and the server hears of it one way later and stops working
// on it.
//
// # What servers say of themselves
//
// With each response, or when they are probed, if the [Candidate] wants that, as
// a [balancer.Report]: the attempts that they have from all clients; the latency
// of a call that arrived now, which is the median of the latest that found as
// many others, as in the Prequal paper; the mean work of a call; and their
// utilization, rate and errors in the mean of three seconds. A utilization of 1
// is all of the server's own cores: with what antagonists leave, it may be more.
//
// # Chance
//
// Arrivals, the work of each call and the course of each server come from
// streams of random numbers that do not depend on the policy: all candidates
// meet the same calls and the same misfortunes, and what differs between them
// is not luck. The policies' own chance comes from others, one for each client.
//
// The same seed gives the same results, to the last digit, however many
// scenarios run at the same time. This holds for one version of Go and one
// architecture: others may round differently.
//
// # What it does not show
//
// Connections cost nothing, there are no caches to warm and no garbage to
// collect, and one client picks for one call at a time. A difference of a few
// percent between two policies is not worth believing; try other seeds.
package laboratory
