package resilience_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/namesake-go/namesake/resilience"
)

// A thousand calls fail at once. However eagerly they are retried, the service
// gets a fifth more than it was asked for, and the floor of 30.
func ExampleBudget() {
	budget := resilience.NewBudget(resilience.BudgetConfig{})
	sent := 0
	for range 1000 {
		budget.Deposit()
		sent++
	}
	for budget.Withdraw() {
		sent++
	}
	fmt.Println(sent < 1000*3, sent >= 1230)
	// Output: true true
}

// A call is tried until it succeeds or there is no further attempt.
func ExampleRetry() {
	retry := resilience.NewRetry(resilience.RetryConfig{Attempts: 3}, resilience.NewBudget(resilience.BudgetConfig{}))
	send := func(int) error { return errors.New("connection refused") }

	deadline := time.Now().Add(time.Second)
	call := retry.Start()
	for {
		err := send(call.Number())
		if err == nil {
			break
		}
		fmt.Printf("attempt %d: %v\n", call.Number(), err)
		wait, stop := call.Next(time.Now(), deadline, true, 0)
		if stop != nil {
			fmt.Println(stop)
			break
		}
		time.Sleep(wait)
	}
	// Output:
	// attempt 1: connection refused
	// attempt 2: connection refused
	// attempt 3: connection refused
	// resilience: attempts exhausted
}

// A server's Retry-After is waited for, within reason and within the deadline.
func ExampleAttempts_Next() {
	retry := resilience.NewRetry(resilience.RetryConfig{MaxRetryAfter: 10 * time.Second}, nil)
	now := time.Now()

	call := retry.Start()
	wait, err := call.Next(now, time.Time{}, true, 2*time.Second)
	fmt.Println(wait >= 2*time.Second, wait <= 2400*time.Millisecond, err)

	_, err = call.Next(now, now.Add(time.Second), true, 2*time.Second)
	fmt.Println(err)

	_, err = call.Next(now, time.Time{}, true, time.Hour)
	fmt.Println(err)
	// Output:
	// true true <nil>
	// resilience: deadline too near for a retry
	// resilience: server asks to retry too late
}

// The breaker of an endpoint opens after two failures in a row, becomes
// half-open by itself, and closes when a trial has succeeded.
func ExampleBreaker() {
	changes := make(chan resilience.State, 3)
	breaker := resilience.NewBreaker(resilience.BreakerConfig{
		ConsecutiveFailures: 2,
		OpenFor:             10 * time.Millisecond,
	}, func(_, to resilience.State) { changes <- to })
	defer breaker.Close()

	breaker.Failure()
	breaker.Failure()
	fmt.Println(<-changes)
	fmt.Println(<-changes)
	if trial, ok := breaker.Trial(); ok {
		_, second := breaker.Trial()
		fmt.Println("another trial at the same time:", second)
		trial.Success()
	}
	fmt.Println(<-changes)
	// Output:
	// open
	// half-open
	// another trial at the same time: false
	// closed
}
