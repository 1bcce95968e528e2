// Package fault makes calls fail on purpose, for tests and for drills: is a
// slow copy noticed, is a dead one left alone, are retries what they should be?
//
//	faults := fault.New(1, fault.Rule{Percent: 10, Fault: fault.Delay(300*time.Millisecond, 0)})
//	t := transport.New(registry, transport.WithEndpointBase(faults.EndpointBase))
//
// An [Injector] is put between a client and its network. With
// transport.WithEndpointBase it knows which copy each attempt goes to, and can
// hit one only. [Injector.Around] puts it around any http.RoundTripper: the
// base of transport.WithBase, where it knows the copies too, or an http.Client's
// Transport, ours or not, where it hits whole calls.
//
// # Rules
//
// A [Rule] says which requests, what share of them, and what is done to them.
// Rules are like RoundTrippers around each other: the first comes first, and
// what it lets through meets the next. [Injector.Set] replaces all of them at
// once, while requests go on. Without rules nothing happens.
//
//	Delay         waits before it sends
//	Status        answers itself
//	Refuse        fails as a port does that nobody listens at
//	Reset         sends, and loses the answer with the connection
//	Hang          says nothing until the caller gives up
//	Error         fails with an error of yours
//	TruncateBody  breaks the response's body off
//	SlowBody      gives the response's body in small pieces
//
// Errors are of the types and look as those of the network, so that whoever
// classifies them cannot tell the difference. In particular package transport
// takes Refuse for a request that was never sent, which it repeats whatever
// the method, and Reset for one that may have been processed, as it has been.
// [Fault] is a function type: one of your own is a few lines.
//
// # Chance
//
// The share is drawn from a seed: of the first thousand requests that match a
// rule, it is the same ones in every run, and with callers that compete the same
// number of them.
//
// # Drills
//
// What is for tests works in production as well: with rules that match little,
// a Percent that is small, and an owner who watches. An Injector without rules
// costs an atomic load. [Injector.Stats] counts what has been done.
package fault
