// Package interop holds tests only: those of packages eureka and eurekaserver
// against the programs of others, over real connections on the loopback.
//
//	go test ./...
//
// Clients in Go, JavaScript, Python and Java use our server, and our client
// uses Spring Cloud's server. A program whose tools (node and npm, python3,
// java and mvn) are missing is skipped, except where NAMESAKE_CI is set. What
// they need is fetched on the first run, into the folder interop of
// NAMESAKE_CACHE or, without that, of .cache at the top of the repository.
//
// The package is a module of its own, so that the library does not require
// what its tests compare it with.
package interop
