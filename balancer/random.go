package balancer

// Random picks each endpoint with the same probability.
//
// Use it as the yardstick for other policies, or where calls cost so little
// that any measuring would cost more. Prefer [RoundRobin] for a single busy
// client, since chance alone gives the busiest of n endpoints about
// ln n / ln ln n times its share of a burst, and the policies that look at
// load for everything else.
//
// A pick costs one random number. There is no state, shared or other.
func Random(set Set) Picker {
	if len(set.Available) == 0 {
		return PickerFunc(noEndpoints)
	}
	return &random{chooserOf(set)}
}

type random struct{ chooser }

func (p *random) Pick(info PickInfo) (*Endpoint, error) {
	return p.endpoints[p.one(info.Tried)], nil
}
