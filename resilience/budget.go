package resilience

import (
	"math"
	"sync/atomic"
	"time"
)

const (
	defaultRatio        = 0.2
	defaultMinPerSecond = 3
	defaultBudgetWindow = 10 * time.Second

	token = 1_000_000 // a token in the fixed point that balances are kept in

	// decayTicks is how many times per window the deposits are decayed at
	// most. Between two ticks they stand, which is wrong by at most 1 %.
	decayTicks = 100
)

// A BudgetConfig says how many retries the calls of a service may cause.
type BudgetConfig struct {
	// Ratio is the number of retries that each call earns. Default 0.2, one
	// retry for five calls. Negative: none; at most 100.
	Ratio float64

	// MinPerSecond is the number of retries per second that may be made
	// whatever the number of calls, so that a service which is called rarely
	// can retry at all. Default 3. Negative: none.
	MinPerSecond float64

	// Window is how long what was earned lasts: after it, 63 % of it is gone.
	// What MinPerSecond grants is saved up for no longer than this. Default
	// 10 s.
	Window time.Duration
}

func (c BudgetConfig) normal() BudgetConfig {
	c.Ratio = normalRate(c.Ratio, defaultRatio, 100)
	c.MinPerSecond = normalRate(c.MinPerSecond, defaultMinPerSecond, 1e6)
	if c.Window <= 0 {
		c.Window = defaultBudgetWindow
	}
	c.Window = max(c.Window, time.Millisecond)
	return c
}

// normalRate replaces 0 by the default and anything that is no positive number
// by 0.
func normalRate(rate, byDefault, limit float64) float64 {
	switch {
	case rate == 0:
		return byDefault
	case rate > 0:
		return min(rate, limit)
	default:
		return 0
	}
}

// A Budget limits retries to a share of calls. A call deposits a fraction of a
// token, a retry takes a whole one, and without a token there is no retry.
// What was deposited decays, so that a quiet night earns no storm in the
// morning; a small floor of tokens refills with time alone.
//
// However many calls fail, and however fast, the service receives at most
// 1 + Ratio attempts per call, plus the floor.
//
// The rule is Finagle's RetryBudget, with an exponential decay in place of its
// expiring slots. All methods may be called concurrently, take no lock and
// allocate nothing.
type Budget struct {
	deposit int64 // fixed point
	window  time.Duration
	tick    time.Duration
	perFill time.Duration // in which the floor gains a token; 0: no floor
	started time.Duration

	deposits atomic.Int64 // fixed point
	decayed  atomic.Int64 // ns since started, when deposits were last decayed
	floor    bucket
}

// NewBudget returns a budget with a full floor and nothing deposited.
func NewBudget(cfg BudgetConfig) *Budget {
	cfg = cfg.normal()
	b := &Budget{
		deposit: int64(math.Round(cfg.Ratio * token)),
		window:  cfg.Window,
		tick:    max(cfg.Window/decayTicks, 1),
		started: Now(),
	}
	if cfg.MinPerSecond > 0 {
		// Beyond some 290 years per token there is no floor to speak of.
		if fill := float64(time.Second) / cfg.MinPerSecond; fill < math.MaxInt64 {
			b.perFill = time.Duration(fill)
		}
	}
	b.floor.depth = int64(b.window)
	b.floor.fill(0)
	return b
}

// Deposit counts a call.
func (b *Budget) Deposit() { b.depositAt(Now()) }

func (b *Budget) depositAt(now time.Duration) {
	if b.deposit == 0 {
		return
	}
	b.decay(int64(now - b.started))
	b.deposits.Add(b.deposit)
}

// Withdraw takes a token for a retry, and reports false if there is none.
func (b *Budget) Withdraw() bool {
	now := b.now()
	b.decay(now)
	taken := b.takeDeposits()
	if taken == token || b.takeFloor(now, token-taken) {
		return true
	}
	b.deposits.Add(taken)
	return false
}

// giveBack returns a token that was taken for nothing.
func (b *Budget) giveBack() { b.deposits.Add(token) }

// Balance returns the number of tokens that are left, for metrics.
func (b *Budget) Balance() float64 {
	now := b.now()
	b.decay(now)
	balance := float64(b.deposits.Load()) / token
	if b.perFill > 0 {
		balance += float64(b.floor.filled(now)) / float64(b.perFill)
	}
	return balance
}

func (b *Budget) now() int64 { return int64(Now() - b.started) }

// decay takes from the deposits what has faded since the last tick. Whoever
// moves the time on does the work for that stretch; the factors of two of them
// multiply in either order.
func (b *Budget) decay(now int64) {
	last := b.decayed.Load()
	if now-last < int64(b.tick) || !b.decayed.CompareAndSwap(last, now) {
		return
	}
	left := math.Exp(-float64(now-last) / float64(b.window))
	for {
		old := b.deposits.Load()
		if b.deposits.CompareAndSwap(old, int64(float64(old)*left)) {
			return
		}
	}
}

// takeDeposits takes a token, or what there is of one, from the deposits.
func (b *Budget) takeDeposits() int64 {
	for {
		old := b.deposits.Load()
		taken := min(old, token)
		if taken <= 0 || b.deposits.CompareAndSwap(old, old-taken) {
			return max(taken, 0)
		}
	}
}

// takeFloor takes an amount from the floor, all of it or nothing.
func (b *Budget) takeFloor(now, amount int64) bool {
	if b.perFill == 0 {
		return false
	}
	price := int64(float64(b.perFill) * float64(amount) / token)
	_, ok := b.floor.take(now, price, 0)
	return ok
}
