package balancer

import (
	"math"
	"sync/atomic"
)

const (
	// strideUnit is what the largest weight is scaled to.
	strideUnit = math.MaxUint16

	// strideOffset is by how much the phases of neighbors differ: strideUnit
	// over the golden ratio, and nothing in common with it. So the phases of
	// any run of entries are spread evenly, and each round takes the same
	// number of them. (gRPC's half of strideUnit makes two bundles of them,
	// which come and go together.)
	strideOffset = 40504

	// strideRatio is how many times the mean an entry may weigh. What weighs
	// more has several entries, so that few turns are skipped: at most
	// strideRatio in the mean.
	strideRatio = 2
)

// A stride takes turns by weight. It goes round and round over its entries and
// takes each in a share of the rounds that is its weight over the largest
// weight; which rounds, follows from their number alone. So all it changes is a
// counter, and over 65,535 rounds the shares are exact to one part in that.
//
// The rule is that of gRPC's static stride scheduler (gRFC A58, "client-side
// weighted round robin"; grpc-go, balancer/weightedroundrobin), but for
// the phases, see strideOffset, and for endpoints of many times the mean weight:
// there each of the others is skipped again and again, or such weights are cut.
// Here they are divided among several entries, spread over the round.
//
// A turn costs three additions and divisions in the mean, at any number of
// endpoints and whatever their weights; building is linear.
type stride struct {
	scaled []uint16  // by entry: its weight, the largest being strideUnit
	index  []int32   // by entry: which weight it is of; nil if each has one
	turn   *sequence // may be shared with the stride that this one replaces
}

// A sequence is a counter to take turns by, on cache lines of its own.
type sequence struct {
	_ [64]byte
	n atomic.Uint64
	_ [56]byte
}

// begin has a new sequence begin anywhere: clients that all began with the
// first endpoint would march in step. It does nothing to one that has begun.
func (s *sequence) begin(service *Service) { s.n.CompareAndSwap(0, 1+service.Uint64()>>32) }

// newStride returns a stride over weights, of which there is at least one. A
// weight that is not positive, or not finite, is unknown and taken for the mean
// of those known. The sequence lets a stride go on where another has stopped;
// strides that are in use at the same time must not share one, because each
// would see only some of its numbers.
func newStride(weights []float64, turn *sequence) *stride {
	mean := meanOfKnown(weights)
	entries := 0
	for _, w := range weights {
		entries += strideEntries(w, mean)
	}
	s := &stride{scaled: make([]uint16, entries), turn: turn}
	if entries > len(weights) {
		s.index = spread(weights, mean, entries)
	}
	largest := 0.0
	for _, w := range weights {
		largest = max(largest, known(w, mean)/float64(strideEntries(w, mean)))
	}
	for k := range s.scaled {
		w := weights[s.of(k)]
		share := known(w, mean) / float64(strideEntries(w, mean)) / largest
		s.scaled[k] = uint16(max(1, math.Round(share*strideUnit)))
	}
	return s
}

// next returns the index of the weight whose turn it is.
func (s *stride) next() int {
	for {
		if i, ok := s.at(s.turn.n.Add(1)); ok {
			return i
		}
	}
}

// at returns whose turn it is at a number, or false if nobody's.
func (s *stride) at(turn uint64) (int, bool) {
	n := uint64(len(s.scaled))
	round := turn / n
	k := turn - round*n
	w := uint64(s.scaled[k])
	if (w*round+k*strideOffset)%strideUnit < strideUnit-w {
		return 0, false
	}
	return s.of(int(k)), true
}

func (s *stride) of(entry int) int {
	if s.index == nil {
		return entry
	}
	return int(s.index[entry])
}

// spread returns the weight that each entry is of, those of one weight at even
// distances.
func spread(weights []float64, mean float64, entries int) []int32 {
	const free = -1
	index := make([]int32, entries)
	for k := range index {
		index[k] = free
	}
	begin := 0.0 // of the first entry, as a share of the round
	for i, w := range weights {
		n := strideEntries(w, mean)
		if n == 1 {
			continue
		}
		for j := range n {
			_, part := math.Modf(begin + float64(j)/float64(n))
			k := min(int(part*float64(entries)), entries-1)
			for index[k] != free {
				if k++; k == entries {
					k = 0
				}
			}
			index[k] = int32(i)
		}
		begin += 1 / math.Phi
	}
	k := 0
	for i, w := range weights {
		if strideEntries(w, mean) > 1 {
			continue
		}
		for index[k] != free {
			k++
		}
		index[k] = int32(i)
	}
	return index
}

// strideEntries returns how many entries a weight has.
func strideEntries(weight, mean float64) int {
	return max(1, int(math.Ceil(known(weight, mean)/(strideRatio*mean))))
}

// known returns the weight, or the mean if it is unknown.
func known(weight, mean float64) float64 {
	if positive(weight) {
		return weight
	}
	return mean
}

// meanOfKnown returns the mean of the known weights, or 1 if none is.
func meanOfKnown(weights []float64) float64 {
	sum, n := 0.0, 0
	for _, w := range weights {
		if known(w, 0) > 0 {
			sum += w
			n++
		}
	}
	if n == 0 {
		return 1
	}
	return sum / float64(n)
}

// positive reports whether x is a number greater than 0, and finite.
func positive(x float64) bool { return x > 0 && x <= math.MaxFloat64 }
