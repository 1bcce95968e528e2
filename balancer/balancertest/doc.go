// Package balancertest checks that a [balancer.Policy] keeps the promises of
// its contract: a policy of your own is worth nothing if it hands out an
// endpoint that has just failed the same call, or one that left the set.
//
// Call [TestPolicy] from a test, and run it with the race detector: one of the
// checks picks from many goroutines while the set is rebuilt. A check that
// fails says which promise was broken, and with how many endpoints.
package balancertest
