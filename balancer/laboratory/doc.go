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
// # What it shows
//
// This is what
//
//	go run ./examples/laboratory
//
// prints, in part: the 99th percentile of latency under RoundRobin,
// WeightedByUtilization (WU, with reports in responses), LeastRequest,
// PeakEWMA, C3 (with reports in responses), Prequal (PQ, with three probes per
// call) and ShortestExpectedDelay. A failed call counts as one that took the
// whole deadline, which is 2 s, and 5 s in half-slow. [Scenarios] says what
// happens in each.
//
//	p99 in ms                 RR    WU    LR    PE    C3    PQ   SED
//	equal-25                 151   151   149   153   148   282   150
//	equal-70                 352   358   364   391   426   467   238
//	equal-16-cores           145   147   143   144   150   157   138
//	slow-copies             2000  1551  2000   485   595   468   243
//	weighted                2000   730   611   699  1268   437   188
//	heavy-tail              2000  2000  1998  1759  1352   755   555
//	antagonists-75          1572  1380   969  1047   830   323   259
//	antagonists-95          2000  2000  1654  1916  1924   375   271
//	antagonists-127         2000  2000  2000  2000  2000   580   342
//	antagonists-157         2000  2000  2000  2000  2000   526   387
//	antagonists-16-cores    2000  2000   606   365   402   215   189
//	half-slow-70            5000  2152   898   279   362   259   179
//	half-slow-90            5000  5000  2984   587  1513   327   222
//	overload                2000  2000  2000  2000  2000  2000  2000
//	overload-limited        2000  2000  2000  2000  2000  2000  2000
//	fails-fast              2000  2000  2000   463   525   565   248
//	fails-fast-ejected       381   360   387   435   470   484   241
//	black-hole              2000  2000  2000   498   539   480   244
//	falls-ill               1151   791   443   501  1166   486   264
//	rolling-deploy          2000  2000  2000  2000  2000  1259   566
//	scale-out               2000  2000  2000  2000  2000  2000   531
//	crashes                 2000  2000  2000  2000  2000   738   575
//	half-gone               2000  2000  2000  1730  2000   949   616
//	restless                1671  1826   678   883   767   712   210
//	mixed                   1177  1427  1276  1429  1237   999   820
//	mixed-antagonists       2000  2000  2000  2000  1460   850   714
//	one-client              2000  2000   724   698   425   454   305
//	four-clients            2000  2000   497   413   333   330   185
//	500-clients             2000  2000  2000  2000  2000  1004   775
//	1000-clients            1742  2000  1629  1934  2000   303   258
//	three-copies            2000   457   647   358   391   425   311
//	geometric mean          1538  1358  1073   820   871   542   340
//	failed, %                7.1   4.4   2.7   2.3   2.5   1.3   1.2
//
// ShortestExpectedDelay asks nothing of the servers and is ahead wherever there
// is something to choose. In equal-25 all copies are alike and idle: there the
// rules differ by chance. In overload no rule can help. That a rule which looks
// at all copies beats Prequal, which hears from the servers themselves, is due
// to their size: of two cores, what is in flight tells little; the larger they
// are, the nearer the two (antagonists-16-cores).
//
// The scenarios half-slow have the shape of the Prequal paper's comparison of
// rules, at 70 and 90 % of the allocation (NSDI 2024, "selection rules"), and
// show its order: Prequal, C3, then weights by utilization and the least loaded,
// and round robin, which breaks down. One pair stands the other way round: at
// 70 % the paper's weighted round robin is ahead of the least loaded at p99 (314
// to 1804 ms), ours is at p90 only (187 to 221 ms), since weights follow within
// seconds what antagonists do within one. And the paper's C3 was given Prequal's
// probes, which brings it nearer to Prequal than reports in responses do.
//
// # What it does not show
//
// Connections cost nothing, there are no caches to warm and no garbage to
// collect, and one client picks for one call at a time. A difference of a few
// percent between two policies is not worth believing; try other seeds.
package laboratory
