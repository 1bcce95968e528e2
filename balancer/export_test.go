package balancer

import "time"

// PeakLatency is what PeakEWMA takes an endpoint's latency for.
func PeakLatency(e *Endpoint) time.Duration {
	return time.Duration(unpack(peaks.Of(e).latency.Load()).at(stamp(e.service.Now()), peakRate))
}

// PeakPenalty is by how much PeakEWMA makes an endpoint look slower.
func PeakPenalty(e *Endpoint) float64 { return peaks.Of(e).penalty.factor(stamp(e.service.Now())) }
