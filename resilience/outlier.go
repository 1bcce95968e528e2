package resilience

import "math"

const (
	defaultOutlierStdev        = 1.9
	defaultOutlierMargin       = 0.05
	defaultOutlierRequests     = 100
	defaultOutlierFailureRatio = 0.85
	defaultOutlierMinRequests  = 50
	defaultOutlierMinEndpoints = 5
	defaultMaxEjected          = 0.1

	rounding = 1e-9 // by which floating-point numbers may be off
)

// An OutlierConfig says which endpoint of a service is an outlier.
type OutlierConfig struct {
	// StdevFactor is by how many standard deviations an endpoint's success
	// rate must be below the mean of all endpoints'. Default 1.9. Negative:
	// this rule is off. Not above 1.9 or so with few endpoints: one among n
	// is never further away than √(n−1).
	StdevFactor float64

	// Margin is by how much, from 0 to 1, it must be below the mean besides.
	// Without it, where all is well, an endpoint with 99.0 % would be an
	// outlier among those with 99.9 %. Default 0.05. Negative: none.
	Margin float64

	// SuccessRateRequests is the number of attempts without which an
	// endpoint's success rate says nothing. Default 100; a negative number
	// means 1.
	SuccessRateRequests int

	// FailureRatio is the share of failures from which on an endpoint is an
	// outlier, whatever the others do. Default 0.85. Negative: this rule is
	// off.
	FailureRatio float64

	// FailureRatioRequests is the number of attempts without which the share
	// says nothing. Default 50; a negative number means 1.
	FailureRatioRequests int

	// MinEndpoints is the number of endpoints with as many attempts as a rule
	// asks for, without which the rule is not applied. Default 5; a negative
	// number means 1.
	MinEndpoints int

	// MaxEjected is the greatest share of the endpoints that may be ejected
	// at a time, those included that are already. It is rounded down, but
	// one may always be, unless it is the only one. Default 0.1. Negative:
	// none but that one.
	MaxEjected float64
}

func (c OutlierConfig) normal() OutlierConfig {
	c.StdevFactor = normalRate(c.StdevFactor, defaultOutlierStdev, 1e6)
	c.Margin = normalRate(c.Margin, defaultOutlierMargin, 1)
	c.SuccessRateRequests = normalCount(c.SuccessRateRequests, defaultOutlierRequests)
	c.FailureRatio = normalRate(c.FailureRatio, defaultOutlierFailureRatio, 1)
	c.FailureRatioRequests = normalCount(c.FailureRatioRequests, defaultOutlierMinRequests)
	c.MinEndpoints = normalCount(c.MinEndpoints, defaultOutlierMinEndpoints)
	c.MaxEjected = normalRate(c.MaxEjected, defaultMaxEjected, 1)
	return c
}

// normalCount replaces 0 by the default, and a negative number by 1.
func normalCount(n, byDefault int) int {
	if n == 0 {
		return byDefault
	}
	return max(n, 1)
}

// An OutlierAccount is what is known of one endpoint.
type OutlierAccount struct {
	// Successes and Failures are those of the last interval.
	Successes, Failures uint64

	// Ejected says that the endpoint is ejected already. What it did, as a
	// trial say, does not count, and it is not judged.
	Ejected bool

	// Verdict is the judgment: [ErrEjectedSuccessRate],
	// [ErrEjectedFailureRatio], or zero if the endpoint is to stay.
	Verdict Reason
}

// counts reports whether the account has what a rule goes by.
func (a *OutlierAccount) counts(requests int) bool {
	return !a.Ejected && a.Successes+a.Failures >= uint64(requests)
}

func (a *OutlierAccount) successRate() float64 {
	return float64(a.Successes) / float64(a.Successes+a.Failures)
}

// Outliers finds the endpoints of a service that fail far more often than the
// others, though not often enough in a row for a [Breaker]. Once an interval,
// of 10 s say, its owner has it judge what each did in the interval, and ejects
// those that it names: see [Ejection].
//
// It finds outliers, no outages. Where k of n endpoints are equally dead, each
// of them is √((n−k)/k) standard deviations away from the mean. So with 1.9 of
// them none is found from 21.7 % on, which is as it should be: the fault is
// likely elsewhere then. The second rule, of a fixed share, has no such scruple,
// but for MaxEjected.
//
// The rules and figures are Envoy's outlier detection and gRPC's A50, but for
// the Margin, and for the failure ratio, which Envoy has off. MaxEjected is
// Envoy's with always_eject_one_host: one endpoint of up to 19 may be ejected,
// two of 20. If more are outliers, the worst are ejected. Outliers is immutable and
// may be used concurrently.
type Outliers struct{ cfg OutlierConfig }

// NewOutliers returns a detector.
func NewOutliers(cfg OutlierConfig) *Outliers { return &Outliers{cfg.normal()} }

// Judge sets the Verdict of all accounts, which are those of all endpoints of a
// service, and reports whether any is to be ejected. Of two that are equally
// bad the first is. It allocates nothing, and takes time in proportion to the
// number of accounts times that of verdicts.
func (o *Outliers) Judge(accounts []OutlierAccount) bool {
	ejected := 0
	for i := range accounts {
		accounts[i].Verdict = noReason
		if accounts[i].Ejected {
			ejected++
		}
	}
	before := ejected
	lowestRate := o.lowestSuccessRate(accounts)
	byRatio := o.cfg.FailureRatio > 0 && o.enough(accounts, o.cfg.FailureRatioRequests)
	for limit := o.maxEjected(len(accounts)); ejected < limit; ejected++ {
		var worst *OutlierAccount
		var reason Reason
		for i := range accounts {
			a := &accounts[i]
			if a.Verdict != noReason || worst != nil && a.successRate() >= worst.successRate() {
				continue
			}
			switch {
			case a.counts(o.cfg.SuccessRateRequests) && a.successRate() < lowestRate:
				worst, reason = a, ErrEjectedSuccessRate
			case byRatio && a.counts(o.cfg.FailureRatioRequests) && 1-a.successRate() > o.cfg.FailureRatio-rounding:
				worst, reason = a, ErrEjectedFailureRatio
			}
		}
		if worst == nil {
			break
		}
		worst.Verdict = reason
	}
	return ejected > before
}

// lowestSuccessRate returns the rate below which an endpoint is an outlier.
func (o *Outliers) lowestSuccessRate(accounts []OutlierAccount) float64 {
	if o.cfg.StdevFactor == 0 || !o.enough(accounts, o.cfg.SuccessRateRequests) {
		return 0
	}
	mean, stdev := successRates(accounts, o.cfg.SuccessRateRequests)
	return mean - max(o.cfg.StdevFactor*stdev, o.cfg.Margin) - rounding
}

// successRates returns the mean and the standard deviation, which is that of a
// whole population and not of a sample of it, of the success rates that count.
func successRates(accounts []OutlierAccount, requests int) (mean, stdev float64) {
	n, sum := 0.0, 0.0
	for i := range accounts {
		if a := &accounts[i]; a.counts(requests) {
			n++
			sum += a.successRate()
		}
	}
	mean = sum / n
	squares := 0.0
	for i := range accounts {
		if a := &accounts[i]; a.counts(requests) {
			squares += (a.successRate() - mean) * (a.successRate() - mean)
		}
	}
	return mean, math.Sqrt(squares / n)
}

// enough reports whether a rule has enough endpoints to go by.
func (o *Outliers) enough(accounts []OutlierAccount, requests int) bool {
	n := 0
	for i := range accounts {
		if accounts[i].counts(requests) {
			n++
		}
	}
	return n >= o.cfg.MinEndpoints
}

// maxEjected returns how many of n endpoints may be ejected at a time.
func (o *Outliers) maxEjected(n int) int {
	return min(max(int(o.cfg.MaxEjected*float64(n)+rounding), 1), n-1)
}
