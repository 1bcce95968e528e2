package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/namesake-go/namesake/resilience"
	"github.com/namesake-go/namesake/transport"
)

// The scenarios, in the order of the table.
var scenarios = []*scenario{
	{name: "one copy refuses connections", oneBad: true, fault: refuses, must: all(noneLost, found)},
	// What is lost is the calls that hang before it is noticed.
	{name: "one copy hangs", oneBad: true, deadline: time.Second, fault: oneBad(hang), must: all(found)},
	{
		name: "one copy hangs, attempt timeout", oneBad: true,
		options: []transport.Option{transport.WithAttemptTimeout(500 * time.Millisecond)},
		fault:   oneBad(hang), must: all(noneLost, found),
	},
	{name: "one copy resets connections", oneBad: true, fault: oneBad(reset), must: all(noneLost, found)},
	// A 500 may be the caller's own fault and is not repeated.
	{name: "one copy answers 500 at once", oneBad: true, fault: oneBad(status(http.StatusInternalServerError, nil)), must: all(found)},
	{
		name: "one copy answers 503, Retry-After", oneBad: true,
		fault: oneBad(status(http.StatusServiceUnavailable, http.Header{"Retry-After": {"1"}})), must: all(noneLost, avoided),
	},
	{name: "one copy is 10 times slower", oneBad: true, fault: oneBad(slow(10)), must: all(nothingLost, avoided)},
	// By the time that is noticed, the caller has the header.
	{name: "one copy truncates bodies", oneBad: true, fault: oneBad(truncate), must: all(found)},
	{name: "one copy comes and goes", oneBad: true, fault: flaps, must: all(noneLost, found)},
	{
		name:  "all copies answer 503",
		fault: everyCopy(status(http.StatusServiceUnavailable, nil)),
		note:  outageNote, must: all(clearly, recovered),
	},
	{name: "all copies refuse connections", fault: allRefuse, note: outageNote, must: all(clearly, recovered)},
	{name: "the registry is down", fault: registryDown, must: all(nothingLost, complained)},
	{
		name:  "the registry is slow",
		fault: registryFails(func(w *world) http.HandlerFunc { return w.registry.late(3 * time.Second) }),
		must:  all(nothingLost),
	},
	{
		name:  "the registry answers garbage",
		fault: registryFails(func(*world) http.HandlerFunc { return garbage }),
		must:  all(nothingLost, complained),
	},
	{name: "the registry loses all copies", fault: registryForgets, must: all(nothingLost, complained)},
	overload(overloadBare, false),
	overload(overloadShed, true),
	overload(overloadLimit, false, transport.WithLimit(resilience.LimitConfig{MaxInFlight: inFlight * copies})),
	overload(overloadAdaptive, false, transport.WithAdaptiveLimit(resilience.AdaptiveLimitConfig{})),
}

// The faults.

func oneBad(f http.HandlerFunc) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		w.bad().fail(ctx, f)
		return nil
	}
}

func everyCopy(f http.HandlerFunc) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		return w.each(func(r *replica) error {
			r.fail(ctx, f)
			return nil
		})
	}
}

func refuses(ctx context.Context, w *world) error { return w.bad().refuse(ctx) }

func allRefuse(ctx context.Context, w *world) error {
	return w.each(func(r *replica) error { return r.refuse(ctx) })
}

// flaps has one copy gone for a second, back for a second, and so on.
func flaps(ctx context.Context, w *world) error {
	for ctx.Err() == nil {
		second, cancel := context.WithTimeout(ctx, time.Second)
		err := w.bad().refuse(second)
		cancel()
		if err != nil {
			return err
		}
		wait(ctx, time.Second)
	}
	return nil
}

func registryDown(ctx context.Context, w *world) error {
	w.registry.hangUp()
	<-ctx.Done()
	return w.registry.listen()
}

func registryFails(how func(*world) http.HandlerFunc) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error { return w.registry.fail(ctx, how(w)) }
}

func registryForgets(ctx context.Context, w *world) error { return w.registry.forgetful(ctx, w.ids()) }

// What must hold.

func all(rules ...func(*world, *result, *verdict)) func(*world, *result, *verdict) {
	return func(w *world, r *result, v *verdict) {
		for _, rule := range rules {
			rule(w, r, v)
		}
	}
}

// noneLost: calls that may be repeated all succeed.
func noneLost(_ *world, r *result, v *verdict) {
	v.holds(r.repeatable() == 0, "%d calls failed that may be repeated; the first call failed with %v", r.repeatable(), r.first)
}

func nothingLost(_ *world, r *result, v *verdict) {
	v.holds(r.failures() == 0, "%d calls failed, the first with %v", r.failures(), r.first)
}

// found: the bad copy is left alone, at the price of the calls that were in
// flight there when it began to fail, and of those that it takes to find out:
// the five in a row that open a breaker, however the policy chooses, and one
// for each trial thereafter. Most often it is one in all.
func found(w *world, r *result, v *verdict) {
	most := w.bad().hit.Load() + breaker*w.bad().falls.Load() + int64(r.ejections)
	v.holds(int64(r.failures()) <= most, "%d calls failed, of which one fault explains %d; the first failed with %v", r.failures(), most, r.first)
	v.holds(r.gone.ok, "the bad copy got %d of %d attempts, and never less than 1 %%", r.badAttempts, r.attemptsIll)
}

// avoided: the bad copy answers, and may have some calls, but not many.
func avoided(w *world, r *result, v *verdict) {
	v.holds(r.badShare < w.meter.fair/2, "the bad copy got %d of %d attempts", r.badAttempts, r.attemptsIll)
}

// breaker is how many failures in a row open one, by default.
const breaker = 5

// complained: the fault of the registry was one that is noticed.
func complained(_ *world, r *result, v *verdict) {
	v.holds(r.complaints > 0, "nobody noticed that the registry failed")
}

// noStorm: an outage does not multiply the load. Each call earns a fifth of a
// retry, and each second three, of which thirty have been saved up.
func noStorm(w *world, r *result, v *verdict) {
	most := 1.2*float64(r.calls) + 30 + 3*time.Since(w.meter.begin).Seconds()
	v.holds(float64(r.attempts) <= most, "%d attempts for %d calls", r.attempts, r.calls)
}

// clearly: callers learn what happened.
func clearly(_ *world, r *result, v *verdict) {
	v.holds(r.unclear == nil, "a call failed with %v, which does not say what happened", r.unclear)
	v.holds(r.answered < r.callsIll, "there was no outage")
}

// recovered: when all copies are well again, calls that begin then succeed, from
// the first one on.
func recovered(_ *world, r *result, v *verdict) {
	v.holds(r.success.ok, "no call succeeded after the recovery")
	v.holds(r.lateFailures == 0, "%d calls failed that began after the recovery", r.lateFailures)
}

// outageNote says how soon there were answers again.
func outageNote(_ *world, r *result) string {
	if !r.success.ok {
		return ""
	}
	return fmt.Sprintf("answers %s after recovery", millis(r.success.after))
}
