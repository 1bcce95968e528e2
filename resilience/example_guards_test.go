package resilience_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/namesake-go/namesake/resilience"
)

// A service refuses all calls. Soon most of them are not sent any more.
func ExampleThrottle() {
	throttle := resilience.NewThrottle(resilience.ThrottleConfig{})
	send := func() (status int) { return 503 }

	sent := 0
	for range 1000 {
		if throttle.Allow() != nil {
			continue
		}
		sent++
		if send() == 503 {
			throttle.Refused()
		}
	}
	fmt.Println(sent < 300)
	fmt.Println("rejected:", throttle.Rejection())
	// Output:
	// true
	// rejected: 0.9
}

// Two calls at a time, and nobody waits.
func ExampleLimit() {
	limit := resilience.NewLimit(resilience.LimitConfig{MaxInFlight: 2})
	for range 3 {
		if err := limit.Acquire(context.Background()); err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println("in flight:", limit.InFlight())
	}
	limit.Release()
	fmt.Println("room again:", limit.TryAcquire())
	// Output:
	// in flight: 1
	// in flight: 2
	// resilience: limit reached
	// room again: true
}

// A call waits for its turn, but not for long.
func ExampleLimit_queue() {
	limit := resilience.NewLimit(resilience.LimitConfig{MaxInFlight: 1, Queue: 10, MaxWait: time.Millisecond})
	_ = limit.Acquire(context.Background())
	fmt.Println(limit.Acquire(context.Background()))
	// Output: resilience: queue timeout
}

// How a call is made under an adaptive limit, and what it is told of.
func ExampleAdaptiveLimit() {
	limit := resilience.NewAdaptiveLimit(resilience.AdaptiveLimitConfig{Max: 100})
	call := func(send func() (status int, err error)) error {
		if err := limit.Acquire(context.Background()); err != nil {
			return err
		}
		start := time.Now()
		status, err := send()
		switch {
		case status == 429, status == 503, errors.Is(err, context.DeadlineExceeded):
			limit.Drop()
		case err != nil:
			limit.Release()
		default:
			limit.Success(time.Since(start))
		}
		return err
	}
	err := call(func() (int, error) { return 200, nil })
	fmt.Println(err, limit.InFlight(), limit.MaxInFlight())
	// Output: <nil> 0 20
}

// Ten calls a second, two of them at once, and none that waits.
func ExampleRateLimit() {
	limit := resilience.NewRateLimit(resilience.RateLimitConfig{PerSecond: 10, Burst: 2, MaxWait: -1})
	for range 3 {
		fmt.Println(limit.Wait(context.Background()))
	}
	// Output:
	// <nil>
	// <nil>
	// resilience: rate limited
}

// Nothing is hedged until there are latencies to go by.
func ExampleHedgeDelay() {
	hedge := resilience.NewHedgeDelay(resilience.HedgeDelayConfig{})
	_, ok := hedge.Delay()
	fmt.Println(ok)

	fixed := resilience.NewHedgeDelay(resilience.HedgeDelayConfig{Fixed: 50 * time.Millisecond})
	delay, ok := fixed.Delay()
	fmt.Println(delay, ok)
	// Output:
	// false
	// 50ms true
}

// One endpoint of ten fails half of its attempts. It is ejected, and returns
// with the first interval after half a minute or so.
func ExampleOutliers() {
	outliers := resilience.NewOutliers(resilience.OutlierConfig{})
	ejections := make([]resilience.Ejection, 10) // kept from interval to interval

	// What they did in the last ten seconds.
	accounts := make([]resilience.OutlierAccount, 10)
	for i := range accounts {
		accounts[i] = resilience.OutlierAccount{Successes: 998, Failures: 2, Ejected: ejections[i].Ejected()}
	}
	accounts[3] = resilience.OutlierAccount{Successes: 500, Failures: 500}

	now := time.Now()
	outliers.Judge(accounts)
	for i, account := range accounts {
		if account.Verdict != 0 {
			ejections[i].Eject(resilience.EjectionConfig{}, account.Verdict, now)
			fmt.Println("endpoint", i, ejections[i].Reason().String())
		}
	}
	for interval := 1; interval <= 4; interval++ {
		if ejections[3].Tick(now.Add(time.Duration(interval) * 10 * time.Second)) {
			fmt.Println("endpoint 3 is back")
		}
	}
	// Output:
	// endpoint 3 ejected: success rate
	// endpoint 3 is back
}

// A reason is an error to look for, and a label for a metric.
func ExampleReason() {
	err := fmt.Errorf("orders: %w", resilience.ErrQueueFull)
	fmt.Println(errors.Is(err, resilience.ErrQueueFull))
	if reason, ok := errors.AsType[resilience.Reason](err); ok {
		fmt.Println(reason.String())
	}
	// Output:
	// true
	// queue full
}
