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
// timeouts of its own, and how long each step may take. To let a second signal
// end the program at once, restore its usual effect when the first has come:
//
//	context.AfterFunc(ctx, stop)
//
// # The life of a copy
//
//	listen ──────── first, so that whoever is told of the copy can reach it
//	ready? ──────── Config.Ready, if there is one
//	announce ────── Registrar.Register, which tries again while the registry is
//	    │           away; then the copy is ready: Health answers 200
//	serve ───────── until ctx is done, or the server fails
//	not ready ───── Health answers 503; from here on, every step has a bound
//	withdraw ────── Registration.Close              3 s   Config.WithdrawTimeout
//	lame duck ───── goes on as ever, while callers
//	    │           learn that it has gone          5 s   Config.LameDuck
//	drain ───────── no new connections; the others
//	    │           are served, and asked back      5 s   Config.Drain
//	shut down ───── calls in flight finish         15 s   Config.ShutdownTimeout
//	close ───────── what is left is broken off
//
// The times are the defaults. Together they stay below the 30 s that
// Kubernetes grants a pod to stop. The lame duck and draining take as long as
// they are set to; withdrawing is a matter of milliseconds while the registry
// answers; shutting down takes as long as there are calls, up to a second if
// there are HTTP/2 connections, and until they are 5 s old if there are
// connections that never brought a request.
//
// A copy becomes ready when the registry has accepted it, not before: whoever
// replaces copies one after the other by asking for readiness must not stop
// the old ones while nobody has been told of the new ones. A registry that
// does not accept the copy within [Config.StartTimeout], or rejects it, ends
// Run with an error, so that a supervisor sees it and tries again.
//
// # Why no call is lost
//
// [http.Server.Shutdown] closes idle connections at once, and drops requests
// that arrive after it was called. A request that is on its way then fails,
// and if it is a POST, its caller cannot repeat it. So before that, everybody
// is made to leave:
//
//   - Callers that know the registry leave by themselves, during the lame duck.
//   - Those that come all the same while the copy drains are refused if they
//     connect, which a caller that balances (package transport) repeats on
//     another copy, whatever the method. If they have a connection, they are
//     answered with "Connection: close", and give it up with nothing in flight.
//
// Over HTTP/2 there is no such header, and no need for it: when the server is
// shut down, GOAWAY says which requests will not be processed, and clients
// repeat those elsewhere.
//
// Two moments are left, both for callers only that have not learnt within the
// lame duck. Who connects in the very moment in which the listener is closed
// can be reset by the kernel. And HTTP/1 has no way to announce the end of an
// idle connection: who has not used one for as long as the copy drained, and
// sends a POST in the moment in which it is closed, loses it. So choose the
// lame duck by how callers learn:
//
//	from our registry           within 0.1 s              LameDuck 1 s
//	from readiness probes       when some have failed     5 s, the default
//	by asking every 30 s        within 30 s, and 30 s     30 s or 60 s, and the
//	  (Eureka's default)        more if the server        supervisor's grace
//	                            answers from a cache      period above it
//
// Draining needs to be longer than busy callers leave a connection unused.
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
// # Overload
//
// A [Shedder] refuses requests while a copy has enough to do, with a 503 and a
// Retry-After header, so that those that it lets through are answered in time:
//
//	shed := serve.NewShedder(serve.ShedderConfig{MaxInFlight: 200, Exempt: serve.Paths("/livez", "/readyz")})
//	err := serve.Run(ctx, registry, "orders", shed.Handler(mux), cfg)
//
// A call by package transport goes on to another copy then, and the one that
// refused counts as busy, not as ill. Shed outside of what is costly, and
// inside of [Deadline], so that nobody waits for a turn after the caller's
// deadline.
//
// # Deadlines
//
// [Deadline] gives a handler's context the deadline that its caller has, as
// told in a header. The work for a caller that has given up then ends, also
// where it does not close the connection, and calls that the handler makes
// pass on what is left.
//
// # Load
//
// A [Load] tells callers how much the copy has to do, for those that choose by
// that (policies of package balancer such as Prequal): with each response, and
// when they ask.
//
//	load := serve.NewLoad(serve.LoadConfig{Limit: 100})
//	mux.Handle("GET "+serve.ProbePath, load.Probe())
//	mux.Handle("/v1/", load.Measure(handler))
package serve
