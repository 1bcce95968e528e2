// Package registrytest runs real registries on loopback and breaks them, to
// test what follows them.
//
// Tests that need it run where NAMESAKE_REGISTRIES is set, and are skipped
// elsewhere. There, a program that is missing is a reason to skip as well, but a
// failure where NAMESAKE_CI is set.
//
//   - [Program] and [Start] run a server, and [Server] kills, freezes and
//     restarts it.
//   - [Proxy] is a connection to it that can be cut, stranded or slow.
//   - [TestFaults] is what every registry has to bear, and [BenchmarkChange]
//     measures the way of a change to the picker.
package registrytest
