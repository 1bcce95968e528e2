package balancer

import (
	"math"
	"sync/atomic"
	"time"
)

const (
	// DefaultC3Candidates is how many endpoints a pick of [C3] compares: as
	// many as there are replicas of a piece of data, in the paper.
	DefaultC3Candidates = 3

	maxC3Candidates = 16

	// c3Sample is what the latest sample counts for in an average. The value of
	// the authors' code.
	c3Sample = 0.9

	// c3Fade is after how long half of the score of an endpoint has faded that
	// is not confirmed, so that each is tried again in time, and c3QueueFade
	// after how long half of what it said of its queue has.
	c3Fade      = 10 * time.Second
	c3QueueFade = time.Second
)

// A C3Config says how many endpoints are compared, and how. The zero value
// means the defaults.
type C3Config struct {
	// Candidates is how many endpoints a pick draws and compares. Default
	// [DefaultC3Candidates]; 16 at most.
	Candidates int

	// Clients is how many clients call the service: each call of ours that is
	// in flight stands for one of each of them. Default 1. The larger it is, the
	// more a single call in flight keeps away the next.
	Clients int
}

func (c C3Config) normal() C3Config {
	if c.Candidates <= 0 {
		c.Candidates = DefaultC3Candidates
	}
	c.Candidates = min(c.Candidates, maxC3Candidates)
	c.Clients = max(c.Clients, 1)
	return c
}

// C3 draws some endpoints at random and picks the one of the least score:
//
//	R − 1/µ + q³/µ    where q = 1 + in flight · Clients + queue
//
// R is the latency that this client sees, 1/µ the time that the endpoint works
// on a call ([Report].ServiceTime), and the queue what it says to have in flight
// (Report.InFlight). The first difference is what distance and everything else
// costs; the cube keeps queues short. What was reported of the queue
// counts half after a second.
//
// The score is multiplied by a penalty for recent failures, which are never
// samples of a latency: to the original, an endpoint that fails at once has no
// queue and no latency, and looks perfect. What is not measured yet is tried
// at once, and what has not been picked for long looks better with time, as
// with [PeakEWMA].
//
// Use it where servers send reports, as an alternative to [Prequal] that needs
// no probes. Where they report no service time, it is taken to be the reported
// latency, or ours, over the number of calls in flight there, as if calls were
// worked off one by one. Without any reports what is left is
// latency · (1 + in flight · Clients)³, and [ShortestExpectedDelay] is the
// better choice.
//
// The rule is that of Suresh, Canini, Schmid and Feldmann, "C3: Cutting Tail
// Latency in Cloud Data Stores via Adaptive Replica Selection", NSDI 2015,
// without its control of rates. A pick costs a random number and a few readings
// for each candidate. No shared state is written.
func C3(cfg C3Config) Policy {
	cfg = cfg.normal()
	return func(set Set) Picker {
		if len(set.Available) == 0 {
			return PickerFunc(noEndpoints)
		}
		p := &c3{chooserOf(set), cfg, make([]*ranked, len(set.Available))}
		for i, e := range set.Available {
			p.ranks[i] = ranks.Of(e)
		}
		return p
	}
}

type c3 struct {
	chooser
	cfg   C3Config
	ranks []*ranked // of the endpoints
}

func (p *c3) Pick(info PickInfo) (*Endpoint, error) {
	var space [maxC3Candidates]int
	drawn := p.several(info.Tried, space[:p.cfg.Candidates])
	if len(drawn) == 1 {
		return p.endpoints[drawn[0]], nil
	}
	now := stamp(info.now(p.service))
	best, least := drawn[0], math.Inf(1)
	for _, i := range drawn {
		if score := p.ranks[i].score(p.endpoints[i].InFlight(), p.cfg.Clients, now); score < least {
			best, least = i, score
		}
	}
	return p.endpoints[best], nil
}

// A ranked is what C3 knows of an endpoint.
type ranked struct {
	latency atomic.Uint64 // decaying: R in ns
	queue   atomic.Uint64 // decaying: calls, of all clients
	service atomic.Uint64 // decaying: 1/µ in ns
	penalty penalty
	_       [32]byte
}

var ranks = NewKey[ranked]()

// score is the endpoint's, by the formula above.
func (r *ranked) score(inFlight int64, clients int, now uint32) float64 {
	var queue float64
	if word := r.queue.Load(); word != 0 {
		told := unpack(word)
		queue = float64(told.value) * fade(told.age(now), c3QueueFade)
	}
	penalty := r.penalty.factor(now)
	measured := unpack(r.latency.Load())
	latency, left := float64(measured.value), 1.
	if latency == 0 {
		if inFlight == 0 && penalty < forgiven {
			return 0
		}
		latency = unmeasured
	} else {
		left = fade(measured.age(now), c3Fade)
	}
	service := float64(unpack(r.service.Load()).value)
	if service == 0 {
		service = latency / (queue + 1)
	}
	q := 1 + float64(inFlight)*float64(clients) + queue
	return (max(0, latency-service) + q*q*q*service) * left * penalty
}

// fade returns what is left of something after a time, half of it after tau. It
// is cheaper than an exponential, and picks need it.
func fade(age uint32, tau time.Duration) float64 {
	return float64(tau) / float64(tau+time.Duration(age)*time.Millisecond)
}

// End has a success forgive.
func (r *ranked) End(a Attempt) { r.penalty.end(a) }

// Observe enters a success. An ignored attempt counts against an endpoint only
// if it has never answered.
func (r *ranked) Observe(a Attempt, outcome Outcome, at time.Duration) {
	now := stamp(at)
	switch outcome {
	case Success:
		enter(&r.latency, now, float64(at-a.start))
	case Failure:
		r.penalty.add(now, failurePenalty)
	case Busy:
		r.penalty.add(now, busyPenalty)
	case Ignored:
		if r.latency.Load() == 0 {
			r.penalty.add(now, busyPenalty)
		}
	}
}

// Report enters what the endpoint says.
func (r *ranked) Report(_ *Endpoint, report Report) {
	now := stamp(report.At)
	if report.HasInFlight && report.InFlight >= 0 {
		enter(&r.queue, now, report.InFlight)
	}
	switch {
	case report.ServiceTime > 0:
		enter(&r.service, now, float64(report.ServiceTime))
	case report.Latency > 0 && report.HasInFlight && report.InFlight >= 0:
		enter(&r.service, now, float64(report.Latency)/(report.InFlight+1))
	}
}

// enter moves an average towards a sample.
func enter(average *atomic.Uint64, now uint32, sample float64) {
	for range tries {
		old := average.Load()
		d := decaying{value: float32(sample), stamp: now}
		if old != 0 {
			d.value = float32(float64(unpack(old).value)*(1-c3Sample) + sample*c3Sample)
		}
		if average.CompareAndSwap(old, d.pack()) {
			return
		}
	}
}
