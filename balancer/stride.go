package balancer

import (
	"math"
	"sync/atomic"
)

const (
	// fullStride is the scaled weight that is taken in every generation, and
	// strideOffset what keeps neighbors of equal weight from skipping the same
	// ones.
	fullStride   = math.MaxUint16
	strideOffset = math.MaxUint16 / 2

	// maxStrideRatio is how many times the mean a weight may be, and as small a
	// part of it. It bounds the tries of a pick, which are as many in the mean
	// as the largest weight exceeds the mean.
	maxStrideRatio = 10
)

// A stride is a schedule by weights: in each generation, which is one round
// over all, each is taken or skipped so that the number of times it is taken
// follows its weight, at even intervals. It is the static stride scheduler of
// gRPC (gRFC A58). It never changes; the sequence is the caller's, who may go
// on with it in the next schedule.
type stride struct{ scaled []uint16 }

// newStride returns the schedule of some weights, of which there must be one.
// One that is not a positive number is not known, and takes the mean of those
// that are. With fewer than two of them, or if they all come to the same, it is
// round robin.
func newStride(weights []float64) *stride {
	s := &stride{make([]uint16, len(weights))}
	var sum, known float64
	for _, w := range weights {
		if positive(w) {
			sum += w
			known++
		}
	}
	mean := sum / known
	if known < 2 || !positive(mean) {
		mean, weights = 1, nil
	}
	heaviest := mean
	for _, w := range weights {
		if positive(w) {
			heaviest = max(heaviest, min(w, mean*maxStrideRatio))
		}
	}
	for i := range s.scaled {
		w := mean
		if weights != nil && positive(weights[i]) {
			w = min(max(weights[i], mean/maxStrideRatio), mean*maxStrideRatio)
		}
		s.scaled[i] = uint16(max(1, math.Round(w/heaviest*fullStride)))
	}
	return s
}

func positive(x float64) bool { return x > 0 && x <= math.MaxFloat64 }

// pick returns the index of the next in turn. One of full weight is never
// skipped, so it ends.
func (s *stride) pick(sequence *atomic.Uint64) int {
	n := uint64(len(s.scaled))
	for {
		turn := sequence.Add(1)
		i, generation := turn%n, turn/n
		scaled := uint64(s.scaled[i])
		if (scaled*generation+i*strideOffset)%fullStride >= fullStride-scaled {
			return int(i)
		}
	}
}
