// Package discoverytest checks that a [discovery.Watcher] or a
// [discovery.Registrar] keeps its contract. Whoever writes one runs it in a
// test of their own:
//
//   - [TestWatcher] checks the read side: whole sets, one after every change,
//     each copy once; errors as news; an end that is prompt and leaves nothing
//     behind.
//   - [TestRegistrar] checks the write side: what is registered is seen, with
//     its facts, until it is withdrawn.
//
// A [Harness] tells them how to make what is to be tested. The examples show
// one of each kind.
//
// # Real time and virtual time
//
// The suite waits for what it expects, up to [Harness.Patience], and asserts
// no exact times, so that it serves for watchers over real sockets and a real
// registry. Those that need neither are tested in an instant, and checked for
// leaks to the last goroutine, in a bubble of testing/synctest: set
// [Harness.Run] to synctest.Test.
//
// # Services and instances
//
// Each check uses services with names of its own, of lower-case letters,
// digits and hyphens, so that the tests may share a registry that runs for
// long. Instance IDs begin with the service's name. Addresses are from
// 192.0.2.0/24, which is reserved for documentation: nothing is ever called.
package discoverytest
