package resilience_test

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/resilience"
)

// none is a budget in which the part under test is the only source of tokens.
const none = -1

func drain(b *resilience.Budget) (tokens int) {
	for b.Withdraw() {
		tokens++
	}
	return tokens
}

func TestBudgetInTotalOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := resilience.NewBudget(resilience.BudgetConfig{})
		sends := 0
		for range 1000 {
			b.Deposit()
			sends++
		}
		assert.InDelta(t, 230, b.Balance(), 1e-6)
		sends += drain(b)
		assert.Equal(t, 1000+200+30, sends)
	})
}

func TestBudgetFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := resilience.NewBudget(resilience.BudgetConfig{Ratio: none})
		b.Deposit() // earns nothing
		assert.Equal(t, 30, drain(b), "it starts full")

		time.Sleep(333 * time.Millisecond)
		assert.False(t, b.Withdraw(), "a token takes a third of a second")
		time.Sleep(time.Millisecond)
		assert.True(t, b.Withdraw())
		assert.False(t, b.Withdraw())

		time.Sleep(time.Second)
		assert.Equal(t, 3, drain(b))
		time.Sleep(9 * time.Second)
		assert.Equal(t, 27, drain(b))
		time.Sleep(time.Hour)
		assert.Equal(t, 30, drain(b), "it holds no more than a window's worth")
	})
}

func TestBudgetDepositsDecay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := resilience.NewBudget(resilience.BudgetConfig{Ratio: 1, MinPerSecond: none, Window: 10 * time.Second})
		for range 1000 {
			b.Deposit()
		}
		assert.Equal(t, 1000.0, b.Balance())
		time.Sleep(10 * time.Second)
		assert.InDelta(t, 1000/math.E, b.Balance(), 1e-5)
		for range 500 {
			require.True(t, b.Withdraw() || b.Balance() < 1)
		}
		assert.InDelta(t, math.Mod(1000/math.E, 1), b.Balance(), 1e-5, "what is left is less than a token")

		b.Deposit()
		time.Sleep(time.Hour)
		b.Deposit() // an old balance must not drag the new deposit down with it
		assert.Equal(t, 1.0, b.Balance())
	})
}

// However fine the steps in which time passes, the same share decays.
func TestBudgetDecaysInSmallSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := resilience.NewBudget(resilience.BudgetConfig{Ratio: 100, MinPerSecond: none})
		for range 1000 {
			b.Deposit()
		}
		for range 7000 {
			time.Sleep(time.Millisecond)
			b.Balance()
		}
		assert.InDelta(t, 100_000*math.Exp(-0.7), b.Balance(), 0.01)
	})
}

// All calls fail, 100 a second for a minute, each wanting as many retries as
// it can get.
func TestBudgetBoundsSteadyFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := resilience.NewBudget(resilience.BudgetConfig{})
		retries := 0
		for range 6000 {
			b.Deposit()
			retries += drain(b)
			time.Sleep(10 * time.Millisecond)
		}
		most := 6000*0.2 + 30 + 3*60
		assert.LessOrEqual(t, float64(retries), most)
		assert.Greater(t, float64(retries), most*0.99, "what is earned can be spent")
	})
}

// What a deposit lacks of a token comes from the floor.
func TestBudgetCombinesDepositsAndFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := resilience.NewBudget(resilience.BudgetConfig{Ratio: 0.5, MinPerSecond: 0.05, Window: 10 * time.Second})
		assert.False(t, b.Withdraw(), "the floor holds half a token")
		assert.InDelta(t, 0.5, b.Balance(), 1e-6, "a refusal costs nothing")
		b.Deposit()
		assert.True(t, b.Withdraw())
		assert.InDelta(t, 0, b.Balance(), 1e-6)
	})
}

func TestBudgetConfigBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nothing := resilience.NewBudget(resilience.BudgetConfig{Ratio: none, MinPerSecond: none})
		nothing.Deposit()
		assert.Zero(t, nothing.Balance())
		assert.False(t, nothing.Withdraw())

		nan := resilience.NewBudget(resilience.BudgetConfig{Ratio: math.NaN(), MinPerSecond: math.NaN()})
		nan.Deposit()
		assert.False(t, nan.Withdraw())

		huge := resilience.NewBudget(resilience.BudgetConfig{Ratio: math.Inf(1), MinPerSecond: math.Inf(1), Window: math.MaxInt64})
		huge.Deposit()
		assert.True(t, huge.Withdraw())
		time.Sleep(time.Hour)
		assert.True(t, huge.Withdraw())

		tiny := resilience.NewBudget(resilience.BudgetConfig{Ratio: none, MinPerSecond: math.SmallestNonzeroFloat64})
		time.Sleep(time.Hour)
		assert.False(t, tiny.Withdraw())
	})
}

// Nothing is lost and nothing is made, whoever competes.
func TestBudgetConservesTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in which time stands still
		b := resilience.NewBudget(resilience.BudgetConfig{})
		var deposits, withdrawals atomic.Int64
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 5000 {
					if (g+i)%5 < 3 {
						b.Deposit()
						deposits.Add(1)
					} else if b.Withdraw() {
						withdrawals.Add(1)
					}
				}
			})
		}
		wg.Wait()
		earned := float64(deposits.Load())*0.2 + 30
		assert.InDelta(t, earned, float64(withdrawals.Load())+b.Balance(), 1e-3)
		rest := drain(b)
		assert.LessOrEqual(t, float64(withdrawals.Load())+float64(rest), earned)
	})
}

func TestBudgetAllocatesNothing(t *testing.T) {
	b := resilience.NewBudget(resilience.BudgetConfig{})
	assert.Zero(t, testing.AllocsPerRun(100, b.Deposit))
	assert.Zero(t, testing.AllocsPerRun(100, func() { b.Withdraw() }))
}

func BenchmarkBudget(b *testing.B) {
	budget := resilience.NewBudget(resilience.BudgetConfig{})
	b.Run("Deposit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			budget.Deposit()
		}
	})
	b.Run("Deposit/parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				budget.Deposit()
			}
		})
	})
	b.Run("Withdraw", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			budget.Withdraw()
		}
	})
}
