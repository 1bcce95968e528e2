package balancer

// PeakEWMA draws two different endpoints at random and picks the one where a
// call is expected to be over first:
//
//	latency · (in flight + 1) · penalty
//
// The latency is a decaying peak ([Endpoint.Latency]): it jumps up with one
// slow answer and comes down slowly, so that an endpoint in trouble is left
// alone before its queue is long. The penalty ([Endpoint.Penalty]) makes one
// that fails look slow, however fast it fails.
//
// An endpoint that has not been measured is picked at once if it is idle and
// has not failed, because it must be measured. While it waits for that first
// answer, or if all it did was fail, it loses against any that has been
// measured. Among such, fewer calls in flight and fewer failures win. As a
// latency that is not confirmed fades, each endpoint is tried again in time.
//
// Use it as the usual choice, and above all where endpoints differ in speed or
// distance or fall ill on their own. Where the calls themselves differ widely
// in cost, an expensive call makes its endpoint look slow, and [LeastRequest]
// is steadier. Weights are not looked at: an endpoint of double capacity shows
// it in its latency.
//
// The rule is Finagle's and Linkerd's (Finagle's PeakEwma.scala), the penalty
// after Linkerd's load biaser. A pick costs two random numbers, a reading of
// the clock, and two endpoints read. No shared state is written.
func PeakEWMA(set Set) Picker {
	if len(set.Available) == 0 {
		return PickerFunc(noEndpoints)
	}
	return &peakEWMA{set.Available}
}

type peakEWMA struct{ endpoints []*Endpoint }

const (
	// unmeasured is the latency of an endpoint that is waiting for its first
	// answer: longer than any that can be measured, 292 years.
	unmeasured = 1e19

	// forgiven is the penalty below which an endpoint without an answer so far
	// gets another chance: 15 s after a single failure.
	forgiven = 1.5
)

func (p *peakEWMA) Pick(info PickInfo) (*Endpoint, error) {
	a, b := two(p.endpoints, info.Tried)
	if b == nil {
		return a, nil
	}
	now := coarseNow()
	loadA, loadB := peakLoad(a, now), peakLoad(b, now)
	if loadB < loadA || loadB == loadA && b.InFlight() < a.InFlight() {
		return b, nil
	}
	return a, nil
}

func peakLoad(e *Endpoint, now uint32) float64 {
	latency, penalty, inFlight := e.latencyAt(now), e.penaltyAt(now), e.InFlight()
	if latency < 1 {
		if inFlight == 0 && penalty < forgiven {
			return 0
		}
		latency = unmeasured
	}
	return latency * float64(inFlight+1) * penalty
}
