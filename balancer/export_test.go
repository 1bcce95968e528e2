package balancer

import "time"

// PeakLatency is what PeakEWMA takes an endpoint's latency for.
func PeakLatency(e *Endpoint) time.Duration {
	return time.Duration(unpack(peaks.Of(e).latency.Load()).at(stamp(e.service.Now()), peakRate))
}

// PeakPenalty is by how much PeakEWMA makes an endpoint look slower.
func PeakPenalty(e *Endpoint) float64 { return peaks.Of(e).penalty.factor(stamp(e.service.Now())) }

// PrequalReuse is how often an answer is used in a pool of m for n endpoints.
func PrequalReuse(cfg PrequalConfig, m, n int) float64 { return cfg.normal().reuse(m, n) }

// Pooled is how many answers there are.
func Pooled(s *Service) (n int) {
	for i := range pools.OfService(s).answers {
		if pools.OfService(s).answers[i].Load() != nil {
			n++
		}
	}
	return n
}

// Uses is how often the answer of an endpoint may be used yet.
func Uses(e *Endpoint) (n int) {
	for i := range pools.OfService(e.service).answers {
		if a := pools.OfService(e.service).answers[i].Load(); a != nil && a.endpoint == e {
			n += int(a.left.Load())
		}
	}
	return n
}

// C3Score is C3's score of an endpoint, in milliseconds.
func C3Score(e *Endpoint, clients int) float64 {
	return ranks.Of(e).score(e.InFlight(), clients, stamp(e.service.Now())) / float64(time.Millisecond)
}
