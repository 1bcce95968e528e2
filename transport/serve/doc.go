// Package serve runs an [http.Server] as one copy of a service, so that no
// call is lost when it comes and when it goes:
//
//	registry := eureka.New("http://registry:8761/eureka")
//	defer registry.Close()
//	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
//	defer stop()
//	err := serve.Run(ctx, registry, "orders", handler, serve.Config{Addr: ":8080"})
//
// [Run] returns when ctx is done and the copy has gone. [Config] has the
// rest: zone and weight, an address to announce, an http.Server with TLS or
// timeouts of its own, and how long each step may take.
//
// # The life of a copy
//
//	listen ──────── first, so that whoever is told of the copy can reach it
//	ready? ──────── Config.Ready, if there is one
//	announce ────── Registrar.Register, which tries again while the registry is
//	    │           away; then the copy is ready: Health answers 200
//	serve ───────── until ctx is done, or the server fails
//	not ready ───── Health answers 503 (from here on, every step has a bound)
//	withdraw ────── Registration.Close            3 s    Config.WithdrawTimeout
//	lame duck ───── answers as ever, but asks     10 s   Config.LameDuck
//	    │           for connections back
//	no listener ─── who comes now is refused,     0.5 s
//	    │           and tries another copy
//	shut down ───── calls in flight finish        15 s   Config.ShutdownTimeout
//	close ───────── what is left is broken off
//
// The times are the defaults of the bounds. Together they stay below the 30 s
// that Kubernetes grants a pod to stop. The lame duck takes as long as it is
// set to, shutting down only as long as there are calls, and up to a second if
// there are HTTP/2 connections.
//
// A copy becomes ready when the registry has accepted it, not before: whoever
// replaces copies one after the other by asking for readiness must not stop
// the old ones while nobody has been told of the new ones. A registry that
// does not accept the copy within [Config.StartTimeout], or rejects it, ends
// Run with an error, so that a supervisor sees it and tries again.
//
// # How long to be a lame duck
//
// Callers learn that a copy has gone within a tenth of a second if the
// registry tells them (our own does), and when they ask next if it does not:
// after up to 30 s with Eureka's defaults, and another 30 s if its server
// answers from its cache. The default of 10 s is long for the former and short
// for the latter, and still no call of theirs is lost:
//
//   - During the lame duck every answer over HTTP/1 says "Connection: close".
//     Callers give up each connection they use, and nothing is in flight on it
//     when it closes.
//   - Who then connects anew is refused, which a caller that balances (package
//     transport) repeats on another copy, whatever the method.
//
// What is left is the connection that has not been used since before the lame
// duck and is used in the very moment in which it is closed. HTTP/1 has no way
// to announce that; a POST that is sent then fails, and cannot be repeated. So
// let LameDuck be longer than what callers keep between two calls, or set it
// to what the registry needs: 30 s or 60 s where callers poll, and the grace
// period of the supervisor above it. Where all callers are told within
// milliseconds, 2 s are plenty.
//
// [http.Server.Shutdown] by itself closes idle connections at once, without a
// warning, and drops requests that arrive on others after it was called. That
// is why it comes last.
//
// Over HTTP/2 there is no such header, and no need for it: when the server is
// shut down, GOAWAY says which requests will not be processed, and clients
// repeat those elsewhere. They are not asked to leave before, since those who
// know the registry leave by themselves.
//
// # Health
//
// A [Health] has handlers for a supervisor's questions, to be mounted where
// you like, on this server or another:
//
//	var health serve.Health
//	mux.Handle("GET /livez", health.Live())
//	mux.Handle("GET /readyz", health.Ready())
//	err := serve.Run(ctx, registry, "orders", mux, serve.Config{Health: &health})
//
// # Deadlines
//
// [Deadline] gives a handler's context the deadline that its caller has, as
// told in a header. The work for a caller that has given up then ends, also
// where it does not close the connection, and calls that the handler makes
// pass on what is left.
package serve
