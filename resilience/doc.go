// Package resilience holds the guards that get a call through when a copy of a
// service fails, without making the failure worse.
//
//   - [Retry] decides whether and when a call is tried again, the [Budget] pays
//     for it, and [HedgeDelay] says when not to wait for the first answer.
//   - [Breaker] says when to leave an endpoint alone, by what it does itself;
//     [Outliers] by what it does less well than the others, and [Ejection] for
//     how long.
//   - [Throttle] keeps calls from a service that refuses them, [Limit] bounds
//     the calls in flight, [AdaptiveLimit] finds that bound by itself, and
//     [RateLimit] bounds the calls per second.
//
// A guard that refuses says why with a [Reason], which is an error.
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
// The other guards of a call refuse it before it is sent, or an attempt before
// it is made, and cost one call before and one after:
//
//	               before               after
//	Throttle       Allow                Refused, if it was
//	RateLimit      Wait
//	Limit          Acquire              Release
//	AdaptiveLimit  Acquire              Success, Drop or Release
//	HedgeDelay     Delay                Observe
//	Outliers       (the owner adds up the outcomes, and calls Judge once an interval)
//
// What is refused here is no failure of any endpoint, and is not retried at
// once: it would be refused again.
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
//	Throttle          refusals wearing a service out   2 sent for 1 accepted, of     SRE book, ch. 21
//	                                                   the last 2 min
//	  MaxRejection    not seeing its recovery          0.9, and one call a second    failsafe-go; go-zero
//	Limit             a slow service piling up calls   1024 in flight, no queue      Envoy's max_requests
//	  MaxWait         a queue that makes all late      100 ms, 5 ms once it stands   "Fail at Scale", ACM Queue 2015
//	AdaptiveLimit     the same, of unknown capacity    20 at first, 4 to 200         Netflix Gradient2, with 20 to 200
//	  Tolerance       taking noise for load            1.5 times the long average    Netflix Gradient2
//	RateLimit         exceeding a quota                none; a burst of 100 ms
//	HedgeDelay        the slow one in twenty           95th percentile of 1 min,     "The Tail at Scale", CACM 2013
//	                                                   of 100 latencies at least
//	  Min             hedging what is fast anyway      5 ms
//	success rate      an endpoint that fails more      1.9 σ and 0.05 below the      Envoy; the margin is ours
//	                  than the others                  mean, of 5 with 100 attempts
//	failure ratio     the same, among many such        85 % of at least 50           Envoy, which has it off
//	MaxEjected        being left with too few          10 %, but one                 Envoy, with always_eject_one_host
//	Ejection          asking the sick too often        30 s · k, ≤ 300 s, ±10 %      Envoy; the jitter is ours
//
// When to change them:
//
//	Attempts          1 where the caller retries; more does not help if three endpoints failed
//	BaseDelay, Max    longer where there is but one endpoint, and it takes a while to come back
//	Budget ratio      0.1 or less where several layers retry; the floor for services called rarely
//	consecutive       more where failures that mean little come in bursts
//	Throttle K        1.1 to 1.5 where a refusal costs about as much as an answer; more than 2 where
//	                  recovery must be seen sooner
//	Throttle Window   10 s where capacity comes and goes within seconds; recovery takes 1 to 2 windows
//	Limit             always: calls a second times latency, twice over; or what one endpoint can do
//	Limit Queue       for bursts that are over within MaxWait; as many as are served in that time
//	AdaptiveLimit     Max to what can be borne, since nothing else holds it in lasting overload
//	RateLimit         to the quota, divided by the number of processes that share it
//	HedgeDelay        a higher Quantile where 5 % more calls are too many; Fixed where latencies of
//	                  very different calls would be mixed
//	success rate      a higher StdevFactor, 2.5 with 10 endpoints or more, if good ones are ejected;
//	                  fewer attempts where calls are rare
//	MaxEjected        up to what the others can carry: 0.3 where half of the capacity is spare
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
