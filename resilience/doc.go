// Package resilience holds the guards that get a call through when a copy of a
// service fails, without making the failure worse: [Retry], which decides
// whether and when a call is tried again, the [Budget] that pays for it, and
// the [Breaker], which says when to leave an endpoint alone.
//
// The package knows neither HTTP nor endpoints. Each type stands alone, and
// all that is timed uses package time only, so code that uses them can be
// tested in a bubble of testing/synctest.
//
// # Why a budget
//
// "Retry up to three times" is harmless as long as failures are rare, and a
// weapon when they are not. In an outage every call fails, and each becomes
// three: the service that could not bear its load now gets three times as much,
// and cannot come back. Layers multiply: where three services call one another
// and each makes three attempts, the last receives 3 · 3 · 3 = 27 for each
// call of a user.
//
// A number of attempts bounds what one call may cost. A budget bounds what all
// of them cost together. Each call earns a fifth of a retry, and a retry takes
// a whole one:
//
//	                            attempts sent for 1000 calls
//	                            3 attempts each    with the budget
//	1 % of attempts fail        1010               1010
//	all attempts fail           3000               1200 + 30
//
// While little fails, the budget is never felt. When everything does, load
// grows by a fifth and not by more, per layer. The 30 is the floor: 3 retries a
// second, saved up for 10 seconds, for services that are called too rarely to
// earn any.
//
// # How the parts stack
//
//	call ── Retry.Start ─────────────── deposits in the budget
//	  attempt on an endpoint whose Breaker is closed
//	     ├─ good ──▶ Breaker.Success ── done
//	     └─ bad ───▶ Breaker.Failure
//	          Attempts.Next ── attempts left? patience for Retry-After?
//	             │              time before the deadline? budget?
//	             ├─ no ───▶ the last result stands
//	             └─ wait ─▶ attempt, on an endpoint not tried yet
//
//	Breaker: closed ──▶ open ──▶ half-open ──▶ closed
//	                     ▲           │
//	                     └───────────┘  one trial decides
//
// A budget and a Retry belong to a service, so that its calls share them. A
// breaker belongs to one endpoint: one for a whole service would turn a bad
// copy out of three into an outage. It does not refuse calls. It tells its
// owner of each change, and the owner leaves the endpoint out of the choice;
// a call that is chosen and then refused would be lost for nothing.
//
// Retry in one place only, the one nearest to the failure that knows another
// endpoint. Callers above should be told, and not try again.
//
// # The guards and their defaults
//
//	guard             protects from                    default                       source
//	Attempts          one call going on for ever       3, the first included         SRE book, ch. 22
//	first retry       idle time                        no wait, on another endpoint
//	BaseDelay, Max    clients retrying in step         U(0, 25 ms · 2ⁿ), ≤ 250 ms    AWS "full jitter"; Envoy's figures
//	MaxRetryAfter     a server parking callers         10 s, then give up            RFC 9110, 10.2.3
//	deadline          waiting for nothing              no wait that reaches it
//	Budget ratio      retry storms                     0.2 per call                  Finagle RetryBudget
//	Budget floor      no retries at low rates          3 a second, 30 saved up       Finagle, with 10 a second
//	consecutive       a dead endpoint                  5 failures in a row           Envoy outlier detection
//	failure ratio     a sick endpoint                  50 % of at least 20 in 10 s   Hystrix
//	open time         asking the dead too often        5 s, doubling to 60 s, ±10 %  Hystrix; growth after Envoy
//	trial             a rush on the convalescent       one at a time                 Hystrix, gobreaker
//
// # Late results
//
// An attempt may outlive the state in which it began. While a breaker is open
// or half-open it ignores all outcomes but that of the current trial. An owner
// with attempts that last longer than an endpoint's illness compares
// [Breaker.Generation] at the start and at the end of an attempt, and reports
// nothing if it has moved; otherwise calls that hung before the recovery could
// open the breaker once more.
package resilience
