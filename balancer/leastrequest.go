package balancer

// LeastRequest draws two different endpoints at random and picks the one with
// fewer calls in flight for its weight: the lesser (in flight + 1) / weight.
// The 1 stands for the call to be placed; without it an idle endpoint of small
// weight would look as good as an idle one of large weight. A tie goes to the
// one drawn first, so calls to idle endpoints are spread evenly.
//
// Two choices are enough to bring the longest queue from ln n / ln ln n down
// to ln ln n; a third gains little (Azar, Broder, Karlin, Upfal, "Balanced
// Allocations", 1994; Mitzenmacher, "The Power of Two Choices in Randomized
// Load Balancing", 2001). They must be different: the same endpoint drawn
// twice is no choice, which with two endpoints would be half of all picks.
//
// Use it where calls differ in cost and latencies are too irregular to
// average. It counts only what this client has in flight, so it tells little
// where many clients have few calls each. An endpoint that fails at once is
// always idle and thus attractive; breakers limit that, [PeakEWMA] avoids it.
//
// A pick costs two random numbers and reads two counters. No shared state is
// written.
func LeastRequest(set Set) Picker {
	if len(set.Available) == 0 {
		return PickerFunc(noEndpoints)
	}
	return &leastRequest{chooserOf(set)}
}

type leastRequest struct{ chooser }

func (p *leastRequest) Pick(info PickInfo) (*Endpoint, error) {
	i, j := p.two(info.Tried)
	a, b := p.endpoints[i], p.endpoints[j]
	if lessLoaded(b, a) {
		return b, nil
	}
	return a, nil
}

// lessLoaded compares (in flight + 1) / weight without dividing.
func lessLoaded(a, b *Endpoint) bool {
	return (a.InFlight()+1)*int64(b.Weight()) < (b.InFlight()+1)*int64(a.Weight())
}
