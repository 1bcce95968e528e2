package balancer

import (
	"sync/atomic"
	"time"
)

// The defaults of a [WeightedByUtilizationConfig], which are those of gRPC.
const (
	DefaultWeightBlackout   = 10 * time.Second
	DefaultWeightExpiration = 3 * time.Minute
	DefaultWeightUpdate     = time.Second
	minWeightUpdate         = 100 * time.Millisecond

	// maxWeightRatio is how many times the mean a weight may be, and as small a
	// part of it.
	maxWeightRatio = 10
)

// A WeightedByUtilizationConfig says when reports count, and how much. The zero
// value means the defaults.
type WeightedByUtilizationConfig struct {
	// Blackout is how long an endpoint must have sent reports before they
	// count: the first ones are those of a copy that warms up. Default 10 s;
	// negative means that they count at once.
	Blackout time.Duration

	// Expiration is how long the last report of an endpoint holds. Without a new
	// one its weight is unknown afterwards, and the blackout begins anew.
	// Default 3 min.
	Expiration time.Duration

	// Update is how often the shares are reckoned anew. Default 1 s, and 100 ms
	// at least.
	Update time.Duration

	// ErrorPenalty is what an endpoint's share of failed calls adds to its
	// utilization: with 1, an endpoint of which all calls fail looks as if its
	// whole capacity were used on top. Default 1; negative means 0.
	ErrorPenalty float64
}

func (c WeightedByUtilizationConfig) normal() WeightedByUtilizationConfig {
	if c.Blackout == 0 {
		c.Blackout = DefaultWeightBlackout
	}
	if c.Expiration <= 0 {
		c.Expiration = DefaultWeightExpiration
	}
	if c.Update == 0 {
		c.Update = DefaultWeightUpdate
	}
	c.Update = max(c.Update, minWeightUpdate)
	if c.ErrorPenalty == 0 {
		c.ErrorPenalty = 1
	}
	c.ErrorPenalty = max(c.ErrorPenalty, 0)
	return c
}

// WeightedByUtilization is a round robin in which an endpoint's share follows
// what it gets done for the capacity that it uses, by its own [Report]s:
//
//	weight = Rate / (Utilization + Errors/Rate · ErrorPenalty)
//
// An endpoint that spends c of its capacity on each call reports the
// utilization c·Rate, whatever share it has at present, so its weight is 1/c,
// and one update brings all to the same utilization. Rate must count calls that
// are completed: by those that arrive, a server that is overloaded and answers
// nothing in time would look efficient.
//
// A report without a Utilization or a Rate is ignored, and counts as none. While
// the weight of an endpoint is not known, it has the mean of those that are.
// While fewer than two are known, and where all are alike, it is [RoundRobin].
// No weight counts as more than ten times the mean, nor less than a tenth.
//
// Use it where endpoints differ in capacity, calls do not differ much in cost,
// and each client sends too few calls to measure anything itself: reports speak
// of all clients' calls. It follows within seconds, not milliseconds, and evens
// out the use of capacity and not the wait: where neighbors on the same machine
// take turns to be noisy, or endpoints fall ill, [ShortestExpectedDelay] and
// [Prequal] are far better. It needs reports, and for them servers that send
// any. Weights from the registry are not looked at.
//
// The rule and its defaults are gRPC's (weighted_round_robin, gRFC A58). A
// retry goes to a random endpoint that has not been tried.
//
// A pick costs one atomic addition to a counter that all callers share, or a
// few: as many in the mean as the largest weight exceeds the mean. Once in an
// Update period one pick reckons the shares anew, in O(n), and allocates.
func WeightedByUtilization(cfg WeightedByUtilizationConfig) Policy {
	cfg = cfg.normal()
	return func(set Set) Picker {
		if len(set.Available) == 0 {
			return PickerFunc(noEndpoints)
		}
		p := &byUtilization{chooser: chooserOf(set), cfg: cfg}
		p.endpoints = p.shuffled()
		p.usages = make([]*usage, len(p.endpoints))
		for i, e := range p.endpoints {
			p.usages[i] = usages.Of(e)
			p.usages[i].expiration.Store(int64(cfg.Expiration))
		}
		p.turn.begin(p.service)
		now := p.service.Now()
		p.due.Store(int64(now + cfg.Update))
		p.reckon(now)
		return p
	}
}

type byUtilization struct {
	chooser
	cfg      WeightedByUtilizationConfig
	usages   []*usage // of the endpoints
	schedule atomic.Pointer[stride]
	due      atomic.Int64 // when the schedule is too old
	turn     sequence
}

func (p *byUtilization) Pick(info PickInfo) (*Endpoint, error) {
	now := info.now(p.service)
	if due := p.due.Load(); int64(now) >= due && p.due.CompareAndSwap(due, int64(now+p.cfg.Update)) {
		p.reckon(now)
	}
	if len(info.Tried) > 0 {
		// The next in turn after the tried one would get all of the failing
		// endpoint's calls on top of its own.
		return p.endpoints[p.one(info.Tried)], nil
	}
	return p.endpoints[p.schedule.Load().next()], nil
}

// reckon makes a schedule of the weights of the moment.
func (p *byUtilization) reckon(now time.Duration) {
	weights := make([]float64, len(p.usages))
	for i, u := range p.usages {
		weights[i] = u.weight(now, p.cfg)
	}
	limit(weights)
	p.schedule.Store(newStride(weights, &p.turn))
}

// limit keeps known weights between a tenth and ten times their mean: one that
// gets no calls at all reports nothing any more.
func limit(weights []float64) {
	mean := meanOfKnown(weights)
	for i, w := range weights {
		if positive(w) {
			weights[i] = min(max(w, mean/maxWeightRatio), mean*maxWeightRatio)
		}
	}
}

// A usage is what an endpoint has last said of its utilization.
type usage struct {
	last       atomic.Pointer[utilized]
	expiration atomic.Int64 // as the latest picker has it
}

type utilized struct {
	rate, utilization, errors float64
	at, since                 time.Duration // the last report, and the first of those without a long pause
}

var usages = NewKey[usage]()

// Report takes note of a report that is of use.
func (u *usage) Report(_ *Endpoint, r Report) {
	if !positive(r.Utilization) || !positive(r.Rate) {
		return
	}
	now := &utilized{rate: r.Rate, utilization: r.Utilization, at: r.At, since: r.At}
	if positive(r.Errors) {
		now.errors = r.Errors
	}
	if last := u.last.Load(); last != nil && r.At-last.at < time.Duration(u.expiration.Load()) {
		now.since = last.since
	}
	u.last.Store(now)
}

// weight returns the endpoint's weight, or 0 if it is not known.
func (u *usage) weight(now time.Duration, cfg WeightedByUtilizationConfig) float64 {
	last := u.last.Load()
	if last == nil || now-last.at >= cfg.Expiration || now-last.since < cfg.Blackout {
		return 0
	}
	return last.rate / (last.utilization + last.errors/last.rate*cfg.ErrorPenalty)
}
