package resilience

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// endpoints returns n accounts of 1000 attempts each, of which bad ones
// succeed at badRate, and the others at goodRate.
func endpoints(n, bad int, badRate, goodRate float64) []OutlierAccount {
	accounts := make([]OutlierAccount, n)
	for i := range accounts {
		rate := goodRate
		if i < bad {
			rate = badRate
		}
		accounts[i].Successes = uint64(math.Round(1000 * rate))
		accounts[i].Failures = 1000 - accounts[i].Successes
	}
	return accounts
}

// verdicts judges the accounts and returns the reasons, by index.
func verdicts(cfg OutlierConfig, accounts []OutlierAccount) map[int]Reason {
	ejects := NewOutliers(cfg).Judge(accounts)
	found := make(map[int]Reason)
	for i, a := range accounts {
		if a.Verdict != noReason {
			found[i] = a.Verdict
		}
	}
	if ejects != (len(found) > 0) {
		panic("Judge reports what it did not do")
	}
	return found
}

// rateOnly is the first rule alone, without a cap.
var rateOnly = OutlierConfig{FailureRatio: -1, MaxEjected: 1}

// One dead endpoint among n is √(n−1) standard deviations of the population
// away from the mean, k of them √((n−k)/k).
func TestOutlierDeviations(t *testing.T) {
	for _, c := range []struct{ n, k int }{{2, 1}, {5, 1}, {10, 1}, {100, 1}, {10, 2}, {23, 5}, {24, 5}, {100, 50}} {
		mean, stdev := successRates(endpoints(c.n, c.k, 0, 1), 100)
		assert.InDelta(t, float64(c.n-c.k)/float64(c.n), mean, 1e-12)
		assert.InDelta(t, math.Sqrt(float64(c.n-c.k)/float64(c.k)), mean/stdev, 1e-9, "%d of %d", c.k, c.n)
	}
}

func TestOutlierSuccessRate(t *testing.T) {
	for _, c := range []struct {
		name     string
		accounts []OutlierAccount
		cfg      OutlierConfig
		want     int // so many of the first
	}{
		{"one dead of 5, 2.0 deviations", endpoints(5, 1, 0, 1), rateOnly, 1},
		{"a factor of 2 is not exceeded", endpoints(5, 1, 0, 1), OutlierConfig{StdevFactor: 2, FailureRatio: -1}, 0},
		{"one dead of 4: too few to compare", endpoints(4, 1, 0, 1), rateOnly, 0},
		{"5 of 24 dead, 20.8 %", endpoints(24, 5, 0, 1), rateOnly, 5},
		{"5 of 23 dead, 21.7 %: no outliers", endpoints(23, 5, 0, 1), rateOnly, 0},
		{"one at a half of 10", endpoints(10, 1, 0.5, 1), rateOnly, 1},
		{"all are equally bad", endpoints(10, 0, 0, 0.3), rateOnly, 0},
		{"all are dead", endpoints(10, 10, 0, 1), rateOnly, 0},
		{"all is well", endpoints(10, 0, 0, 1), rateOnly, 0},
		{"99.0 among 99.9 %", endpoints(20, 1, 0.99, 0.999), rateOnly, 0},
		{"99.0 among 99.9 %, without a margin", endpoints(20, 1, 0.99, 0.999), OutlierConfig{Margin: -1, FailureRatio: -1}, 1},
		{"equal rates, without a margin", endpoints(7, 0, 0, 0.1), OutlierConfig{Margin: -1, FailureRatio: -1}, 0},
		{"just within the margin", endpoints(20, 1, 0.95, 1), rateOnly, 0}, // the mean is 0.9975
		{"just beyond it", endpoints(20, 1, 0.947, 1), rateOnly, 1},
		{"the rule is off", endpoints(10, 1, 0, 1), OutlierConfig{StdevFactor: -1, FailureRatio: -1}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := make(map[int]Reason)
			for i := range c.want {
				want[i] = ErrEjectedSuccessRate
			}
			assert.Equal(t, want, verdicts(c.cfg, c.accounts))
		})
	}
}

// The deviations are those of endpoints with enough attempts that are not
// ejected already.
func TestOutlierWhoCounts(t *testing.T) {
	accounts := endpoints(6, 1, 0, 1)
	accounts[1] = OutlierAccount{Failures: 99} // too few to say anything
	assert.Equal(t, map[int]Reason{0: ErrEjectedSuccessRate}, verdicts(rateOnly, accounts))
	accounts[2] = OutlierAccount{}
	assert.Empty(t, verdicts(rateOnly, accounts), "four are left to compare")

	accounts = endpoints(25, 5, 0, 1)
	for i := 1; i < 5; i++ {
		accounts[i].Ejected = true
	}
	mean, _ := successRates(accounts, 100)
	assert.InDelta(t, 20.0/21, mean, 1e-12)
	assert.Equal(t, map[int]Reason{0: ErrEjectedSuccessRate}, verdicts(rateOnly, accounts),
		"who is ejected is not ejected again")
}

func TestOutlierFailureRatio(t *testing.T) {
	ratioOnly := OutlierConfig{StdevFactor: -1, MaxEjected: 1}
	account := func(successes, failures uint64) []OutlierAccount {
		accounts := endpoints(5, 0, 0, 1)
		accounts[0] = OutlierAccount{Successes: successes, Failures: failures}
		return accounts
	}
	found := map[int]Reason{0: ErrEjectedFailureRatio}
	assert.Equal(t, found, verdicts(ratioOnly, account(15, 85)), "85 % is enough")
	assert.Empty(t, verdicts(ratioOnly, account(151, 849)))
	assert.Equal(t, found, verdicts(ratioOnly, account(0, 50)))
	assert.Empty(t, verdicts(ratioOnly, account(0, 49)), "and nobody else is to blame: four count")
	assert.Equal(t, found, verdicts(OutlierConfig{StdevFactor: -1, FailureRatio: 0.07}, account(93, 7)), "no rounding error")
	assert.Empty(t, verdicts(OutlierConfig{StdevFactor: -1, FailureRatio: -1}, account(0, 100)))

	outage := endpoints(10, 10, 0, 0)
	assert.Len(t, verdicts(ratioOnly, outage), 9, "it knows no scruple, but leaves one")
	assert.Len(t, verdicts(OutlierConfig{}, outage), 1, "but for the cap")
	assert.Equal(t, map[int]Reason{0: ErrEjectedSuccessRate}, verdicts(OutlierConfig{}, endpoints(10, 1, 0, 1)),
		"where both rules apply the first is named")
}

// With 10 %: one of up to 19, two of 20, and so on; never the only one.
func TestOutlierCap(t *testing.T) {
	for n, want := range map[int]int{1: 0, 2: 1, 5: 1, 10: 1, 19: 1, 20: 2, 29: 2, 30: 3, 100: 10} {
		assert.Equal(t, want, NewOutliers(OutlierConfig{}).maxEjected(n), "of %d", n)
	}
	assert.Equal(t, 29, NewOutliers(OutlierConfig{MaxEjected: 0.29}).maxEjected(100), "no rounding error")
	assert.Equal(t, 1, NewOutliers(OutlierConfig{MaxEjected: -1}).maxEjected(100))
	assert.Equal(t, 99, NewOutliers(OutlierConfig{MaxEjected: 5}).maxEjected(100))

	assert.Equal(t, map[int]Reason{0: ErrEjectedSuccessRate}, verdicts(OutlierConfig{}, endpoints(10, 2, 0, 1)), "the first of two")
	accounts := endpoints(30, 4, 0, 1)
	accounts[2].Successes = 100 // not as bad as the other three
	accounts[2].Failures = 900
	want := map[int]Reason{0: ErrEjectedSuccessRate, 1: ErrEjectedSuccessRate, 3: ErrEjectedSuccessRate}
	assert.Equal(t, want, verdicts(OutlierConfig{}, accounts), "the worst")
	accounts[0].Ejected, accounts[1].Ejected = true, true
	assert.Equal(t, map[int]Reason{3: ErrEjectedSuccessRate}, verdicts(OutlierConfig{}, accounts))
	accounts[3].Ejected = true
	assert.Empty(t, verdicts(OutlierConfig{}, accounts), "three of 30 are ejected")
}

func TestOutlierDegenerate(t *testing.T) {
	careless := OutlierConfig{MinEndpoints: -1, SuccessRateRequests: -1, FailureRatioRequests: -1, Margin: -1, MaxEjected: 1}
	assert.Empty(t, verdicts(careless, nil))
	assert.Empty(t, verdicts(careless, make([]OutlierAccount, 3)), "nobody has done anything")
	assert.Empty(t, verdicts(careless, []OutlierAccount{{Failures: 1}}), "the only one")
	assert.Len(t, verdicts(careless, []OutlierAccount{{Failures: 1}, {}}), 1)
	nan := OutlierConfig{StdevFactor: math.NaN(), Margin: math.NaN(), FailureRatio: math.NaN(), MaxEjected: math.NaN()}
	assert.Empty(t, verdicts(nan, endpoints(10, 1, 0, 1)))
	stale := endpoints(5, 0, 0, 1)
	stale[0].Verdict = ErrEjectedSuccessRate
	assert.Empty(t, verdicts(OutlierConfig{}, stale), "an old verdict is none")
}

func TestOutlierAllocatesNothing(t *testing.T) {
	o := NewOutliers(OutlierConfig{})
	accounts := endpoints(100, 5, 0.2, 1)
	require.True(t, o.Judge(accounts))
	assert.Zero(t, testing.AllocsPerRun(100, func() { o.Judge(accounts) }))
}

func BenchmarkOutliers(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			o := NewOutliers(OutlierConfig{})
			accounts := endpoints(n, n/10, 0.2, 1)
			for b.Loop() {
				o.Judge(accounts)
			}
		})
	}
}
